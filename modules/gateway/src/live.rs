//! `/live`: the socket that keeps an open page true.
//!
//! It joins the view's own feed with that of the page's header, sends at most [`FRAMES_PER_S`] frames, and ends when
//! the session does. What happens faster than frames leave is gathered by the feeds, not queued here.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    body::Body,
    extract::{
        Query, State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket},
    },
    http::{HeaderMap, Response},
    response::IntoResponse,
    routing::get,
};
use kit::{Caller, CancellationToken, Feed, Frame, Listener, LiveRequest, Module, Setting};
use serde::Deserialize;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::task::TaskTracker;

use crate::{
    access::AccessSettings,
    answer::No,
    clock::to_ms,
    front::Visit,
    keys::{Keys, StreamPlace},
    session::Session,
};

/// Frames per second a page gets at most.
const FRAMES_PER_S: u32 = 20;

/// The edge closes idle sockets after 100 s, and others between are less patient; a ping well below keeps them and finds
/// dead ones.
const PING_EVERY: Duration = Duration::from_secs(15);

/// A peer that said nothing for this long, not even a pong, is gone.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// A reader that takes nothing for this long is cut; it comes back with its cursor.
const SEND_MAX: Duration = Duration::from_secs(30);

/// Longest message a page sends; it only ever sends one character.
const MESSAGE_BYTES_MAX: usize = 1024;

/// Close code when the program ends: the page connects again.
const CLOSE_AWAY: u16 = 1001;

/// Makes the feed of every page's header.
pub type HeaderSource = Arc<dyn Fn(&Caller) -> Box<dyn Feed> + Send + Sync>;

/// What sockets are opened with.
#[derive(Clone)]
pub(crate) struct Live {
    pub(crate) keys: Arc<Keys>,
    pub(crate) modules: Arc<[Arc<dyn Module>]>,
    pub(crate) header: HeaderSource,
    pub(crate) tasks: TaskTracker,
}

pub(crate) fn routes(live: Live) -> Router {
    Router::new().route("/live", get(open)).with_state(live)
}

#[derive(Deserialize)]
struct Wanted {
    view: String,
    #[serde(default)]
    key: String,
    cursor: Option<String>,
}

async fn open(
    State(live): State<Live>,
    Query(wanted): Query<Wanted>,
    Extension(session): Extension<Arc<Session>>,
    Extension(caller): Extension<Caller>,
    visit: Visit,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response<Body> {
    let is_outside = visit.listener == Listener::Tunnel;
    if is_outside && !live.keys.settings.get().reach().shows(&wanted.view) {
        return No::NotHere.answer(&headers);
    }
    let shown = is_outside.then(|| Shown {
        view: wanted.view.clone(),
        keys: Arc::clone(&live.keys),
        access: live.keys.file.section(),
    });
    let request = LiveRequest {
        key: wanted.key,
        cursor: wanted.cursor,
        caller: caller.clone(),
    };
    let view: Option<Box<dyn Feed>> = if wanted.view == web::live::HEADER_ONLY {
        Some(Box::new(web::live::Quiet))
    } else {
        let mut modules = live.modules.iter();
        let module = modules.find(|module| module.id().0 == wanted.view);
        module.and_then(|module| module.live(request))
    };
    let Some(view) = view else {
        return No::NotFound.answer(&headers);
    };
    let Some(place) = live.keys.stream(&session) else {
        return No::TooMany.json();
    };
    let header = (live.header)(&caller);
    let left = visit
        .until
        .map(|at| at.duration_since(live.keys.clock.wall()).unwrap_or_default());
    let (stop, token) = (visit.stop, live.tasks.token());
    upgrade
        .max_message_size(MESSAGE_BYTES_MAX)
        .max_frame_size(MESSAGE_BYTES_MAX)
        .on_upgrade(move |socket| async move {
            // Whoever stops the gateway waits for this token.
            let _token = token;
            serve(socket, view, header, place, stop, left, shown).await;
        })
        .into_response()
}

/// A view that is shown outside.
struct Shown {
    view: String,
    keys: Arc<Keys>,
    /// By what its viewer was let through.
    access: Setting<AccessSettings>,
}

impl Shown {
    /// Returns when it is no longer to be shown there.
    async fn withdrawn(shown: Option<&Self>) {
        let Some(shown) = shown else {
            return std::future::pending().await;
        };
        let (mut settings, mut access) = (shown.keys.settings.clone(), shown.access.clone());
        while shown.keys.settings.get().reach().shows(&shown.view) {
            tokio::select! {
                _ = settings.changed() => {}
                // Whoever came through before is looked at by the rules of now.
                _ = access.changed() => return,
            }
        }
    }
}

/// Why a socket ends.
enum End {
    Reload,
    Login,
    Away,
    /// Nobody is there to say it to.
    Gone,
}

async fn serve(
    mut socket: WebSocket,
    mut view: Box<dyn Feed>,
    mut header: Box<dyn Feed>,
    place: StreamPlace,
    stop: CancellationToken,
    left: Option<Duration>,
    shown: Option<Shown>,
) {
    let over = async {
        match left {
            Some(left) => sleep(left).await,
            None => std::future::pending().await,
        }
    };
    let end = tokio::select! {
        biased;
        () = place.session.ended.cancelled() => End::Login,
        () = stop.cancelled() => End::Away,
        // Cloudflare Access asks anew then.
        () = over => End::Reload,
        () = Shown::withdrawn(shown.as_ref()) => End::Reload,
        end = talk(&mut socket, &mut *view, &mut *header, shown.as_ref().map(|shown| (&*place.session, &*shown.keys))) => end,
    };
    let code = match end {
        End::Reload => web::live::CLOSE_RELOAD,
        End::Login => web::live::CLOSE_LOGIN,
        End::Away => CLOSE_AWAY,
        End::Gone => return,
    };
    let close = Message::Close(Some(CloseFrame {
        code,
        reason: "".into(),
    }));
    // The peer may be gone already, or not reading: there is nothing more to do for it.
    timeout(Duration::from_secs(1), socket.send(close)).await.ok();
}

/// What is sent counts for `counted`.
async fn talk(
    socket: &mut WebSocket,
    view: &mut dyn Feed,
    header: &mut dyn Feed,
    counted: Option<(&Session, &Keys)>,
) -> End {
    let gap = Duration::from_secs(1) / FRAMES_PER_S;
    let mut next_frame = Instant::now();
    let mut last_heard = Instant::now();
    let mut next_ping = last_heard + PING_EVERY;
    loop {
        let message = tokio::select! {
            heard = socket.recv() => {
                last_heard = Instant::now();
                if let (Some((session, _)), Some(Ok(message))) = (counted, &heard) {
                    session.allowance.spend(message.clone().into_data().len() as u64);
                }
                match heard {
                    Some(Ok(Message::Text(text))) if text.as_str() == web::live::PROBE => {
                        Message::Text(web::live::ALIVE.into())
                    }
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return End::Gone,
                    Some(Ok(Message::Text(_) | Message::Binary(_) | Message::Ping(_) | Message::Pong(_))) => continue,
                }
            }
            frame = gathered(next_frame, view, header) => {
                let Some(frame) = frame else {
                    return End::Reload;
                };
                next_frame = Instant::now() + gap;
                let Ok(text) = serde_json::to_string(&frame) else {
                    return End::Reload;
                };
                Message::Text(text.into())
            }
            () = sleep_until(next_ping) => {
                if last_heard.elapsed() > SILENCE_MAX {
                    return End::Gone;
                }
                next_ping = Instant::now() + PING_EVERY;
                Message::Ping(Vec::new().into())
            }
        };
        if let (Some((session, keys)), Message::Text(text)) = (counted, &message) {
            session.allowance.spend(text.len() as u64);
            let (now_ms, limits) = (to_ms(keys.clock.now()), keys.settings.get().limits());
            if session.allowance.check(now_ms, limits).is_err() {
                return End::Away;
            }
        }
        match timeout(SEND_MAX, socket.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return End::Gone,
        }
    }
}

/// The next frame of either feed, not before `not_before`. Dropping the future loses nothing.
async fn gathered(not_before: Instant, view: &mut dyn Feed, header: &mut dyn Feed) -> Option<Frame> {
    sleep_until(not_before).await;
    tokio::select! {
        biased;
        frame = view.next() => frame,
        frame = header.next() => frame,
    }
}
