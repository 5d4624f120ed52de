//! Whether a password is right, and from outside the code beside it.

use std::{net::IpAddr, sync::Arc};

use kit::{Listener, Notice, NoticeKind};

use super::BUSY_RETRY_S;
use crate::{
    front::Visit,
    keys::{Keys, Proof},
    second::{SecondFactorError, Seed},
    throttle::{Refused, whole_seconds},
};

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
/// log, also of whoever hangs up before it is judged.
pub(crate) async fn check(
    keys: &Arc<Keys>,
    visit: &Visit,
    password: kit::Secret,
    code: &kit::Secret,
) -> Verdict {
    let mut line = Attempted {
        keys,
        listener: visit.listener,
        source: visit.address,
        is_last: false,
        result: "gone",
    };
    let attempt = match keys.throttle.admit(visit.listener, visit.address).await {
        Ok(Ok(attempt)) => attempt,
        Ok(Err(Refused::Later(left))) => {
            line.result = "locked";
            return Verdict::Later(whole_seconds(left));
        }
        Ok(Err(Refused::Off)) => {
            line.result = "off";
            return Verdict::Off;
        }
        Err(error) => {
            tracing::warn!(%error, "a login could not be counted and was refused");
            line.result = "failed";
            return Verdict::Failed;
        }
    };
    line.is_last = attempt.is_last;
    let seed = match seed(keys, visit.listener).await {
        Ok(seed) => seed,
        Err(error) => {
            // Whoever is outside may ask as often as they like: no warning for each.
            tracing::debug!(%error, "nobody can log in from outside: codes cannot be checked");
            if let Err(error) = keys.throttle.undone(attempt).await {
                tracing::warn!(%error, "an attempt that was none stays counted");
            }
            line.result = "no codes";
            return Verdict::NoCodes;
        }
    };
    let found = match (keys.verify(visit.listener, password).await, seed) {
        (Ok(Some(proof)), Some(seed)) if has_code(keys, &seed, code).await => Found::Right(proof),
        (Ok(Some(_)), Some(_)) => Found::WrongCode,
        (Ok(Some(proof)), None) => Found::Right(proof),
        (Ok(None), _) => Found::WrongPassword,
        (Err(_busy), _) => Found::Busy,
    };
    line.result = match found {
        Found::Right(_) => "right",
        Found::WrongCode => "wrong code",
        Found::WrongPassword => "wrong",
        Found::Busy => "busy",
    };
    let (verdict, settled) = match found {
        Found::Right(proof) => (Verdict::Right(proof), keys.throttle.right(attempt).await),
        Found::WrongCode => {
            tell_known(keys, visit.address);
            (Verdict::Wrong, Ok(()))
        }
        Found::WrongPassword => (Verdict::Wrong, Ok(())),
        Found::Busy => (Verdict::Later(BUSY_RETRY_S), keys.throttle.undone(attempt).await),
    };
    if let Err(error) = settled {
        tracing::warn!(%error, "earlier failures could not be forgotten");
    }
    verdict
}

/// What a password and a code were found to be. Whoever tried is not told which of the two was wrong.
#[derive(Clone, Copy)]
enum Found {
    Right(Proof),
    WrongPassword,
    WrongCode,
    Busy,
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
    let accepted = keys.second.accept(seed, code.expose(), keys.clock.wall()).await;
    accepted.unwrap_or_else(|error| {
        // One that is not remembered as used could be used again.
        tracing::warn!(%error, "a code was refused because it could not be used up");
        false
    })
}

/// The line of an attempt. Whoever made it may hang up at any time, and then nothing runs but this.
struct Attempted<'k> {
    keys: &'k Keys,
    listener: Listener,
    source: IpAddr,
    /// After it nobody may try from outside, unless it is right.
    is_last: bool,
    result: &'static str,
}

impl Drop for Attempted<'_> {
    fn drop(&mut self) {
        let (listener, source, result) = (self.listener.as_str(), self.source, self.result);
        tracing::info!(target: "audit", event = "login", listener, %source, result, "a login was attempted");
        if self.is_last && matches!(result, "wrong" | "wrong code" | "gone") {
            tell_off(self.keys);
        }
    }
}

fn tell_off(keys: &Keys) {
    tracing::warn!(target: "audit", event = "remote_login_off", "a hundred wrong passwords in a row from outside");
    tell(
        keys,
        "login-off",
        "Somebody outside keeps guessing your password",
        "A hundred in a row were wrong, so nobody can log in from outside any more. Devices that are logged in stay so. \
         `nexus devices unlock` allows logging in again."
            .to_owned(),
    );
}

/// The one thing a second factor brings to light.
fn tell_known(keys: &Keys, source: IpAddr) {
    tell(
        keys,
        "wrong-code",
        "Your password was right, the code beside it wrong",
        format!(
            "Somebody at {source} tried to log in from outside. If this was not you, your password is known: set a new one."
        ),
    );
}

fn tell(keys: &Keys, key: &str, title: &str, body: String) {
    keys.notices.send(Notice {
        kind: NoticeKind::Login,
        key: key.to_owned(),
        title: title.to_owned(),
        body,
        page: "/devices".to_owned(),
        answers: Vec::new(),
        away: None,
    });
}
