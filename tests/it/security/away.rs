//! What leads in from outside must not be found anywhere either.

use serde_json::json;

use super::{PASSWORD, files, holds, server_password, set_password};
use crate::harness::{Agent, Cloudflare, Home, Processes, with_input};

const TOKEN: &str = "canary-tunnel-token-9921";
/// Whoever knows it could tire a phone's battery.
const ENDPOINT: &str = "https://fcm.googleapis.com/fcm/send/canary-endpoint-9922";
/// A point on the curve, and a secret of the right length.
const POINT: &str = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

#[test]
fn what_leads_in_from_outside_is_in_no_log_no_argument_and_no_foreign_environment() {
    let home = Home::new();
    let cloudflare = Cloudflare::new(&home, "");
    let options = Agent::options()
        .home(home)
        .settings("[logs]\nlevel = \"trace\"\n[secrets]\nfile = true");
    let agent = cloudflare.used_by(options).start();
    let server = server_password(agent.healthy());
    set_password(&agent);
    let mut secret = agent.command(&["secret", "set", "tunnel-token", "--stdin"]);
    assert!(with_input(&mut secret, TOKEN).status.success());
    agent.ask(&["tunnel", "start"]);
    let url = agent.ask(&["tunnel", "url"]);

    // Paired with a code, subscribed to be told, logged in with a wrong and the right password.
    let link = agent.ask(&["devices", "pair"]);
    let code = link
        .lines()
        .next()
        .unwrap()
        .split("code=")
        .nth(1)
        .unwrap()
        .to_owned();
    let mut phone = cloudflare.visitor(&url);
    let paired = phone.post_form("/pair", &[("code", &code), ("name", "Ada's phone")]);
    assert_eq!(paired.status, 303, "{paired:?}");
    phone.keep(&paired);
    let subscription = json!({"endpoint": ENDPOINT, "keys": {"p256dh": POINT, "auth": AUTH}});
    assert_eq!(phone.get("/notices").status, 200);
    assert_eq!(phone.post_json("/notices/push", &subscription).status, 204);
    let mut visitor = cloudflare.visitor(&url);
    let wrong = [("password", "canary-wrong-password-9923"), ("next", "/chat")];
    assert_eq!(visitor.post_form("/login", &wrong).status, 401);
    let entered = visitor.post_form("/login", &[("password", PASSWORD), ("next", "/chat")]);
    assert_eq!(entered.status, 303, "{entered:?}");
    visitor.keep(&entered);
    assert_eq!(visitor.get("/chat").status, 200);
    // And somebody who is refused, with all of it in the wrong place.
    let stranger = cloudflare.visitor(&url);
    stranger.get(&format!(
        "/chat?auth_token={TOKEN}&password=canary-wrong-password-9923"
    ));

    let value = |cookie: Option<&str>| cookie.unwrap().split_once('=').unwrap().1.to_owned();
    let (of_phone, of_visitor) = (value(phone.cookie()), value(visitor.cookie()));
    let secrets = [
        PASSWORD,
        TOKEN,
        "canary-endpoint-9922",
        "canary-wrong-password-9923",
        &code,
        &of_phone,
        &of_visitor,
        &server,
    ];
    let kept = files(&agent.home().nexus());
    let text = String::from_utf8_lossy(
        &kept
            .iter()
            .filter(|(path, _)| path.extension().is_some_and(|ending| ending == "jsonl"))
            .flat_map(|(_, content)| content.clone())
            .collect::<Vec<u8>>(),
    )
    .into_owned();
    assert!(
        text.contains("\"level\":\"debug\""),
        "nothing was told at the finest level"
    );
    for (path, content) in &kept {
        // The owner has agreed to this file; subscriptions are the database's.
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        for secret in secrets {
            let is_its_place = name == "secrets" && secret == TOKEN
                || name.starts_with("state.db") && secret == "canary-endpoint-9922";
            assert!(
                is_its_place || !holds(content, secret),
                "{secret} in {}",
                path.display()
            );
        }
    }
    for pid in Processes::below(agent.home().path()) {
        let line = Processes::command(pid);
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let is_opencode = line.contains("serve");
        for secret in secrets {
            assert!(!line.contains(secret), "{secret} in the arguments of {pid}");
            let is_its_place = is_opencode && secret == server;
            assert!(
                is_its_place || !holds(&environment, secret),
                "{secret} around {line}"
            );
        }
    }
    let export = agent.ask(&["logs", "--json"]);
    let diagnosis = format!("{:?}", agent.nexus(&["doctor", "--json"]));
    for secret in secrets {
        assert!(!export.contains(secret), "{secret} in the logs as they are shown");
        assert!(!diagnosis.contains(secret), "{secret} in the diagnosis");
    }
    agent.quit();
}
