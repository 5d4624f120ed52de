//! The login page, and what a right password leads to.

use std::{net::IpAddr, sync::Arc};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header},
};
use kit::{Listener, Notice, NoticeKind};
use web::{Markup, html};

use crate::{
    answer::{self, No},
    device,
    form::{self, Form},
    front::Visit,
    keys::{Keys, Proof},
    password, path,
    session::{Kind, Session},
    throttle::{Refused, whole_seconds},
};

/// After this many seconds a login that found the hashing busy may be tried again.
pub(crate) const BUSY_RETRY_S: u64 = 5;

/// `GET /login?next=/chat`.
pub(crate) async fn show(request: Request<Body>) -> Response<Body> {
    let next = form::queried(request.uri(), "next");
    answer::page_with(StatusCode::OK, page(next.expose(), None))
}

/// `POST /login` with `password` and `next`.
pub(crate) async fn submit(
    State(keys): State<Arc<Keys>>,
    visit: Visit,
    request: Request<Body>,
) -> Response<Body> {
    let headers = request.headers().clone();
    let form = match Form::read(request).await {
        Ok(form) => form,
        Err(refusal) => return refusal,
    };
    let next = form.text("next").expose().to_owned();
    match check(&keys, &visit, form.text("password")).await {
        Verdict::Right(proof) => enter(&keys, &visit, &headers, &next, proof).await,
        Verdict::Wrong => wrong(&next),
        Verdict::Later(seconds) => later(&next, seconds),
        Verdict::Off => answer::page_with(StatusCode::TOO_MANY_REQUESTS, page(&next, Some(OFF))),
        Verdict::Failed => No::Internal.answer(&headers),
    }
}

/// After too many wrong passwords from outside.
const OFF: &str = "Logging in from outside is off, because a hundred passwords in a row were wrong. At the machine, \
                   `nexus devices unlock` allows it again. Devices that are logged in stay so.";

fn wrong(next: &str) -> Response<Body> {
    answer::page_with(
        StatusCode::UNAUTHORIZED,
        page(next, Some("That is not the password.")),
    )
}

/// What came of a password.
pub(crate) enum Verdict {
    Right(Proof),
    Wrong,
    /// Nothing was checked; try again in so many seconds.
    Later(u64),
    /// Nobody may try from here until the owner allows it at the machine.
    Off,
    Failed,
}

/// Checks a password, if its source may try. Every attempt leaves one line in the log.
pub(crate) async fn check(keys: &Arc<Keys>, visit: &Visit, password: kit::Secret) -> Verdict {
    let (listener, source) = (visit.listener, visit.address);
    let log = |result: &str| {
        tracing::info!(target: "audit", event = "login", listener = listener.as_str(), %source, result, "a login was attempted");
    };
    let attempt = match keys.throttle.admit(listener, source).await {
        Ok(Ok(attempt)) => attempt,
        Ok(Err(Refused::Later(left))) => {
            log("locked");
            return Verdict::Later(whole_seconds(left));
        }
        Ok(Err(Refused::Off)) => {
            log("off");
            return Verdict::Off;
        }
        Err(error) => {
            tracing::warn!(%error, "a login could not be counted and was refused");
            return Verdict::Failed;
        }
    };
    let mut last = Last {
        keys,
        is_wrong: attempt.is_last,
    };
    let outcome = keys.verify(listener, password).await;
    let (verdict, settled) = match outcome {
        Ok(Some(proof)) => (Verdict::Right(proof), keys.throttle.right(attempt).await),
        Ok(None) => (Verdict::Wrong, Ok(())),
        Err(_busy) => (Verdict::Later(BUSY_RETRY_S), keys.throttle.undone(attempt).await),
    };
    last.is_wrong &= matches!(verdict, Verdict::Wrong);
    log(match verdict {
        Verdict::Right(_) => "right",
        Verdict::Wrong | Verdict::Failed => "wrong",
        Verdict::Later(_) | Verdict::Off => "busy",
    });
    if let Err(error) = settled {
        tracing::warn!(%error, "earlier failures could not be forgotten");
    }
    verdict
}

async fn enter(
    keys: &Arc<Keys>,
    visit: &Visit,
    headers: &HeaderMap,
    next: &str,
    proof: Proof,
) -> Response<Body> {
    if !keys.holds(proof) {
        return wrong(next);
    }
    end_former(keys, visit, headers).await;
    match keys
        .sessions
        .begin(Kind::Login, visit.listener, &device::name(headers))
        .await
    {
        Ok((session, _)) if !keys.holds(proof) => {
            // The password was changed while the session began, perhaps too late for the change to have ended it.
            end(keys, &session.id).await;
            wrong(next)
        }
        Ok((session, token)) => {
            if visit.listener == Listener::Tunnel {
                tell(keys, &session, visit.address);
            }
            let path = if path::is_own_page(next) { next } else { "/" };
            with_cookie(
                answer::see(path),
                &keys.cookie(visit.listener).set(token.expose()),
            )
        }
        Err(error) => {
            tracing::warn!(%error, "a session could not be saved");
            No::Internal.answer(headers)
        }
    }
}

/// A browser that logs in again leaves no second session behind.
async fn end_former(keys: &Arc<Keys>, visit: &Visit, headers: &HeaderMap) {
    if let Some(former) = keys.session(visit.listener, headers) {
        end(keys, &former.id).await;
    }
}

/// Ends one session, as far as the database lets it.
pub(crate) async fn end(keys: &Keys, id: &str) {
    if let Err(error) = keys.sessions.end(|session| session.id == id).await {
        tracing::warn!(%error, "an ended session could not be removed from the database");
    }
}

fn tell(keys: &Keys, session: &Session, source: IpAddr) {
    keys.notices.send(Notice {
        kind: NoticeKind::Login,
        key: format!("login-{}", session.id),
        title: "Somebody logged in from outside".to_owned(),
        body: format!(
            "{} at {source}. If this was not you, end the session on the page of the devices.",
            session.device
        ),
        page: "/devices".to_owned(),
        answers: Vec::new(),
    });
}

/// An attempt that may be the last one from outside. Whoever made it may hang up before it is judged, and then nothing
/// runs but this.
struct Last<'k> {
    keys: &'k Keys,
    is_wrong: bool,
}

impl Drop for Last<'_> {
    fn drop(&mut self) {
        if self.is_wrong {
            tell_off(self.keys);
        }
    }
}

fn tell_off(keys: &Keys) {
    tracing::warn!(target: "audit", event = "remote_login_off", "a hundred wrong passwords in a row from outside");
    keys.notices.send(Notice {
        kind: NoticeKind::Login,
        key: "login-off".to_owned(),
        title: "Somebody outside keeps guessing your password".to_owned(),
        body: "A hundred in a row were wrong, so nobody can log in from outside any more. Devices that are logged in stay \
               so. `nexus devices unlock` allows logging in again."
            .to_owned(),
        page: "/devices".to_owned(),
        answers: Vec::new(),
    });
}

pub(crate) fn with_cookie(mut response: Response<Body>, cookie: &str) -> Response<Body> {
    let value = HeaderValue::from_str(cookie).expect("names, digits and fixed words are a header value");
    response.headers_mut().append(header::SET_COOKIE, value);
    response
}

fn later(next: &str, seconds: u64) -> Response<Body> {
    let minutes = seconds.div_ceil(60);
    let text = match minutes {
        0 | 1 => "Too many attempts. Wait a minute, then try again.".to_owned(),
        _ => format!("Too many wrong passwords. Wait {minutes} minutes, or run `nexus open` at the machine."),
    };
    let mut response = answer::page_with(StatusCode::TOO_MANY_REQUESTS, page(next, Some(&text)));
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

fn page(next: &str, problem: Option<&str>) -> Markup {
    let next = if path::is_own_page(next) { next } else { "/" };
    web::bare(
        "Log in",
        html! {
            h1 { "Log in" }
            form method="post" action="/login" {
                (password::account())
                (web::form::line(&web::form::Line {
                    name: "password",
                    label: "Password",
                    help: "",
                    value: "",
                    error: problem,
                    input: web::form::Input::Password("current-password"),
                }))
                input type="hidden" name="next" value=(next);
                button.button.primary type="submit" { "Log in" }
            }
            p.help { "At the machine itself, " code { "nexus open" } " enters without a password." }
        },
    )
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use kit::{Dirs, NoticeSender, Secret};
    use store::Store;

    use super::*;
    use crate::{clock::Clock, door::Door, keys::Provided};

    const OLD: &str = "a walrus plays the banjo";
    const NEW: &str = "velvet ocean kettle";

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    fn keys(folder: &std::path::Path) -> Arc<Keys> {
        let keys = Keys::open(
            Store::in_memory().unwrap(),
            &Dirs::under(folder),
            NoticeSender::channel().0,
            Arc::new(Clock::over(Arc::new(SystemTime::now))),
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

        let refused = door.set_first_password(&session.caller(), secret(NEW)).await;

        assert!(refused.unwrap_err().contains("Try again"));
        assert!(!keys.credential.is_set());
        drop(release);
        storm.join_all().await;
        door.set_first_password(&session.caller(), secret(NEW))
            .await
            .unwrap();
        let again = door.set_first_password(&session.caller(), secret(OLD)).await;
        assert!(again.unwrap_err().contains("set already"));
        assert!(keys.credential.verify(NEW));
    }

    #[tokio::test]
    async fn a_login_that_a_new_password_overtakes_was_made_with_a_wrong_one() {
        let folder = tempfile::tempdir().unwrap();
        let keys = keys(folder.path());
        keys.credential.set(OLD).unwrap();
        let visit = Visit {
            listener: Listener::Local,
            address: IpAddr::from([127, 0, 0, 1]),
            stop: kit::CancellationToken::new(),
        };
        let Verdict::Right(proof) = check(&keys, &visit, secret(OLD)).await else {
            panic!("the password is right");
        };

        keys.set_password(Provided::AtTheMachine, secret(NEW), None)
            .await
            .unwrap();
        let overtaken = enter(&keys, &visit, &HeaderMap::new(), "/", proof).await;
        let changed = keys
            .set_password(Provided::Proved(proof), secret(OLD), None)
            .await;

        assert_eq!(overtaken.status(), StatusCode::UNAUTHORIZED);
        assert!(!overtaken.headers().contains_key(header::SET_COOKIE));
        assert!(keys.sessions.list().is_empty());
        assert!(changed.is_err());
        let Verdict::Right(proof) = check(&keys, &visit, secret(NEW)).await else {
            panic!("the new password is the one");
        };
        let entered = enter(&keys, &visit, &HeaderMap::new(), "/", proof).await;
        assert_eq!(entered.status(), StatusCode::SEE_OTHER);
    }
}
