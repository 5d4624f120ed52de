//! What the lists of the chat rely on: sessions made, named, put away and found, and what can be chosen.

use opencode::{
    ApiError,
    api::SessionFilter,
    wire::{Event, ModelRef, Prompt},
};

use crate::rig::Rig;

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
