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
    second::{SecondFactorError, Seed, Standing},
    session::{Kind, Session},
    throttle::{Refused, whole_seconds},
};

/// After this many seconds a login that found the hashing busy may be tried again.
pub(crate) const BUSY_RETRY_S: u64 = 5;

/// `GET /login?next=/chat`.
pub(crate) async fn show(
    State(keys): State<Arc<Keys>>,
    visit: Visit,
    request: Request<Body>,
) -> Response<Body> {
    let next = form::queried(request.uri(), "next");
    let page = Page::of(&keys, &visit, next.expose());
    answer::page_with(StatusCode::OK, page.draw(None))
}

/// `POST /login` with `password`, `code` where one is asked for, and `next`.
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
    let page = Page::of(&keys, &visit, &next);
    match check(&keys, &visit, form.text("password"), &form.text("code")).await {
        Verdict::Right(proof) => enter(&keys, &visit, &headers, &page, proof).await,
        Verdict::Wrong => page.wrong(),
        Verdict::Later(seconds) => page.later(seconds),
        Verdict::Off => answer::page_with(StatusCode::TOO_MANY_REQUESTS, page.draw(Some(OFF))),
        Verdict::NoCodes => answer::page_with(StatusCode::SERVICE_UNAVAILABLE, page.draw(Some(NO_CODES))),
        Verdict::Failed => No::Internal.answer(&headers),
    }
}

/// While the second factor is on and its secret cannot be read.
const NO_CODES: &str = "The machine cannot check codes now, so nobody can log in from outside. Devices that are logged in \
                        stay so. At the machine, `nexus doctor` says what is wrong.";

/// After too many wrong passwords from outside.
const OFF: &str = "Logging in from outside is off, because a hundred passwords in a row were wrong. At the machine, \
                   `nexus devices unlock` allows it again. Devices that are logged in stay so.";

/// What came of a password.
pub(crate) enum Verdict {
    Right(Proof),
    Wrong,
    /// Nothing was checked; try again in so many seconds.
    Later(u64),
    /// Nobody may try from here until the owner allows it at the machine.
    Off,
    /// A code is asked for that cannot be checked; the password was not looked at.
    NoCodes,
    Failed,
}

/// Checks a password, and from outside the code beside it, if its source may try. Every attempt leaves one line in the
/// log.
pub(crate) async fn check(
    keys: &Arc<Keys>,
    visit: &Visit,
    password: kit::Secret,
    code: &kit::Secret,
) -> Verdict {
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
    let seed = match seed(keys, listener).await {
        Ok(seed) => seed,
        Err(error) => {
            tracing::warn!(%error, "nobody can log in from outside: codes cannot be checked");
            if let Err(error) = keys.throttle.undone(attempt).await {
                tracing::warn!(%error, "an attempt that was none stays counted");
            }
            log("no codes");
            return Verdict::NoCodes;
        }
    };
    let mut last = Last {
        keys,
        is_wrong: attempt.is_last,
    };
    let outcome = match (keys.verify(listener, password).await, seed) {
        (Ok(Some(proof)), Some(seed)) => Ok(has_code(keys, &seed, code).await.then_some(proof)),
        (outcome, _) => outcome,
    };
    let (verdict, settled) = match outcome {
        Ok(Some(proof)) => (Verdict::Right(proof), keys.throttle.right(attempt).await),
        Ok(None) => (Verdict::Wrong, Ok(())),
        Err(_busy) => (Verdict::Later(BUSY_RETRY_S), keys.throttle.undone(attempt).await),
    };
    last.is_wrong &= matches!(verdict, Verdict::Wrong);
    log(match verdict {
        Verdict::Right(_) => "right",
        Verdict::Wrong | Verdict::Failed => "wrong",
        Verdict::Later(_) | Verdict::Off | Verdict::NoCodes => "busy",
    });
    if let Err(error) = settled {
        tracing::warn!(%error, "earlier failures could not be forgotten");
    }
    verdict
}

/// What codes are checked against; `None` where none is asked for. At the machine the password is enough: whoever sits
/// there could as well run `nexus open`.
async fn seed(keys: &Keys, listener: Listener) -> Result<Option<Seed>, SecondFactorError> {
    match listener {
        Listener::Local => Ok(None),
        Listener::Tunnel => keys.second.seed().await,
    }
}

async fn has_code(keys: &Keys, seed: &Seed, code: &kit::Secret) -> bool {
    let accepted = keys.second.accept(seed, code.expose(), keys.clock.now()).await;
    accepted.unwrap_or_else(|error| {
        // One that is not remembered as used could be used again.
        tracing::warn!(%error, "a code was refused because it could not be used up");
        false
    })
}

async fn enter(
    keys: &Arc<Keys>,
    visit: &Visit,
    headers: &HeaderMap,
    page: &Page,
    proof: Proof,
) -> Response<Body> {
    if !keys.holds(proof) {
        return page.wrong();
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
            page.wrong()
        }
        Ok((session, token)) => {
            if visit.listener == Listener::Tunnel {
                tell(keys, &session, visit.address);
            }
            with_cookie(
                answer::see(&page.next),
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

/// The page, as it is for one visitor.
struct Page {
    /// Where it leads.
    next: String,
    /// Whether it asks for a code too. Said to everybody who comes: it is no secret, and not of the password.
    asks_code: bool,
}

impl Page {
    fn of(keys: &Keys, visit: &Visit, next: &str) -> Self {
        let next = if path::is_own_page(next) { next } else { "/" };
        Self {
            next: next.to_owned(),
            asks_code: visit.listener == Listener::Tunnel && keys.second.standing() != Standing::Off,
        }
    }

    fn wrong(&self) -> Response<Body> {
        let problem = if self.asks_code {
            "The password or the code is wrong."
        } else {
            "That is not the password."
        };
        answer::page_with(StatusCode::UNAUTHORIZED, self.draw(Some(problem)))
    }

    fn later(&self, seconds: u64) -> Response<Body> {
        let minutes = seconds.div_ceil(60);
        let text = match minutes {
            0 | 1 => "Too many attempts. Wait a minute, then try again.".to_owned(),
            _ => {
                format!(
                    "Too many wrong passwords. Wait {minutes} minutes, or run `nexus open` at the machine."
                )
            }
        };
        let mut response = answer::page_with(StatusCode::TOO_MANY_REQUESTS, self.draw(Some(&text)));
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        response
    }

    fn draw(&self, problem: Option<&str>) -> Markup {
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
                    @if self.asks_code {
                        (web::form::line(&web::form::Line {
                            name: "code",
                            label: "Code",
                            help: "From your authenticator app, or a recovery code.",
                            value: "",
                            error: None,
                            input: web::form::Input::Code,
                        }))
                    }
                    input type="hidden" name="next" value=(self.next);
                    button.button.primary type="submit" { "Log in" }
                }
                p.help { "At the machine itself, " code { "nexus open" } " enters without a password." }
            },
        )
    }
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
            Arc::new(crate::second::tests::OneSecret::default()),
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
        let Verdict::Right(proof) = check(&keys, &visit, secret(OLD), &secret("")).await else {
            panic!("the password is right");
        };

        keys.set_password(Provided::AtTheMachine, secret(NEW), None)
            .await
            .unwrap();
        let overtaken = enter(
            &keys,
            &visit,
            &HeaderMap::new(),
            &Page::of(&keys, &visit, "/"),
            proof,
        )
        .await;
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
        let entered = enter(
            &keys,
            &visit,
            &HeaderMap::new(),
            &Page::of(&keys, &visit, "/"),
            proof,
        )
        .await;
        assert_eq!(entered.status(), StatusCode::SEE_OTHER);
    }
}
