//! What the chat relies on: prompts, events in order, permissions, questions, aborts.

use fakes::model::text;
use opencode::{
    ApiError,
    api::{CommandCall, SessionFilter},
    wire::{
        Event, Info, ModelRef, PartKind, Permission, PermissionReply, Prompt, SessionStatus, ToolState,
        message_id,
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

#[tokio::test]
async fn an_archived_session_is_found_and_had_back() {
    let rig = Rig::started().await;
    let api = rig.module.api();
    let session = rig.session().await;
    let folder = session.directory.as_str();
    api.rename_session(folder, &session.id, "Kept for later")
        .await
        .unwrap();
    let listed = async |search: &str, includes_archived: bool| {
        let filter = SessionFilter {
            search: Some(search.to_owned()),
            includes_archived,
            ..SessionFilter::default()
        };
        let page = api.all_sessions(&filter).await.unwrap();
        let is_archived = |found: opencode::wire::Session| found.time.archived.is_some();
        page.sessions.into_iter().map(is_archived).collect::<Vec<_>>()
    };

    api.archive_session(folder, &session.id, opencode::wire::Millis(1_700_000_000_000))
        .await
        .unwrap();
    assert_eq!(listed("FOR later", false).await, [] as [bool; 0]);
    assert_eq!(listed("FOR later", true).await, [true]);

    let back = api.unarchive_session(folder, &session.id).await.unwrap();
    assert_eq!(back.time.archived, None);
    assert_eq!(listed("f_r l%r", true).await, [false]);
    // Why had-back sessions are asked for apart.
    assert_eq!(listed("FOR later", false).await, [] as [bool; 0]);
    rig.end().await;
}

#[tokio::test]
async fn sessions_are_made_named_put_away_and_deleted() {
    let rig = Rig::started().await;
    let mut tale = rig.events().await;
    let api = rig.module.api();
    let session = rig.session().await;
    assert!(session.is_unnamed());
    let folder = session.directory.as_str();

    let named = api
        .rename_session(folder, &session.id, "A name & more")
        .await
        .unwrap();
    assert_eq!(named.title, "A name & more");
    assert_eq!(api.sessions(folder, 10).await.unwrap().len(), 1);
    let archived = api
        .archive_session(folder, &session.id, opencode::wire::Millis(1_700_000_000_000))
        .await
        .unwrap();
    assert_eq!(
        archived.time.archived,
        Some(opencode::wire::Millis(1_700_000_000_000))
    );
    api.delete_session(folder, &session.id).await.unwrap();
    let deleted = tale
        .until(|event| match event {
            Event::SessionDeleted(session) => Some(session.id.clone()),
            _ => None,
        })
        .await;
    assert_eq!(deleted, session.id);
    assert!(api.session(folder, &session.id).await.unwrap_err().is_missing());
    assert_eq!(api.todo(folder, "ses_nothing").await.unwrap_or_default(), []);
    rig.end().await;
}

#[tokio::test]
async fn what_can_be_chosen_is_listed_and_files_are_found() {
    let rig = Rig::started().await;
    let api = rig.module.api();
    let folder = rig.project();
    std::fs::write(rig.home.path().join("project/needle.txt"), "x").unwrap();

    let providers = api.providers(&folder).await.unwrap();
    assert_eq!(
        providers
            .providers
            .iter()
            .map(|found| found.id.as_str())
            .collect::<Vec<_>>(),
        [fakes::PROVIDER]
    );
    assert!(providers.providers[0].models.contains_key(fakes::MODEL));
    assert!(
        providers.providers[0].models[fakes::OTHER_MODEL]
            .capabilities
            .reasoning
    );
    let agents = api.agents(&folder).await.unwrap();
    let choosable: Vec<&str> = agents
        .iter()
        .filter(|agent| agent.is_choosable())
        .map(|agent| agent.name.as_str())
        .collect();
    assert_eq!(choosable, ["build", "plan"]);
    assert!(
        api.commands(&folder)
            .await
            .unwrap()
            .iter()
            .any(|command| command.name == "init")
    );
    let names: Vec<String> = api
        .files(&folder, ".")
        .await
        .unwrap()
        .into_iter()
        .map(|node| node.name)
        .collect();
    assert_eq!(names, ["needle.txt"]);
    assert_eq!(api.paths(&folder).await.unwrap().directory, folder);
    let search = opencode::api::FileSearch {
        query: "needle".to_owned(),
        limit: 5,
        includes_folders: false,
    };
    assert_eq!(api.find_files(&folder, &search).await.unwrap(), ["needle.txt"]);

    let unknown = ModelRef {
        provider_id: "nobody".to_owned(),
        model_id: "nothing".to_owned(),
        variant: None,
    };
    let session = rig.session().await;
    let mut tale = rig.events().await;
    let prompt = Prompt {
        model: Some(unknown),
        ..Prompt::text("hi")
    };
    api.prompt(&folder, &session.id, &prompt).await.unwrap();
    let told = tale
        .until(|event| match event {
            Event::SessionError { error, .. } => Some(error.message().to_owned()),
            _ => None,
        })
        .await;
    assert!(told.contains("nothing"), "{told}");
    let refused = api
        .message(&folder, &session.id, "msg_nothing")
        .await
        .unwrap_err();
    assert!(matches!(refused, ApiError::Refused { .. }), "{refused}");
    rig.end().await;
}
