//! What must not be found anywhere while the whole program runs: secrets, open doors, files others can read.

mod away;
mod calls;
mod children;
mod folders;
mod requests;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::json;

use crate::harness::{Agent, PATIENCE, Pid, Processes, Session, block_on, model, until};

const PASSWORD: &str = "seven canary otters paint the harbour";
const WRONG: &str = "a wrong canary password";
const PROMPT: &str = "canary prompt nobody else may read";

/// Every file below `folder`, with its content.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(files(&entry.path()));
        } else if kind.is_file() {
            // A temporary file may be gone by now.
            found.extend(fs::read(entry.path()).map(|content| (entry.path(), content)));
        }
    }
    found
}

fn holds(content: &[u8], secret: &str) -> bool {
    content
        .windows(secret.len())
        .any(|window| window == secret.as_bytes())
}

/// What opencode was given to ask its callers for.
fn server_password(pid: Pid) -> String {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap();
    let entry = environment
        .split(|byte| *byte == 0)
        .find_map(|entry| entry.strip_prefix(b"OPENCODE_SERVER_PASSWORD="));
    String::from_utf8(entry.expect("opencode has a password").to_vec()).unwrap()
}

fn set_password(agent: &Agent) {
    let mut setting = agent
        .command(&["password", "set", "--stdin"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    setting
        .stdin
        .take()
        .unwrap()
        .write_all(PASSWORD.as_bytes())
        .unwrap();
    assert!(setting.wait().unwrap().success());
}

#[test]
fn secrets_are_in_no_file_no_argument_and_no_answer() {
    let model = model();
    let agent = Agent::options()
        .model(&model)
        .settings("[logs]\nlevel = \"trace\"")
        .start();
    let project = agent.home().project("shop");
    let server = server_password(agent.healthy());
    set_password(&agent);
    let link = agent.ask(&["open", "--print-url"]);
    let ticket = link
        .split("ticket=")
        .nth(1)
        .unwrap()
        .split('&')
        .next()
        .unwrap()
        .to_owned();
    Session::by_link(&link);
    let mut owner = Session::stranger(agent.base());
    assert_eq!(owner.post_form("/login", &[("password", WRONG)]).status, 401);
    let login = owner.post_form("/login", &[("password", PASSWORD)]);
    assert_eq!(login.status, 303, "{login:?}");
    owner.keep(&login);
    let cookie = owner.cookie().unwrap().split_once('=').unwrap().1.to_owned();
    let place: String = url::form_urlencoded::byte_serialize(project.to_string_lossy().as_bytes()).collect();
    let created = owner
        .post_json(&format!("/api/opencode/session?directory={place}"), &json!({}))
        .json();
    let session = format!("/api/opencode/session/{}", created["id"].as_str().unwrap());
    let parts = json!({"parts": [{"type": "text", "text": PROMPT}]});
    assert!(
        owner
            .post_json(&format!("{session}/prompt_async?directory={place}"), &parts)
            .status
            < 300
    );
    until("the prompt to be stored", PATIENCE, || {
        let messages = owner.get(&format!("{session}/message?directory={place}"));
        messages.body.contains(PROMPT).then_some(())
    });

    let secrets = [PASSWORD, WRONG, &server, &ticket, &cookie, "seven+canary"];
    for pid in Processes::below(agent.home().path()) {
        let line = Processes::command(pid);
        assert!(
            secrets.iter().all(|secret| !line.contains(secret)),
            "in the arguments of {pid}"
        );
    }
    for path in [
        "/",
        "/dashboard",
        "/logs",
        "/devices",
        "/api/status",
        "/api/opencode/config/providers",
        "/api/opencode/agent",
    ] {
        let answer = owner.get(path);
        let text = format!("{:?} {}", answer.headers, answer.body);
        assert!(
            secrets.iter().all(|secret| !text.contains(secret)),
            "in the answer of {path}"
        );
    }
    let diagnosis = format!("{:?}", agent.nexus(&["doctor", "--json"]));
    assert!(
        secrets.iter().all(|secret| !diagnosis.contains(secret)),
        "{diagnosis}"
    );
    let kept = files(&agent.home().nexus());
    assert!(
        kept.iter().any(
            |(path, content)| path.starts_with(agent.home().nexus().join("logs")) && !content.is_empty()
        )
    );
    for (path, content) in kept {
        for secret in secrets {
            assert!(!holds(&content, secret), "{secret} in {}", path.display());
        }
        assert!(!holds(&content, PROMPT), "a prompt in {}", path.display());
    }
    agent.quit();
}

#[test]
fn whoever_lacks_the_session_or_the_password_executes_nothing() {
    let agent = Agent::options().start();
    agent.healthy();
    let port = agent.status()["modules"]["opencode"]["port"].as_u64().unwrap();
    let marker = agent.home().path().join("executed");
    let command = json!({"agent": "build", "command": format!("touch {}", marker.display())});

    for base in [agent.base().to_owned(), format!("http://127.0.0.1:{port}")] {
        let stranger = Session::stranger(&base);
        for prefix in ["", "/api/opencode"] {
            assert_eq!(
                stranger
                    .post_json(&format!("{prefix}/session"), &json!({}))
                    .status,
                401,
                "{base}{prefix}"
            );
            let shell = stranger.post_json(&format!("{prefix}/session/ses_1/shell"), &command);
            assert_eq!(shell.status, 401, "{base}{prefix}");
        }
    }
    // The owner's own session does not open it either: running commands is not on the list.
    let owner = Session::by_link(&agent.link());
    assert_eq!(
        owner
            .post_json("/api/opencode/session/ses_1/shell", &command)
            .status,
        404
    );
    assert!(!marker.exists());
    agent.quit();
}

#[test]
fn a_file_leads_to_the_button_and_cannot_press_it() {
    let agent = Agent::options().start();
    let link = agent.link();
    let (enter, ticket) = link.split_once("?ticket=").unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    // As Chromium navigates and posts from a page that is a file.
    let from_a_file = |request: reqwest::RequestBuilder| {
        let request = request
            .header("Sec-Fetch-Site", "cross-site")
            .header("Sec-Fetch-Mode", "navigate")
            .header("Sec-Fetch-Dest", "document");
        block_on(async { request.send().await.unwrap() })
    };

    let posted = from_a_file(
        http.post(enter)
            .header("Origin", "null")
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(format!("ticket={ticket}")),
    );
    let shown = from_a_file(http.get(&link));
    let status = shown.status().as_u16();
    let page = block_on(async { shown.text().await.unwrap() });

    assert_eq!(posted.status().as_u16(), 403);
    assert_eq!(status, 200);
    assert!(page.contains("<button") && page.contains(ticket), "{page}");
    // Neither has used the ticket up.
    Session::by_link(&link);
    agent.quit();
}
