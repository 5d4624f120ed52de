//! From nothing to a conversation, and back to nothing.

use serde_json::json;

use crate::harness::{Agent, PATIENCE, model, until};

#[test]
fn the_printed_link_leads_to_an_answer_of_the_model() {
    let model = model();
    let agent = Agent::options().model(&model).start();
    let project = agent.home().project("shop");
    agent.healthy();

    let owner = crate::harness::Session::by_link(&agent.link());
    let place = format!(
        "directory={}",
        url::form_urlencoded::byte_serialize(project.to_string_lossy().as_bytes()).collect::<String>()
    );
    let session = owner
        .post_json(&format!("/api/opencode/session?{place}"), &json!({}))
        .json();
    let id = session["id"].as_str().unwrap();
    let sent = owner.post_json(
        &format!("/api/opencode/session/{id}/prompt_async?{place}"),
        &json!({"parts": [{"type": "text", "text": "[[text:Good morning]]"}]}),
    );
    assert!(sent.status < 300, "{sent:?}");

    until("the answer to be stored", PATIENCE, || {
        let messages = owner.get(&format!("/api/opencode/session/{id}/message?{place}"));
        messages.body.contains("Good morning").then_some(())
    });
    agent.quit();
}

#[test]
fn where_the_port_is_taken_the_terminal_says_so_until_it_is_free() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let settings = format!("[gateway]\nport = {port}");
    let agent = Agent::options().idle().settings(&settings).spawn();

    let said = |begin: &str, word: &str| {
        until(&format!("it to say {word}"), PATIENCE, || {
            let lines = agent.said();
            let mut lines = lines.iter();
            lines
                .any(|line| line.starts_with(begin) && line.contains(word))
                .then_some(())
        });
    };
    said("stderr: ", &port.to_string());
    drop(taken);
    said("nexus ready ", &port.to_string());
    agent.quit();
}
