//! What the chat relies on: prompts, events in order, permissions, questions, aborts.

use fakes::model::text;
use opencode::{
    api::CommandCall,
    wire::{
        Event, Info, PartKind, Permission, PermissionReply, Prompt, SessionStatus, ToolState, message_id,
    },
};

use crate::rig::{Rig, Tale, last_text};

async fn asked(tale: &mut Tale) -> Permission {
    let ask = |event: &Event| match event {
        Event::PermissionAsked(permission) => Some((**permission).clone()),
        _ => None,
    };
    tale.until(ask).await
}

#[tokio::test]
async fn a_prompt_streams_its_answer_in_order() {
    let rig = Rig::started().await;
    let mut tale = rig.events().await;
    let session = rig.session().await;
    let answer = text::markdown(120);
    let prompt = Prompt {
        message_id: Some(message_id()),
        ..Prompt::text("hello [[markdown:120]]")
    };

    rig.module
        .api()
        .prompt(&session.directory, &session.id, &prompt)
        .await
        .unwrap();

    let user = tale
        .until(|event| match event {
            Event::MessageUpdated { info, .. } => match &**info {
                Info::User(user) => Some(user.id.clone()),
                _ => None,
            },
            _ => None,
        })
        .await;
    assert_eq!(Some(user), prompt.message_id);
    tale.until(|event| match event {
        Event::SessionStatus { status, .. } => (*status == SessionStatus::Busy).then_some(()),
        _ => None,
    })
    .await;
    let part_id = tale
        .until(|event| match event {
            Event::PartUpdated(part) => match &part.kind {
                PartKind::Text {
                    text, time: Some(_), ..
                } if text.is_empty() => Some(part.id.clone()),
                _ => None,
            },
            _ => None,
        })
        .await;
    let mut streamed = String::new();
    let complete = loop {
        let next = tale
            .until(|event| match event {
                Event::PartDelta(delta) if delta.part_id == part_id => Some(Err(delta.delta.clone())),
                Event::PartUpdated(part) if part.id == part_id => match &part.kind {
                    PartKind::Text { text, .. } => Some(Ok(text.clone())),
                    _ => None,
                },
                _ => None,
            })
            .await;
        match next {
            Err(delta) => streamed.push_str(&delta),
            Ok(complete) => break complete,
        }
    };
    assert_eq!(streamed, answer);
    assert_eq!(complete.trim_end(), answer.trim_end());
    tale.idle(&session).await;

    let messages = rig.messages(&session).await;
    assert_eq!(messages.len(), 2);
    assert_eq!(last_text(&messages).trim_end(), answer.trim_end());
    let api = rig.module.api();
    let page = api
        .messages(&session.directory, &session.id, 1, None)
        .await
        .unwrap();
    let older = api
        .messages(&session.directory, &session.id, 1, page.older.as_deref())
        .await
        .unwrap();
    assert_eq!(
        (page.messages[0].info.id(), older.messages[0].info.id()),
        (messages[1].info.id(), messages[0].info.id())
    );
    let sessions = api
        .all_sessions(&opencode::api::SessionFilter::default())
        .await
        .unwrap()
        .sessions;
    assert_eq!(
        sessions.iter().map(|found| found.id.as_str()).collect::<Vec<_>>(),
        [session.id.as_str()]
    );
    rig.end().await;
}

#[tokio::test]
async fn permissions_are_asked_for_and_each_answer_does_what_it_says() {
    let rig = Rig::started().await;
    let mut tale = rig.events().await;
    let session = rig.session().await;
    let api = rig.module.api();
    let folder = session.directory.clone();
    let run = r#"[[tool:bash {"command":"echo one","description":"Says one"}]]"#;
    let last_tool = |messages: &[opencode::wire::Message]| {
        let states = messages
            .iter()
            .flat_map(|message| &message.parts)
            .filter_map(|part| match &part.kind {
                PartKind::Tool(call) => Some(call.state.clone()),
                _ => None,
            });
        states.fold(None, |_, state| Some(state))
    };

    rig.prompt(&session, run).await;
    let once = asked(&mut tale).await;
    assert_eq!(
        (once.permission.as_str(), once.session_id.as_str()),
        ("bash", session.id.as_str())
    );
    assert_eq!(
        api.permissions(&folder).await.unwrap(),
        std::slice::from_ref(&once)
    );
    assert_eq!(rig.module.busy_sessions().len(), 1);
    api.reply_permission(&folder, &once.id, PermissionReply::Once, None)
        .await
        .unwrap();
    tale.idle(&session).await;
    assert_eq!(
        last_text(&rig.messages(&session).await),
        "Done: 1 tool call has answered."
    );
    assert!(
        matches!(last_tool(&rig.messages(&session).await), Some(ToolState::Completed { output, .. }) if output == "one\n")
    );
    let again = api
        .reply_permission(&folder, &once.id, PermissionReply::Once, None)
        .await;
    assert!(again.unwrap_err().is_missing());

    rig.prompt(&session, run).await;
    let rejected = asked(&mut tale).await;
    api.reply_permission(&folder, &rejected.id, PermissionReply::Reject, None)
        .await
        .unwrap();
    tale.idle(&session).await;
    assert!(matches!(
        last_tool(&rig.messages(&session).await),
        Some(ToolState::Error { .. })
    ));

    rig.prompt(&session, run).await;
    let told = asked(&mut tale).await;
    api.reply_permission(&folder, &told.id, PermissionReply::Reject, Some("say two"))
        .await
        .unwrap();
    tale.idle(&session).await;
    assert!(
        matches!(last_tool(&rig.messages(&session).await), Some(ToolState::Error { error, .. }) if error.contains("say two"))
    );

    rig.prompt(&session, run).await;
    let always = asked(&mut tale).await;
    api.reply_permission(&folder, &always.id, PermissionReply::Always, None)
        .await
        .unwrap();
    tale.idle(&session).await;
    rig.prompt(&session, run).await;
    tale.idle(&session).await;
    assert_eq!(api.permissions(&folder).await.unwrap(), []);
    assert!(matches!(
        last_tool(&rig.messages(&session).await),
        Some(ToolState::Completed { .. })
    ));
    rig.end().await;
}

#[tokio::test]
async fn a_question_is_answered_and_another_dismissed() {
    let rig = Rig::started().await;
    let mut tale = rig.events().await;
    let session = rig.session().await;
    let api = rig.module.api();
    let ask = r#"[[tool:question {"questions":[{"question":"Which colour?","header":"Colour","options":[{"label":"Red","description":"r"},{"label":"Blue","description":"b"}]}]}]]"#;
    let question = |event: &Event| match event {
        Event::QuestionAsked(question) => Some((**question).clone()),
        _ => None,
    };

    rig.prompt(&session, ask).await;
    let first = tale.until(question).await;
    assert_eq!(first.questions[0].options[1].label, "Blue");
    assert_eq!(
        api.questions(&session.directory).await.unwrap(),
        std::slice::from_ref(&first)
    );
    let answers = [vec!["Blue".to_owned()]];
    api.reply_question(&session.directory, &first.id, &answers)
        .await
        .unwrap();
    let closed = |event: &Event| match event {
        Event::QuestionClosed { request_id, .. } => Some(request_id.clone()),
        _ => None,
    };
    assert_eq!(tale.until(closed).await, first.id);
    tale.idle(&session).await;

    rig.prompt(&session, ask).await;
    let second = tale.until(question).await;
    api.reject_question(&session.directory, &second.id).await.unwrap();
    assert_eq!(tale.until(closed).await, second.id);
    tale.idle(&session).await;
    rig.end().await;
}

#[tokio::test]
async fn an_endless_answer_is_aborted_and_an_error_is_told() {
    let rig = Rig::started().await;
    let mut tale = rig.events().await;
    let session = rig.session().await;
    let api = rig.module.api();

    rig.prompt(&session, "[[endless]] [[rate:100]]").await;
    tale.until(|event| matches!(event, Event::PartDelta(_)).then_some(()))
        .await;
    let statuses = api.status(&session.directory).await.unwrap();
    assert_eq!(statuses.get(&session.id), Some(&SessionStatus::Busy));
    api.abort(&session.directory, &session.id).await.unwrap();
    tale.until(|event| match event {
        Event::SessionError { error, .. } => error.is_abort().then_some(()),
        _ => None,
    })
    .await;
    tale.idle(&session).await;

    rig.prompt(&session, "[[error:400]]").await;
    let error = tale
        .until(|event| match event {
            Event::SessionError { error, .. } if !error.is_abort() => Some(error.clone()),
            _ => None,
        })
        .await;
    assert_eq!(
        (error.name.as_str(), error.message()),
        ("APIError", "the script says 400")
    );
    rig.end().await;
}

#[tokio::test]
async fn a_command_sent_twice_under_one_id_has_one_turn() {
    let rig = Rig::started().await;
    let commands = rig.home.path().join("project/.opencode/command");
    std::fs::create_dir_all(&commands).unwrap();
    std::fs::write(
        commands.join("tell.md"),
        "---\ndescription: Tells\n---\nTell $ARGUMENTS\n",
    )
    .unwrap();
    let session = rig.session().await;
    let api = rig.module.api();
    let call = CommandCall {
        command: "tell".to_owned(),
        arguments: "me [[text:told]]".to_owned(),
        message_id: Some(message_id()),
        ..CommandCall::default()
    };

    for _ in 0..2 {
        api.command(&session.directory, &session.id, &call).await.unwrap();
    }

    let messages = rig.messages(&session).await;
    assert_eq!(messages.len(), 2);
    assert_eq!(Some(messages[0].info.id()), call.message_id.as_deref());
    assert_eq!(last_text(&messages), "told");
    rig.end().await;
}
