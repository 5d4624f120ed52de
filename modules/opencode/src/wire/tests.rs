#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test looks for some events and skips all others"
)]

use serde_json::json;

use super::*;

fn line(json: &serde_json::Value) -> Option<Line> {
    Line::parse(&json.to_string())
}

fn event(name: &str, properties: serde_json::Value) -> Option<Event> {
    let found = line(&json!({
        "directory": "/p", "project": "global", "unknown": 1,
        "payload": {"id": "evt_1", "type": name, "properties": properties},
    }));
    found.map(|line| line.event)
}

#[test]
fn an_event_knows_its_folder() {
    let found = line(&json!({
        "directory": "/home/user/my \"project\"",
        "payload": {"type": "session.idle", "properties": {"sessionID": "ses_1"}},
    }));

    let expected = Line {
        directory: "/home/user/my \"project\"".to_owned(),
        event: Event::SessionIdle {
            session_id: "ses_1".to_owned(),
        },
    };
    assert_eq!(found, Some(expected));
}

#[test]
fn doubles_and_what_is_no_event_are_left_out() {
    assert_eq!(event("sync", json!({})), None);
    assert_eq!(event("session.next.text.delta", json!({})), None);
    assert_eq!(event("permission.v2.asked", json!({"id": "per_1"})), None);
    for garbage in [
        "",
        "[]",
        "null",
        "{}",
        "{\"payload\":{}}",
        "{\"payload\":{\"type\":7}}",
        "data",
    ] {
        assert_eq!(Line::parse(garbage), None, "{garbage}");
    }
}

#[test]
fn what_is_new_is_kept_by_name() {
    let other = |name: &str| {
        Some(Event::Other {
            name: name.to_owned(),
        })
    };

    assert_eq!(event("plugin.added", json!({"id": "x"})), other("plugin.added"));
    assert_eq!(
        event("session.created", json!({"info": 7})),
        other("session.created")
    );
    assert_eq!(
        event(
            "session.status",
            json!({"sessionID": "s", "status": {"type": "pondering", "x": 1}})
        ),
        Some(Event::SessionStatus {
            session_id: "s".to_owned(),
            status: SessionStatus::Other
        })
    );
}

#[test]
fn unknown_parts_and_tool_states_are_kept() {
    let part = |value: serde_json::Value| serde_json::from_value::<Part>(value).unwrap();
    let ids = json!({"id": "prt_1", "sessionID": "ses_1", "messageID": "msg_1"});
    let with = |extra: serde_json::Value| {
        let mut value = ids.clone();
        for (name, member) in extra.as_object().unwrap() {
            value[name] = member.clone();
        }
        value
    };

    let hologram = with(json!({"type": "hologram", "depth": 3}));
    assert_eq!(
        part(hologram.clone()),
        Part {
            id: "prt_1".to_owned(),
            session_id: "ses_1".to_owned(),
            message_id: "msg_1".to_owned(),
            kind: PartKind::Other {
                name: "hologram".to_owned(),
                value: hologram
            },
        }
    );
    let tool =
        with(json!({"type": "tool", "callID": "c", "tool": "bash", "state": {"status": "paused", "x": 1}}));
    assert_eq!(
        part(tool).kind,
        PartKind::Tool(ToolCall {
            call_id: "c".to_owned(),
            tool: "bash".to_owned(),
            state: ToolState::Other
        })
    );
    let pending =
        with(json!({"type": "tool", "tool": "x", "state": {"status": "pending", "input": {}, "raw": ""}}));
    assert!(matches!(
        part(pending).kind,
        PartKind::Tool(ToolCall {
            state: ToolState::Pending {},
            ..
        })
    ));
}

#[test]
fn numbers_may_be_floating() {
    let tokens: Tokens =
        serde_json::from_value(json!({"input": 2411.0, "output": -3, "cache": {"read": 1.9}})).unwrap();

    let expected = Tokens {
        input: 2411,
        output: 0,
        reasoning: 0,
        cache: super::session::Cache { read: 1, write: 0 },
    };
    assert_eq!(tokens, expected);
    let retry: SessionStatus =
        serde_json::from_value(json!({"type": "retry", "attempt": 2.0, "message": "m", "next": 5.0}))
            .unwrap();
    assert_eq!(
        retry,
        SessionStatus::Retry {
            attempt: 2,
            message: "m".to_owned(),
            next: Millis(5)
        }
    );
}

#[test]
fn an_agent_that_says_nothing_of_hiding_is_there() {
    let written = json!({ "name": "gardener", "mode": "primary", "hidden": null, "description": null, "native": false });
    let agent: Agent = serde_json::from_value(written).unwrap();

    assert!(agent.is_choosable());
}

#[test]
fn a_session_that_was_had_back_is_not_archived() {
    let archived = |at: serde_json::Value| {
        let time: SessionTime = serde_json::from_value(json!({ "archived": at })).unwrap();
        time.archived
    };

    assert_eq!(archived(json!(7)), Some(Millis(7)));
    assert_eq!(archived(json!(0)), None);
    assert_eq!(archived(json!(null)), None);
}

#[test]
fn a_message_id_of_ours_looks_and_sorts_like_the_servers() {
    // Taken from a real session: made at 1795227150252 ms, the first id of that millisecond.
    let id = message_id_at(1_795_227_150_252 * 0x1000 + 1, || 0);
    assert_eq!(id, "msg_1fbe067ac00100000000000000");

    let ids: Vec<String> = (0..50).map(|_| message_id()).collect();
    assert!(ids.is_sorted());
    assert!(ids.iter().all(|id| id.len() == 30));
}

#[test]
fn a_prompt_is_sent_as_the_server_wants_it() {
    let prompt = Prompt {
        parts: vec![
            PartInput::Text {
                text: "hi".to_owned(),
            },
            PartInput::File {
                mime: "image/png".to_owned(),
                url: "data:image/png;base64,AA==".to_owned(),
                filename: None,
            },
        ],
        message_id: Some("msg_1".to_owned()),
        model: Some(ModelRef {
            provider_id: "local".to_owned(),
            model_id: "chat-1".to_owned(),
            variant: Some("high".to_owned()),
        }),
        agent: Some("build".to_owned()),
        variant: None,
    };

    let expected = json!({
        "parts": [{"type": "text", "text": "hi"}, {"type": "file", "mime": "image/png", "url": "data:image/png;base64,AA=="}],
        "messageID": "msg_1", "model": {"providerID": "local", "modelID": "chat-1"}, "agent": "build",
    });
    assert_eq!(serde_json::to_value(prompt).unwrap(), expected);
}

/// One event of each shape, as opencode 1.18.33 has sent them to these tests' own sessions.
const RECORDED: &str = include_str!("../../tests/data/events-1.18.33.jsonl");

#[test]
fn every_recorded_event_is_understood() {
    let useless = [
        "plugin.added",
        "catalog.updated",
        "reference.updated",
        "integration.updated",
        "file.edited",
        "file.watcher.updated",
    ];
    let mut kinds = std::collections::BTreeSet::new();
    for json in RECORDED.lines() {
        let Some(line) = Line::parse(json) else {
            assert!(json.contains(r#""type":"sync""#), "{json}");
            continue;
        };
        let kind = match &line.event {
            Event::Other { name } => {
                assert!(useless.contains(&name.as_str()), "{json}");
                continue;
            }
            Event::PartUpdated(part) => {
                assert!(!matches!(part.kind, PartKind::Other { .. }), "{json}");
                assert!(
                    part.id.starts_with("prt_") && part.message_id.starts_with("msg_"),
                    "{json}"
                );
                if let PartKind::Tool(call) = &part.kind {
                    assert_ne!(call.state, ToolState::Other, "{json}");
                    assert!(!call.call_id.is_empty(), "{json}");
                }
                "part"
            }
            Event::MessageUpdated { info, session_id } => {
                assert!(!matches!(**info, Info::Other(_)), "{json}");
                assert_eq!(info.session_id(), session_id);
                assert!(
                    info.id().starts_with("msg_") && info.created() > Millis(0),
                    "{json}"
                );
                "message"
            }
            Event::SessionStatus { status, .. } => {
                assert_ne!(*status, SessionStatus::Other, "{json}");
                "status"
            }
            Event::SessionError { error, session_id } => {
                assert_eq!(error.message(), "the script says 400");
                assert!(session_id.is_some());
                "error"
            }
            Event::PermissionReplied { reply, .. } => {
                assert_eq!(*reply, Some(PermissionReply::Once));
                "reply"
            }
            _ => "other",
        };
        if kind != "other" || line.event.session_id().is_some() {
            assert!(
                line.event.session_id().is_some_and(|id| id.starts_with("ses_")),
                "{json}"
            );
            assert_eq!(line.directory, "/home/user/project");
        }
        kinds.insert(kind);
    }
    let kinds: Vec<&str> = kinds.into_iter().collect();
    assert_eq!(kinds, ["error", "message", "other", "part", "reply", "status"]);
}

#[test]
fn recorded_parts_keep_what_they_say() {
    let parts: Vec<Part> = RECORDED
        .lines()
        .filter_map(Line::parse)
        .filter_map(|line| match line.event {
            Event::PartUpdated(part) => Some(*part),
            _ => None,
        })
        .collect();
    let completed = |tool: &str| {
        parts.iter().find_map(|part| match &part.kind {
            PartKind::Tool(call) if call.tool == tool => match &call.state {
                ToolState::Completed {
                    input,
                    output,
                    metadata,
                    ..
                } => Some((input, output, metadata)),
                _ => None,
            },
            _ => None,
        })
    };

    let (input, output, metadata) = completed("bash").unwrap();
    assert_eq!(
        (&input["command"], output.as_str(), &metadata["exit"]),
        (&json!("echo hi"), "hi\n", &json!(0))
    );
    let (input, _, _) = completed("write").unwrap();
    assert_eq!(input["content"], "one\ntwo\n");
    assert!(completed("task").unwrap().2.contains_key("sessionId"));
    let picture = parts.iter().find_map(|part| match &part.kind {
        PartKind::File(file) => Some(file),
        _ => None,
    });
    assert_eq!(picture.unwrap().filename.as_deref(), Some("dot.png"));
    assert!(
        parts
            .iter()
            .any(|part| matches!(part.kind, PartKind::Compaction { is_automatic: false }))
    );
    assert!(
        parts
            .iter()
            .any(|part| matches!(&part.kind, PartKind::Agent { name } if name == "general"))
    );
}

proptest::proptest! {
    #[test]
    fn no_damage_to_a_recorded_event_does_harm(number in 0usize..52, at in 0usize..1000, byte: u8) {
        let json = RECORDED.lines().nth(number).unwrap_or_default();
        let mut bytes = json.as_bytes().to_vec();
        let at = at % bytes.len();
        bytes[at] = byte;
        let _read = Line::parse(&String::from_utf8_lossy(&bytes));
        let _cut = Line::parse(&String::from_utf8_lossy(&bytes[..at]));
    }
}
