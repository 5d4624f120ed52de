use std::time::Duration;

use opencode::wire::{Line, Part};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::page_model::PageModel;

fn transcript() -> Transcript {
    let session = Session {
        id: "ses_1".to_owned(),
        directory: "/p".to_owned(),
        title: "One".to_owned(),
        ..Session::default()
    };
    Transcript::new(session, Arc::default(), "/home/ann".into())
}

fn event(kind: &str, properties: &Value) -> Event {
    let line = json!({"directory": "/p", "payload": {"id": "evt", "type": kind, "properties": properties}});
    Line::parse(&line.to_string()).unwrap().event
}

fn status(kind: &str) -> Event {
    event(
        "session.status",
        &json!({"sessionID": "ses_1", "status": {"type": kind}}),
    )
}

fn user(id: &str) -> Event {
    let info =
        json!({"id": id, "role": "user", "sessionID": "ses_1", "time": {"created": 1}, "agent": "build"});
    event("message.updated", &json!({"sessionID": "ses_1", "info": info}))
}

fn step(id: &str, parent: &str, completed: Option<u64>) -> Event {
    let info = json!({"id": id, "role": "assistant", "parentID": parent, "sessionID": "ses_1",
        "time": {"created": 2, "completed": completed}, "modelID": "m", "providerID": "p"});
    event("message.updated", &json!({"sessionID": "ses_1", "info": info}))
}

fn part(id: &str, message: &str, rest: Value) -> Event {
    let mut part = json!({"id": id, "messageID": message, "sessionID": "ses_1"});
    for (name, value) in rest.as_object().unwrap() {
        part[name] = value.clone();
    }
    event("message.part.updated", &json!({"part": part}))
}

fn text(id: &str, message: &str, text: &str, end: Option<u64>) -> Event {
    part(
        id,
        message,
        json!({"type": "text", "text": text, "time": {"start": 1, "end": end}}),
    )
}

fn delta(id: &str, message: &str, delta: &str) -> Event {
    event(
        "message.part.delta",
        &json!({"sessionID": "ses_1", "messageID": message, "partID": id, "field": "text", "delta": delta}),
    )
}

fn regions() -> &'static str {
    "<div id=\"session-head\"></div><div id=\"earlier\"></div><div id=\"turns\"></div><div id=\"asks\"></div>\
     <div id=\"foot\"></div><div id=\"send-or-stop\"></div>"
}

/// A viewer: the page as a browser would hold it, and its place.
struct Viewer {
    page: PageModel,
    cursor: Option<Cursor>,
    bytes: usize,
}

impl Viewer {
    fn new() -> Self {
        Self {
            page: PageModel::new(regions()),
            cursor: None,
            bytes: 0,
        }
    }

    fn look(&mut self, transcript: &Transcript, now: Instant) {
        let (patches, cursor) = transcript.since(self.cursor, now);
        if patches.is_empty() && Some(cursor) == self.cursor {
            return;
        }
        self.page.apply(&patches);
        self.cursor = Some(cursor);
        let frame = kit::Frame {
            cursor: Some(cursor.to_text()),
            patches,
        };
        self.bytes += serde_json::to_string(&frame).unwrap().len() + 4;
    }
}

fn fresh(transcript: &Transcript, now: Instant) -> String {
    let mut viewer = Viewer::new();
    viewer.look(transcript, now);
    viewer.page.normalised()
}

const CODE: &str = "```rust\nfn main() {\n    let answer = compute(42, \"text\"); // a comment\n    println!(\"{answer}\");\n}\n```\n";

fn prose(words: usize) -> String {
    let mut text = String::from("## A title\n\n");
    for word in 0..words {
        match word % 40 {
            0 => text.push_str("\n\nNow "),
            7 => text.push_str("**strong words** "),
            13 => text.push_str("`code_like()` "),
            21 => text.push_str("[a link](https://example.com/page) "),
            39 if word % 120 == 39 => {
                text.push_str("\n\n- first item\n- second *item*\n- third item\n\n");
                text.push_str(CODE);
            }
            _ => text.push_str("sentence "),
        }
    }
    text
}

/// Streams `text` in tokens at a rate to a viewer that looks 20 times a second; gives bytes sent per byte of text.
fn ratio(text_: &str, tokens_per_second: usize) -> f64 {
    let transcript = transcript();
    let mut viewer = Viewer::new();
    let start = Instant::now();
    transcript.apply(&status("busy"));
    transcript.apply(&user("msg_1"));
    transcript.apply(&part("prt_0", "msg_1", json!({"type": "text", "text": "go"})));
    transcript.apply(&step("msg_2", "msg_1", None));
    transcript.apply(&text("prt_1", "msg_2", "", None));
    let chars: Vec<char> = text_.chars().collect();
    let mut at_ms = 0.0;
    let mut next_frame_ms = 0.0;
    for token in chars.chunks(4) {
        transcript.apply(&delta("prt_1", "msg_2", &token.iter().collect::<String>()));
        at_ms += 1000.0 / tokens_per_second as f64;
        if at_ms >= next_frame_ms {
            viewer.look(
                &transcript,
                start + Duration::from_micros((at_ms * 1000.0) as u64),
            );
            next_frame_ms = at_ms + 50.0;
        }
    }
    let end = start + Duration::from_millis(at_ms as u64 + 100);
    transcript.apply(&text("prt_1", "msg_2", text_, Some(5)));
    transcript.apply(&step("msg_2", "msg_1", Some(9)));
    transcript.apply(&status("idle"));
    viewer.look(&transcript, end);
    assert_eq!(viewer.page.normalised(), fresh(&transcript, end));
    viewer.bytes as f64 / text_.len() as f64
}

#[test]
fn what_is_sent_stays_proportional_to_the_text() {
    let mixed = prose(1500);
    let one_paragraph = "word and `code` in one long paragraph without end ".repeat(400);
    let plain = "word and more words in one long paragraph without end ".repeat(400);
    let list: String = (0..300)
        .map(|item| format!("{item}. point number **{item}** of the list\n\n"))
        .collect();
    let code = format!(
        "```rust\n{}```\n",
        "    let value = call(first, \"second\", 3); // why\n".repeat(200)
    );
    for (name, text) in [
        ("mixed", &mixed),
        ("paragraph", &one_paragraph),
        ("plain", &plain),
        ("list", &list),
        ("code", &code),
    ] {
        for rate in [30, 300] {
            let ratio = ratio(text, rate);
            println!("{name} {} bytes at {rate}/s: {ratio:.1}", text.len());
            assert!(
                ratio <= 12.0,
                "{name} at {rate} tokens/s: {ratio:.1} times the text"
            );
        }
    }
}

#[test]
fn repeated_tool_output_is_sent_once() {
    let transcript = transcript();
    let mut viewer = Viewer::new();
    let now = Instant::now();
    transcript.apply(&status("busy"));
    transcript.apply(&user("msg_1"));
    transcript.apply(&step("msg_2", "msg_1", None));
    let mut output = String::new();
    for line in 0..300 {
        output.push_str(&format!("line number {line}\n"));
        let state = json!({"status": "running", "input": {"command": "make"}, "metadata": {"output": output}, "time": {"start": 1}});
        transcript.apply(&part(
            "prt_1",
            "msg_2",
            json!({"type": "tool", "tool": "bash", "callID": "c", "state": state}),
        ));
        viewer.look(&transcript, now);
    }
    assert!(viewer.page.text().contains("line number 299"));
    assert!(
        viewer.bytes < output.len() * 12,
        "{} for {}",
        viewer.bytes,
        output.len()
    );
    assert_eq!(viewer.page.normalised(), fresh(&transcript, now));
}

#[test]
fn a_retried_step_shows_its_last_attempt_only() {
    let transcript = transcript();
    transcript.apply(&status("busy"));
    transcript.apply(&user("msg_1"));
    transcript.apply(&step("msg_2", "msg_1", None));
    for attempt in 0..3 {
        let start = format!("prt_{attempt}a");
        let words = format!("prt_{attempt}b");
        transcript.apply(&part(&start, "msg_2", json!({"type": "step-start"})));
        transcript.apply(&text(&words, "msg_2", "", None));
        transcript.apply(&delta(&words, "msg_2", "same words"));
        let mut viewer = Viewer::new();
        viewer.look(&transcript, Instant::now());
        assert_eq!(viewer.page.text().matches("same words").count(), 1);
    }
}

#[test]
fn what_a_tool_was_called_with_comes_to_its_request_whenever_it_is_known() {
    let transcript = transcript();
    let mut viewer = Viewer::new();
    for event in [user("msg_1"), step("msg_2", "msg_1", None), status("busy")] {
        transcript.apply(&event);
    }
    transcript.apply(&event(
        "permission.asked",
        &json!({"id": "per_1", "sessionID": "ses_1", "permission": "tracker_close", "patterns": ["*"],
            "tool": {"messageID": "msg_2", "callID": "call_1"}}),
    ));
    viewer.look(&transcript, Instant::now());
    assert!(!viewer.page.html().contains("number seven"));

    transcript.apply(&part(
        "prt_1",
        "msg_2",
        json!({"type": "tool", "callID": "call_1", "tool": "tracker_close",
            "state": {"status": "running", "input": {"which": "number seven"}, "time": {"start": 1}}}),
    ));
    viewer.look(&transcript, Instant::now());

    let html = viewer.page.html();
    let (_, asks) = html.split_once("id=\"asks\"").unwrap();
    assert!(asks.contains("number seven"), "{asks}");
}

#[test]
fn late_and_repeated_events_change_nothing() {
    let transcript = transcript();
    let now = Instant::now();
    for _ in 0..2 {
        for event in [
            status("busy"),
            user("msg_1"),
            step("msg_2", "msg_1", None),
            text("prt_1", "msg_2", "", None),
        ] {
            transcript.apply(&event);
        }
        transcript.apply(&text("prt_1", "msg_2", "all of it", Some(3)));
        transcript.apply(&delta("prt_1", "msg_2", "late"));
        transcript.apply(&delta("prt_9", "msg_2", "of nobody"));
        transcript.apply(&step("msg_2", "msg_1", Some(4)));
        transcript.apply(&status("idle"));
        let mut viewer = Viewer::new();
        viewer.look(&transcript, now);
        assert_eq!(viewer.page.text().matches("all of it").count(), 1);
        assert!(!viewer.page.text().contains("late") && !viewer.page.text().contains("nobody"));
    }
}

#[test]
fn what_was_fetched_does_not_take_streamed_words_away() {
    let transcript = transcript();
    transcript.apply(&status("busy"));
    transcript.apply(&user("msg_1"));
    transcript.apply(&step("msg_2", "msg_1", None));
    transcript.apply(&text("prt_1", "msg_2", "", None));
    transcript.apply(&delta("prt_1", "msg_2", "half of the an"));
    let stored: Vec<Message> = serde_json::from_value(json!([
        {"info": {"id": "msg_1", "role": "user", "sessionID": "ses_1"}, "parts": []},
        {"info": {"id": "msg_2", "role": "assistant", "parentID": "msg_1", "sessionID": "ses_1", "time": {"created": 2}},
         "parts": [{"id": "prt_1", "messageID": "msg_2", "sessionID": "ses_1", "type": "text", "text": "", "time": {"start": 1}}]},
    ]))
    .unwrap();

    transcript.reconcile(Fetched {
        session: transcript.look(|conversation| conversation.session.clone()),
        status: SessionStatus::Idle,
        messages: stored,
        older: None,
        permissions: vec![],
        questions: vec![],
        todos: vec![],
    });

    let mut viewer = Viewer::new();
    viewer.look(&transcript, Instant::now());
    assert!(viewer.page.text().contains("half of the an"));
    assert!(viewer.page.text().contains("Cut off"));
}

#[test]
fn hostile_words_are_text_wherever_they_stand() {
    let hostile = "\"><img src=x onerror=alert(1)>";
    let transcript = transcript();
    transcript.apply(&user("msg_1"));
    transcript.apply(&part("prt_0", "msg_1", json!({"type": "text", "text": hostile})));
    transcript.apply(&part(
        "prt_00",
        "msg_1",
        json!({"type": "file", "mime": hostile, "url": hostile, "filename": hostile}),
    ));
    transcript.apply(&step("msg_2", "msg_1", None));
    for (index, tool) in [
        "bash",
        "read",
        "write",
        "edit",
        "grep",
        "webfetch",
        "task",
        "todowrite",
        "question",
        hostile,
    ]
    .iter()
    .enumerate()
    {
        let input = json!({"command": hostile, "filePath": hostile, "content": hostile, "oldString": hostile, "newString": "",
            "pattern": hostile, "url": hostile, "description": hostile, "prompt": hostile, "todos": [{"content": hostile, "status": hostile}],
            "questions": [{"question": hostile}], hostile: hostile});
        let state = match index % 3 {
            0 => {
                json!({"status": "completed", "input": input, "output": hostile, "title": hostile, "metadata": {"sessionId": hostile}})
            }
            1 => json!({"status": "error", "input": input, "error": hostile}),
            _ => json!({"status": "running", "input": input, "metadata": {"output": hostile}}),
        };
        transcript.apply(&part(
            &format!("prt_{}", index + 1),
            "msg_2",
            json!({"type": "tool", "tool": tool, "callID": hostile, "state": state}),
        ));
    }
    transcript.apply(&event(
        "permission.asked",
        &json!({"id": "per_1", "sessionID": "ses_1", "permission": hostile, "patterns": [hostile],
        "metadata": {"command": hostile}, "always": [hostile]}),
    ));
    transcript.apply(&event(
        "question.asked",
        &json!({"id": "que_1", "sessionID": "ses_1", "questions": [{"question": hostile,
        "options": [{"label": hostile, "description": hostile}]}]}),
    ));
    transcript.apply(&event(
        "session.error",
        &json!({"sessionID": "ses_1", "error": {"name": hostile, "data": {"message": hostile}}}),
    ));

    let mut viewer = Viewer::new();
    viewer.look(&transcript, Instant::now());

    let html = viewer.page.html();
    assert!(!html.contains("<img") && !html.contains("onerror=\""), "{html}");
    assert!(viewer.page.text().matches("onerror=alert(1)").count() > 15);
}

fn any_event() -> impl Strategy<Value = Event> {
    let id = |prefix: &'static str| (0..4_u8).prop_map(move |number| format!("{prefix}_{number}"));
    prop_oneof![
        (0..3_u8).prop_map(|kind| status(["busy", "idle", "busy"][kind as usize])),
        (0..3_u8).prop_map(|number| user(&format!("msg_{}0", number))),
        (0..3_u8, 0..3_u8, any::<bool>())
            .prop_map(|(turn, number, is_done)| step(&format!("msg_{turn}{}", number + 1), &format!("msg_{turn}0"), is_done.then_some(3))),
        (id("prt"), 0..3_u8, 0..4_u8, any::<bool>()).prop_map(|(part, turn, words, is_done)| {
            let words = ["", "Some *words* here", "```rust\nlet a = 1;\n", "- a\n- b"][words as usize];
            text(&format!("{part}{turn}"), &format!("msg_{turn}1"), words, is_done.then_some(2))
        }),
        (id("prt"), 0..3_u8, "[a-z *`\n-]{1,12}").prop_map(|(part, turn, words)| delta(&format!("{part}{turn}"), &format!("msg_{turn}1"), &words)),
        (id("tool"), 0..3_u8, 0..3_u8, 1..9_usize).prop_map(|(id, turn, state, lines)| {
            let output = "some line\n".repeat(lines);
            let state = match state {
                0 => json!({"status": "running", "input": {"command": "x"}, "metadata": {"output": output}}),
                1 => json!({"status": "completed", "input": {"command": "x"}, "output": output, "metadata": {"exit": 0}}),
                _ => json!({"status": "completed", "input": {"filePath": "/p/x"}, "output": output}),
            };
            let tool = if state["input"]["filePath"].is_string() { "read" } else { "bash" };
            part(&format!("{id}{turn}"), &format!("msg_{turn}1"), json!({"type": "tool", "tool": tool, "callID": id, "state": state}))
        }),
        (id("prt"), 0..3_u8).prop_map(|(part, turn)| event("message.part.removed",
            &json!({"sessionID": "ses_1", "messageID": format!("msg_{turn}1"), "partID": format!("{part}{turn}")}))),
        (0..3_u8).prop_map(|turn| event("message.removed", &json!({"sessionID": "ses_1", "messageID": format!("msg_{turn}1")}))),
        (id("per"), id("tool"), 0..3_u8).prop_map(|(id, call, turn)| event("permission.asked", &json!({"id": id, "sessionID": "ses_1",
            "permission": "bash", "metadata": {"command": "x"}, "tool": {"messageID": format!("msg_{turn}1"), "callID": call}}))),
        id("per").prop_map(|id| event("permission.replied", &json!({"sessionID": "ses_1", "requestID": id, "reply": "once"}))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(if cfg!(debug_assertions) { 150 } else { 5_000 }) })]

    /// Whatever happens and whenever viewers look or go away, every page ends as one that is made now.
    #[test]
    fn pages_that_were_told_equal_pages_that_are_made(events in proptest::collection::vec((any_event(), 0..8_u8), 1..60)) {
        let transcript = transcript();
        let start = Instant::now();
        let mut viewers: Vec<Viewer> = (0..3).map(|_| Viewer::new()).collect();
        for (index, (event, looks)) in events.iter().enumerate() {
            transcript.apply(event);
            let now = start + Duration::from_millis(40 * index as u64);
            for (number, viewer) in viewers.iter_mut().enumerate() {
                if looks & (1 << number) != 0 {
                    viewer.look(&transcript, now);
                }
            }
            if *looks == 7 {
                // One goes away and comes back with what it had: its page and its cursor.
                viewers.rotate_left(1);
            }
        }
        let end = start + Duration::from_secs(3600);
        let made = fresh(&transcript, end);
        for viewer in &mut viewers {
            viewer.look(&transcript, end);
            prop_assert_eq!(viewer.page.normalised(), made.clone());
        }
    }
}

#[test]
fn a_part_of_the_wire_is_read() {
    // Guards the helpers above: a typo there would make every test pass on nothing.
    let Event::PartUpdated(part) = text("prt_1", "msg_2", "x", None) else {
        panic!("a part")
    };
    let _: &Part = &part;
    assert_eq!(words::words(&part), Some(("x", false)));
}
