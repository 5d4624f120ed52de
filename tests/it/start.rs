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
