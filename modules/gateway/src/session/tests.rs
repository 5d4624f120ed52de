use std::sync::Mutex;

use super::*;

/// A clock the test moves.
struct Hands(Arc<Mutex<SystemTime>>);

impl Hands {
    fn new() -> (Self, Arc<Clock>) {
        let at = Arc::new(Mutex::new(from_ms(1_767_261_600_000)));
        let source = Arc::clone(&at);
        (
            Self(at),
            Arc::new(Clock::over(Arc::new(move || *source.lock().unwrap()))),
        )
    }

    fn turn(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }

    fn turn_back(&self, by: Duration) {
        *self.0.lock().unwrap() -= by;
    }
}

const DAY: Duration = Duration::from_secs(24 * 3600);

fn table(store: &Store) -> (Hands, Sessions) {
    let (hands, clock) = Hands::new();
    (hands, Sessions::open(store.clone(), clock).unwrap())
}

#[tokio::test]
async fn a_session_ends_after_thirty_days_whatever_the_clock_does() {
    let store = Store::in_memory().unwrap();
    let (hands, sessions) = table(&store);
    let (_, token) = sessions.begin(Kind::Login, Listener::Local, "x").await.unwrap();

    hands.turn(30 * DAY - Duration::from_secs(1));
    assert!(sessions.find(token.expose(), Listener::Local).is_some());
    hands.turn(Duration::from_secs(1));
    assert!(sessions.find(token.expose(), Listener::Local).is_none());
    hands.turn_back(20 * DAY);
    assert!(sessions.find(token.expose(), Listener::Local).is_none());
}

#[tokio::test]
async fn an_unused_session_of_the_tunnel_ends_after_a_week() {
    let store = Store::in_memory().unwrap();
    let (hands, sessions) = table(&store);
    let (_, token) = sessions.begin(Kind::Login, Listener::Tunnel, "x").await.unwrap();

    for _ in 0..3 {
        hands.turn(6 * DAY);
        assert!(sessions.find(token.expose(), Listener::Tunnel).is_some());
    }
    hands.turn(7 * DAY);
    assert!(sessions.find(token.expose(), Listener::Tunnel).is_none());
}

#[tokio::test]
async fn a_session_is_valid_on_its_own_listener_only() {
    let store = Store::in_memory().unwrap();
    let (_hands, sessions) = table(&store);
    let (_, local) = sessions.begin(Kind::Login, Listener::Local, "x").await.unwrap();
    let (_, remote) = sessions.begin(Kind::Login, Listener::Tunnel, "x").await.unwrap();

    assert!(sessions.find(local.expose(), Listener::Tunnel).is_none());
    assert!(sessions.find(remote.expose(), Listener::Local).is_none());
}

#[tokio::test]
async fn the_twenty_sixth_login_ends_the_one_unused_for_longest() {
    let store = Store::in_memory().unwrap();
    let (hands, sessions) = table(&store);
    let mut tokens = Vec::new();
    for _ in 0..SESSIONS_MAX {
        hands.turn(Duration::from_secs(1));
        tokens.push(sessions.begin(Kind::Login, Listener::Local, "x").await.unwrap().1);
    }
    let window = sessions
        .begin(Kind::Window, Listener::Local, "window")
        .await
        .unwrap()
        .1;

    hands.turn(Duration::from_secs(1));
    sessions.begin(Kind::Link, Listener::Local, "x").await.unwrap();

    assert!(sessions.find(tokens[0].expose(), Listener::Local).is_none());
    assert!(sessions.find(tokens[1].expose(), Listener::Local).is_some());
    assert!(sessions.find(window.expose(), Listener::Local).is_some());
    assert_eq!(sessions.list().len(), SESSIONS_MAX + 1);
}

#[tokio::test]
async fn a_new_window_takes_the_place_of_the_old_one() {
    let store = Store::in_memory().unwrap();
    let (_hands, sessions) = table(&store);
    let (old, old_token) = sessions
        .begin(Kind::Window, Listener::Local, "window")
        .await
        .unwrap();

    let (_, token) = sessions
        .begin(Kind::Window, Listener::Local, "window")
        .await
        .unwrap();

    assert!(old.ended.is_cancelled());
    assert!(sessions.find(old_token.expose(), Listener::Local).is_none());
    assert!(sessions.find(token.expose(), Listener::Local).is_some());
}

#[tokio::test]
async fn sessions_and_their_last_use_survive_a_restart_and_ended_ones_do_not() {
    let store = Store::in_memory().unwrap();
    let (hands, sessions) = table(&store);
    let (_, kept) = sessions.begin(Kind::Login, Listener::Local, "x").await.unwrap();
    let (over, ended) = sessions.begin(Kind::Login, Listener::Local, "x").await.unwrap();
    hands.turn(DAY);
    let used = sessions.find(kept.expose(), Listener::Local).unwrap().used();
    sessions.end(|session| session.id == over.id).await.unwrap();
    sessions.tidy().await.unwrap();

    let (_hands, again) = table(&store);

    let list = again.list();
    assert_eq!(
        list.iter().map(|session| session.used()).collect::<Vec<_>>(),
        [used]
    );
    assert!(again.find(kept.expose(), Listener::Local).is_some());
    assert!(again.find(ended.expose(), Listener::Local).is_none());
}

#[tokio::test]
async fn a_script_token_is_no_cookie_and_a_cookie_no_script_token() {
    let store = Store::in_memory().unwrap();
    let (_hands, sessions) = table(&store);
    let (_, script) = sessions
        .begin(Kind::Script, Listener::Local, "backup")
        .await
        .unwrap();
    let (_, cookie) = sessions.begin(Kind::Login, Listener::Local, "x").await.unwrap();
    let bare = script.expose().strip_prefix("nexus_").unwrap();

    assert!(sessions.find_script(script.expose()).is_some());
    assert!(sessions.find(script.expose(), Listener::Local).is_none());
    assert!(sessions.find(bare, Listener::Local).is_none());
    assert!(sessions.find_script(bare).is_none());
    assert!(
        sessions
            .find_script(&format!("nexus_{}", cookie.expose()))
            .is_none()
    );
}

#[tokio::test]
async fn the_database_holds_no_token() {
    let store = Store::in_memory().unwrap();
    let (_hands, sessions) = table(&store);
    let (_, token) = sessions.begin(Kind::Login, Listener::Local, "x").await.unwrap();

    let bytes: Vec<u8> = store
        .read_blocking(|db| {
            db.query_row(
                "SELECT CAST(fingerprint || id || device AS BLOB) FROM gateway_session",
                [],
                |row| row.get(0),
            )
        })
        .unwrap();

    let token = token.expose().as_bytes();
    assert!(
        !bytes
            .windows(16)
            .any(|window| token.windows(16).any(|part| part == window))
    );
}
