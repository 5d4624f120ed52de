//! The machine is reached from outside through cloudflared, while its owner wants it and everything holds.

mod doubtful;
mod downloading;
mod failing;
mod guarded;
mod losing;
mod matrix;
mod network;
mod offline;
mod own;
mod registering;
mod sealed;
mod together;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Agent, Cloudflare, Home, PATIENCE, Processes, Session, until};

const PASSWORD: &str = "a walrus plays the banjo";

fn tunnel(status: &Value) -> &Value {
    &status["modules"]["tunnel"]
}

fn set_password(agent: &Agent) {
    use std::io::Write;
    let mut child = agent
        .command(&["password", "set", "--stdin"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), "{PASSWORD}").unwrap();
    assert!(child.wait().unwrap().success());
}

/// An agent without opencode, that is ready to be reached.
fn ready(words: &str) -> (Agent, Cloudflare) {
    let home = Home::new();
    let cloudflare = Cloudflare::new(&home, words);
    let agent = cloudflare.used_by(Agent::options().home(home).idle()).start();
    set_password(&agent);
    (agent, cloudflare)
}

/// Switches it on and gives the address.
#[track_caller]
fn switch_on(agent: &Agent) -> String {
    agent.ask(&["tunnel", "start"]);
    agent.ask(&["tunnel", "url"])
}

#[track_caller]
fn wait_for_state(agent: &Agent, state: &str) -> Value {
    let status = agent.wait_for(&format!("the tunnel to be {state}"), |status| {
        tunnel(status)["state"] == state
    });
    tunnel(&status).clone()
}

/// How long until it is gone.
#[track_caller]
fn gone(pid: u32) -> Duration {
    let since = Instant::now();
    until("cloudflared to be gone", PATIENCE, || {
        (!Processes::is_alive(pid)).then_some(())
    });
    since.elapsed()
}

#[test]
fn a_visitor_comes_to_the_login_then_to_the_chat_and_no_further() {
    let (agent, cloudflare) = ready("");
    assert_eq!(tunnel(&agent.status())["state"], "off");

    let url = switch_on(&agent);

    assert!(
        url.starts_with("https://") && url.ends_with(".trycloudflare.com"),
        "{url}"
    );
    let status = agent.status();
    let shown = tunnel(&status);
    assert_eq!(
        (&shown["state"], &shown["public_url"], &shown["mode"]),
        (&json!("connected"), &json!(url), &json!("quick"))
    );
    let mut visitor = cloudflare.visitor(&url);
    assert_eq!(visitor.get("/healthz").body, "ok");
    assert_eq!(visitor.get("/chat").status, 401);
    assert_eq!(visitor.get("/login").status, 200);
    let entered = visitor.post_form("/login", &[("password", PASSWORD), ("next", "/chat")]);
    assert_eq!(entered.status, 303, "{entered:?}");
    visitor.keep(&entered);
    let chat = visitor.get("/chat");
    assert_eq!(chat.status, 200, "{chat:?}");
    assert_eq!(chat.header("strict-transport-security"), "max-age=31536000");
    assert!(
        !chat.body.contains("/dashboard"),
        "no way to what is for the machine alone"
    );
    for path in [
        "/dashboard",
        "/api/status",
        "/logs",
        "/devices",
        "/api/opencode/session",
    ] {
        assert_eq!(visitor.get(path).status, 403, "{path}");
    }

    // What is being written stays on its side, and a session that is not seen takes no draft.
    let drafts = [("new", "written outside", 204), ("ses_unseen", "planted", 404)];
    for (key, text, status) in drafts {
        let kept = visitor.post_form("/chat/drafts", &[("key", key), ("text", text)]);
        assert_eq!(kept.status, status, "{key}");
    }
    let owner = Session::by_link(&agent.ask(&["open", "--print-url"]));
    owner.post_form(
        "/chat/drafts",
        &[("key", "new"), ("text", "written at the machine")],
    );
    let (outside, inside) = (visitor.get("/chat").body, owner.get("/chat").body);
    assert!(outside.contains("written outside") && !outside.contains("written at the machine"));
    assert!(inside.contains("written at the machine") && !inside.contains("written outside"));

    let pid = cloudflare.pid();
    let asked = Instant::now();
    agent.ask(&["tunnel", "stop"]);
    gone(pid);
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    assert_eq!(visitor.get("/login").status, 530);
    assert_eq!(tunnel(&agent.status())["public_url"], json!(null));
    assert!(!agent.nexus(&["tunnel", "url"]).status.success());

    // A new start, a new address: the former one leads nowhere.
    let again = switch_on(&agent);
    assert_ne!(again, url);
    assert_eq!(cloudflare.visitor(&again).get("/login").status, 200);
    assert_eq!(cloudflare.visitor(&url).get("/login").status, 530);
    agent.quit();
}

#[test]
fn a_phone_scans_a_code_and_is_in_until_it_is_revoked() {
    let (agent, cloudflare) = ready("");
    let refused = agent.nexus(&["tunnel", "qr"]);
    assert_eq!(refused.status.code(), Some(4));
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(words.contains("nexus tunnel start"), "{words}");
    let url = switch_on(&agent);

    let shown = agent.nexus(&["tunnel", "qr"]);
    let link = String::from_utf8(shown.stdout).unwrap().trim().to_owned();
    let words = String::from_utf8_lossy(&shown.stderr).into_owned();
    assert!(words.contains("10 minutes"), "{words}");
    let (page, code) = link.split_once("?code=").unwrap();
    assert_eq!(page, format!("{url}/pair"));
    let mut phone = cloudflare.visitor(&url);
    assert!(
        phone
            .get(&format!("/pair?code={code}"))
            .body
            .contains("Pair this device")
    );
    let paired = phone.post_form("/pair", &[("code", code), ("name", "Ada's phone")]);
    assert_eq!(paired.status, 303, "{paired:?}");
    phone.keep(&paired);
    assert_eq!(phone.get("/chat").status, 200);
    let again = cloudflare
        .visitor(&url)
        .post_form("/pair", &[("code", code), ("name", "Mallory")]);
    assert_eq!(again.status, 401);

    let devices: Value = serde_json::from_str(&agent.ask(&["devices", "list", "--json"])).unwrap();
    let device = &devices[0];
    assert_eq!(
        (&device["device"], &device["listener"]),
        (&json!("Ada's phone"), &json!("tunnel"))
    );
    let revoked = Instant::now();
    agent.ask(&["devices", "revoke", device["id"].as_str().unwrap()]);
    assert_eq!(phone.get("/chat").status, 401);
    assert!(
        revoked.elapsed() < Duration::from_secs(1),
        "{:?}",
        revoked.elapsed()
    );
    let pair: Value = serde_json::from_str(&agent.ask(&["devices", "pair", "--json"])).unwrap();
    assert_eq!(pair["expires_in_s"], json!(600));
    agent.quit();
}

#[test]
fn cloudflared_is_told_what_it_needs_and_no_more() {
    let (agent, cloudflare) = ready("");
    switch_on(&agent);

    let starts = cloudflare.starts();
    assert_eq!(starts.len(), 1);
    let args: Vec<&str> = starts[0]["args"]
        .as_array()
        .unwrap()
        .iter()
        .map(|arg| arg.as_str().unwrap())
        .collect();
    let after = |flag: &str| {
        let at = args
            .iter()
            .position(|arg| *arg == flag)
            .unwrap_or_else(|| panic!("{flag}: {args:?}"));
        args[at + 1]
    };
    assert!(args.contains(&"--no-autoupdate"), "{args:?}");
    assert!(after("--metrics").starts_with("127.0.0.1:"), "{args:?}");
    assert!(after("--url").starts_with("http://127.0.0.1:"), "{args:?}");
    let local = agent.base().rsplit(':').next().unwrap();
    assert!(
        !after("--url").ends_with(local),
        "the local listener is not for the tunnel"
    );
    let home = agent.home().nexus();
    assert!(after("--config").starts_with(home.to_str().unwrap()), "{args:?}");
    let environment = starts[0]["env"].as_object().unwrap();
    for name in environment.keys() {
        assert!(
            !name.starts_with("NEXUS_") || name == "NEXUS_CHILD",
            "{name} is none of its business"
        );
        assert!(!name.starts_with("OPENCODE_"), "{name} is none of its business");
        assert!(!name.ends_with("_PROXY") && !name.ends_with("_KEY"), "{name}");
    }
    agent.quit();
}

#[test]
fn from_outside_only_the_named_folders_are_seen() {
    let home = Home::new();
    let secret = home.project("secret");
    let cloudflare = Cloudflare::new(&home, "");
    let agent = cloudflare.used_by(Agent::options().home(home)).start();
    set_password(&agent);
    agent.healthy();
    let owner = Session::by_link(&agent.ask(&["open", "--print-url"]));
    let made_in = |folder: &std::path::Path, title: &str| {
        let path = format!("/api/opencode/session?directory={}", folder.display());
        let made = owner.post_json(&path, &json!({ "title": title }));
        assert_eq!(made.status, 200, "{made:?}");
        made.json()["id"].as_str().unwrap().to_owned()
    };
    let shop = agent.home().path().join("projects").join("shop");
    let (open, closed) = (made_in(&shop, "Open words"), made_in(&secret, "Closed words"));
    until("both sessions to be on the owner's page", PATIENCE, || {
        let page = owner.get("/chat").body;
        (page.contains("Open words") && page.contains("Closed words")).then_some(())
    });
    let url = switch_on(&agent);
    let mut visitor = cloudflare.visitor(&url);
    let entered = visitor.post_form("/login", &[("password", PASSWORD), ("next", "/chat")]);
    visitor.keep(&entered);

    for page in [
        "/chat",
        "/chat?q=words",
        "/chat?archived=true",
        &format!("/chat/{open}"),
    ] {
        let body = visitor.get(page).body;
        assert!(
            !body.contains("Closed words") && !body.contains(&closed),
            "{page}: {body}"
        );
        assert!(!body.contains("projects/secret"), "{page}");
    }
    assert!(visitor.get("/chat").body.contains("Open words"));
    assert_eq!(visitor.get(&format!("/chat/{open}")).status, 200);
    assert_eq!(visitor.get(&format!("/chat/{closed}")).status, 404);
    assert_eq!(visitor.get("/chat/ses_unknown").status, 404);
    for act in [
        "send", "stop", "rename", "pin", "archive", "compact", "delete", "continue",
    ] {
        let answer = visitor.post_form(&format!("/chat/{closed}/{act}"), &[("text", "x"), ("title", "x")]);
        assert_eq!(answer.status, 404, "{act}");
    }
    let folder = secret.display().to_string();
    let begun = visitor.post_form("/chat/new", &[("text", "x"), ("directory", &folder)]);
    assert_eq!(begun.status, 400, "{begun:?}");
    let named = format!("/chat/new/find?kind=@&q=R&directory={folder}");
    assert_eq!(visitor.get(&named).body, "[]");
    assert_eq!(
        visitor.get(&format!("/chat/new/menus?directory={folder}")).status,
        404
    );
    assert_eq!(owner.get(&format!("/chat/{closed}")).status, 200);
    agent.quit();
}

#[test]
fn the_address_is_looked_at_from_outside_and_says_so() {
    let home = Home::new();
    let cloudflare = Cloudflare::new(&home, "");
    let public = cloudflare.addresses()["http"].as_str().unwrap().to_owned();
    let mut options = cloudflare.used_by(Agent::options().home(home).idle());
    options.env("NEXUS_TEST_PUBLIC", public.trim_start_matches("http://"));
    let agent = options.start();
    set_password(&agent);
    switch_on(&agent);

    let seen = |wanted: &'static str| {
        agent.wait_for(&format!("it to be seen from outside: {wanted}"), |status| {
            let facts = tunnel(status)["facts"].as_array().unwrap();
            let of_reach = facts.iter().find(|fact| fact[0] == "Seen from outside");
            of_reach.is_some_and(|fact| fact[1].as_str().unwrap().starts_with(wanted))
        })
    };
    seen("yes, at ");
    agent.quit();
}
