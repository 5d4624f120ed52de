use serde_json::json;

use super::{
    request::{Asked, Purpose},
    script::{Item, Script, Trouble},
    text,
};

fn say(text: &str) -> Item {
    Item::Say(text.to_owned())
}

#[test]
fn markers_are_done_in_order_and_other_words_mean_nothing() {
    let script =
        Script::parse("please [[text:Look:]] now [[rate:30]] [[nonsense:1]] [[tokens:2]] [[reasoning:1]]");

    let expected = Script {
        items: vec![say("Look:"), say("word0 word1"), Item::Think("word0".to_owned())],
        rate: 30,
        ..Script::default()
    };
    assert_eq!(script, expected);
}

#[test]
fn a_tools_input_may_hold_brackets_and_markers() {
    let script = Script::parse(
        r#"[[tool:bash {"command":"[[ -f x ]] && echo \"]]\""}]] [[tool:task {"prompt":"[[tokens:3]]"}]]"#,
    );

    let call = |tool: &str, input: serde_json::Value| Item::Call {
        tool: tool.to_owned(),
        input,
    };
    let expected = [
        call("bash", json!({"command": "[[ -f x ]] && echo \"]]\""})),
        call("task", json!({"prompt": "[[tokens:3]]"})),
    ];
    assert_eq!(script.items, expected);
}

#[test]
fn each_tool_call_ends_a_step_and_the_last_step_has_words() {
    let script = Script::parse(r#"[[text:a]][[tool:x {}]][[text:b]][[tool:y {}]]"#);

    assert_eq!(script.step(0), script.items[..2]);
    assert_eq!(script.step(1), script.items[2..]);
    assert_eq!(script.step(2), [say("Done: 2 tool calls have answered.")]);
    let script = Script::parse(r#"[[tool:x {}]][[text:b]]"#);
    assert_eq!(script.step(1), [say("b")]);
}

#[test]
fn troubles_can_pass() {
    let script = Script::parse("[[error:500:2]] [[cut:7]]");

    assert_eq!(
        script.error,
        Some(Trouble {
            figure: 500,
            times: Some(2)
        })
    );
    assert_eq!(
        script.cut,
        Some(Trouble {
            figure: 7,
            times: None
        })
    );
    assert_eq!(
        [0, 1, 2].map(|attempt| script.error.unwrap().hits(attempt)),
        [true, true, false]
    );
    assert!(script.cut.unwrap().hits(1000));
}

#[test]
fn tokens_put_together_are_the_text() {
    for text in [
        text::markdown(800),
        text::demo("hi"),
        text::paragraph(20_000),
        "äöü  \n\n x".to_owned(),
        String::new(),
    ] {
        assert_eq!(text::tokens(&text).concat(), text);
    }
}

#[test]
fn sizes_are_kept() {
    assert_eq!(text::paragraph(20_480).len(), 20_480);
    assert!(!text::paragraph(20_480).contains('\n'));
    let count = text::tokens(&text::markdown(2000)).len();
    assert!((2000..2200).contains(&count), "{count}");
    assert_eq!(text::markdown(2000).matches("```").count() % 2, 0);
}

#[test]
fn a_request_is_understood_by_its_last_prompt_and_the_tools_since() {
    let body = json!({"model": "chat-1", "tools": [{}], "messages": [
        {"role": "system", "content": "be good"},
        {"role": "user", "content": "one [[tokens:1]]"},
        {"role": "assistant", "content": "word0"},
        {"role": "user", "content": [{"type": "text", "text": "two"}, {"type": "image_url"}]},
        {"role": "assistant", "tool_calls": []},
        {"role": "tool", "content": "done"},
    ]});

    let asked = Asked::read(&body);
    assert_eq!(
        (asked.prompt.as_str(), asked.calls_done, asked.purpose),
        ("two", 1, Purpose::Turn)
    );
}

#[test]
fn a_title_is_made_of_the_words_beside_the_markers() {
    assert_eq!(
        text::title(r#"fix the [[tool:bash {"command":"[[ a ]]"}]] build"#),
        "fix the build"
    );
    assert_eq!(text::title("[[tokens:5]]"), "Scripted conversation");
}
