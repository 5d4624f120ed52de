use std::{net::IpAddr, time::SystemTime};

use kit::{Dirs, NoticeSender, Secret, SettingsFile};
use store::Store;

use axum::http::header;

use super::*;
use crate::{clock::Clock, door::Door, keys::Provided};

const OLD: &str = "a walrus plays the banjo";
const NEW: &str = "velvet ocean kettle";

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

async fn entered_with(keys: &Arc<Keys>, visit: &Visit, proof: Proof) -> Response<Body> {
    let headers = HeaderMap::new();
    enter(
        keys,
        visit,
        &headers,
        &Page::of(keys, visit, &headers, "/"),
        proof,
    )
    .await
}

fn visit(listener: Listener) -> Visit {
    Visit {
        until: None,
        listener,
        address: IpAddr::from([127, 0, 0, 1]),
        stop: kit::CancellationToken::new(),
    }
}

fn keys(folder: &std::path::Path) -> Arc<Keys> {
    let keys = Keys::open(
        Store::in_memory().unwrap(),
        &Dirs::under(folder),
        Arc::new(crate::second::tests::OneSecret::default()),
        NoticeSender::channel().0,
        Arc::new(Clock::over(Arc::new(SystemTime::now))),
        Arc::new(SettingsFile::look(&folder.join("settings.toml"))),
    );
    Arc::new(keys.unwrap())
}

#[tokio::test]
async fn the_first_password_waits_for_its_turn_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let keys = keys(folder.path());
    let door = Door(Arc::clone(&keys));
    let (session, _) = keys
        .sessions
        .begin(Kind::Link, Listener::Local, "x")
        .await
        .unwrap();
    // Everybody who can wait waits, until one is turned away.
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = Arc::new(std::sync::Mutex::new(held));
    let mut storm = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (keys, held) = (Arc::clone(&keys), Arc::clone(&held));
        let work = move || held.lock().unwrap().recv().is_ok();
        storm.spawn(async move { keys.hashing.run(Listener::Local, work).await });
    }
    assert!(storm.join_next().await.unwrap().unwrap().is_err());

    let refused = door
        .set_first_password(&session.caller(SystemTime::now()), secret(NEW))
        .await;

    assert!(refused.unwrap_err().contains("Try again"));
    assert!(!keys.credential.is_set());
    drop(release);
    storm.join_all().await;
    door.set_first_password(&session.caller(SystemTime::now()), secret(NEW))
        .await
        .unwrap();
    let again = door
        .set_first_password(&session.caller(SystemTime::now()), secret(OLD))
        .await;
    assert!(again.unwrap_err().contains("set already"));
    assert!(keys.credential.verify(NEW));
}

#[tokio::test]
async fn a_login_that_a_new_password_overtakes_was_made_with_a_wrong_one() {
    let folder = tempfile::tempdir().unwrap();
    let keys = keys(folder.path());
    keys.credential.set(OLD).unwrap();
    let visit = visit(Listener::Local);
    let Verdict::Right(proof) = check(&keys, &visit, secret(OLD), &secret("")).await else {
        panic!("the password is right");
    };

    keys.set_password(Provided::AtTheMachine, secret(NEW), None)
        .await
        .unwrap();
    let overtaken = entered_with(&keys, &visit, proof).await;
    let changed = keys
        .set_password(Provided::Proved(proof), secret(OLD), None)
        .await;

    assert_eq!(overtaken.status(), StatusCode::UNAUTHORIZED);
    assert!(!overtaken.headers().contains_key(header::SET_COOKIE));
    assert!(keys.sessions.list().is_empty());
    assert!(changed.is_err());
    let Verdict::Right(proof) = check(&keys, &visit, secret(NEW), &secret("")).await else {
        panic!("the new password is the one");
    };
    let entered = entered_with(&keys, &visit, proof).await;
    assert_eq!(entered.status(), StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_login_that_a_second_factor_overtakes_begins_again() {
    let folder = tempfile::tempdir().unwrap();
    let keys = keys(folder.path());
    keys.credential.set(OLD).unwrap();
    let visit = visit(Listener::Tunnel);
    let Verdict::Right(proof) = check(&keys, &visit, secret(OLD), &secret("")).await else {
        panic!("the password is right, and all that is asked for");
    };

    let door = Door(Arc::clone(&keys));
    let app = totp_rs::Totp::from_url(door.offer_second_factor().await.unwrap().link.expose()).unwrap();
    let seconds = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let code = secret(&app.generate(seconds).to_string());
    door.confirm_second_factor(&code).await.unwrap();

    let overtaken = entered_with(&keys, &visit, proof).await;
    assert_eq!(overtaken.status(), StatusCode::UNAUTHORIZED);
    assert!(keys.sessions.list().is_empty());
}

#[tokio::test]
async fn whoever_hangs_up_before_the_answer_leaves_a_line_too() {
    use tracing_subscriber::layer::SubscriberExt as _;
    let folder = tempfile::tempdir().unwrap();
    let keys = keys(folder.path());
    let (ears, audit) = crate::audit::begin();
    let _heard = tracing::subscriber::set_default(tracing_subscriber::registry().with(ears));

    {
        let visit = visit(Listener::Tunnel);
        let code = secret("");
        let mut checking = std::pin::pin!(check(&keys, &visit, secret(OLD), &code));
        assert!(futures_util::poll!(checking.as_mut()).is_pending());
    }

    audit.record(keys.store.clone()).unwrap().finish().await;
    let lines = crate::audit::newest(&keys.store, None, 10).unwrap();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].members()["result"], "gone");
}
