//! The services that carry messages to browsers: which there are, how they are asked, what their answers mean.

use std::time::{Duration, SystemTime};

use anyhow::Context;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use https::{
    Hosts, StatusCode,
    http::{HeaderMap, HeaderValue, header},
};
use ring::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};

use super::{delivery::Delivery, identity::Identity, seal::Recipient};

/// Those of Chrome and its relatives, Firefox, Edge, Safari. A browser names the address itself, so what is not here is
/// not asked.
const KNOWN: &[&str] = &[
    "fcm.googleapis.com",
    ".push.services.mozilla.com",
    ".notify.windows.com",
    ".push.apple.com",
];
/// Names a server of a test beside them: `127.0.0.1:1`.
const TEST_VARIABLE: &str = "NEXUS_TEST_PUSH";
/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longest wait that a service may ask for.
const LATER_MAX: Duration = Duration::from_secs(600);
/// Longest topic (RFC 8030) in bytes before it is written in base64.
const TOPIC_BYTES: usize = 24;

pub(super) fn known() -> Hosts {
    let mut known: Vec<String> = KNOWN.iter().map(|host| (*host).to_owned()).collect();
    known.extend(
        std::env::var(TEST_VARIABLE)
            .ok()
            .filter(|host| host.starts_with("127.0.0.1:")),
    );
    Hosts {
        known,
        patience: PATIENCE,
    }
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// The service has it.
    Taken,
    /// There is nobody behind the address any more.
    Gone,
    /// Not now; perhaps after this long.
    Later(Option<Duration>),
    /// Not this one.
    Refused(StatusCode),
}

pub(super) fn fate(status: StatusCode, headers: &HeaderMap) -> Fate {
    match status {
        status if status.is_success() => Fate::Taken,
        StatusCode::NOT_FOUND | StatusCode::GONE => Fate::Gone,
        StatusCode::TOO_MANY_REQUESTS => Fate::Later(retry_after(headers)),
        status if status.is_server_error() => Fate::Later(retry_after(headers)),
        status => Fate::Refused(status),
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(LATER_MAX))
}

/// What stands on a message (RFC 8030, RFC 8188, RFC 8292).
pub(super) fn headers(
    identity: &Identity,
    delivery: &Delivery,
    site: &str,
    now: SystemTime,
) -> anyhow::Result<HeaderMap> {
    let authorization = identity
        .authorization(&delivery.device.endpoint, site, now)
        .context("nothing could be signed for this address")?;
    let mut authorization = HeaderValue::try_from(authorization)?;
    authorization.set_sensitive(true);
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, authorization);
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("aes128gcm"));
    headers.insert("ttl", HeaderValue::from(delivery.kept.as_secs()));
    headers.insert("urgency", HeaderValue::from_static(delivery.urgency));
    headers.insert("topic", HeaderValue::try_from(&delivery.topic)?);
    Ok(headers)
}

/// Under what a service replaces a message it still holds by a newer one. What it is about is mixed with what only the
/// device knows, so that no service learns it.
pub(super) fn topic(tag: &str, recipient: &Recipient) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, recipient.auth());
    let code = hmac::sign(&key, tag.as_bytes());
    let bytes = code.as_ref().get(..TOPIC_BYTES).unwrap_or_default();
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// A name nobody guesses; `None` when the machine gives no randomness.
pub(super) fn name_of_press() -> Option<String> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_what_becomes_of_message_and_device() {
        let plain = HeaderMap::new();
        let mut later = HeaderMap::new();
        later.insert(header::RETRY_AFTER, HeaderValue::from_static("7"));
        let mut much_later = HeaderMap::new();
        much_later.insert(header::RETRY_AFTER, HeaderValue::from_static("999999"));

        for (status, headers, expected) in [
            (201, &plain, Fate::Taken),
            (404, &plain, Fate::Gone),
            (410, &plain, Fate::Gone),
            (429, &later, Fate::Later(Some(Duration::from_secs(7)))),
            (503, &much_later, Fate::Later(Some(LATER_MAX))),
            (500, &plain, Fate::Later(None)),
            (301, &plain, Fate::Refused(StatusCode::MOVED_PERMANENTLY)),
            (403, &plain, Fate::Refused(StatusCode::FORBIDDEN)),
            (413, &plain, Fate::Refused(StatusCode::PAYLOAD_TOO_LARGE)),
        ] {
            assert_eq!(
                fate(StatusCode::from_u16(status).unwrap(), headers),
                expected,
                "{status}"
            );
        }
    }

    #[test]
    fn only_known_services_are_asked() {
        let known = known();

        for good in [
            "https://fcm.googleapis.com/fcm/send/abc",
            "https://updates.push.services.mozilla.com/wpush/v2/abc",
            "https://wns2-par02p.notify.windows.com/w/?token=abc",
            "https://web.push.apple.com/abc",
        ] {
            assert!(known.admit(good).is_ok(), "{good}");
        }
        for bad in [
            "https://127.0.0.1/abc",
            "https://localhost/abc",
            "https://169.254.169.254/latest",
            "http://fcm.googleapis.com/abc",
            "https://fcm.googleapis.com.example.com/abc",
            "https://notify.windows.com.example.com/abc",
        ] {
            assert!(known.admit(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_topic_is_as_long_as_may_be_and_says_nothing() {
        let of = |auth: u8| Recipient::kept(vec![4; 65], vec![auth; 16]).unwrap();

        let topic = |auth| topic("ask-per_1", &of(auth));

        assert_eq!(topic(1).len(), 32);
        assert_eq!(topic(1), topic(1));
        assert_ne!(topic(1), topic(2));
    }
}
