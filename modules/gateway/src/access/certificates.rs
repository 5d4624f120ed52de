//! The keys Access signs with, fetched when one is needed that is not known.

use std::{collections::HashMap, sync::Arc, time::Duration};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use serde::Deserialize;
use tokio::{sync::Mutex, time::Instant};

use super::{FetchKeys, token::Key};

/// Keys are fetched at most this often, whatever visitors say they are signed with.
const FETCH_EVERY: Duration = Duration::from_secs(60);
/// From this age on they are fetched anew, so that they are there still when that fails for a while.
const RENEWED: Duration = Duration::from_secs(12 * 3600);
/// A key is believed this long: Cloudflare withdraws one some weeks after it has announced the next.
const BELIEVED: Duration = Duration::from_secs(24 * 3600);

/// See the module.
pub(super) struct Certificates {
    pub(super) url: String,
    fetch: FetchKeys,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    keys: HashMap<String, Key>,
    /// When somebody was asked last, whatever came of it.
    asked: Option<Instant>,
    had: Option<Instant>,
}

#[derive(Deserialize)]
struct Listed {
    keys: Vec<ListedKey>,
}

#[derive(Deserialize)]
struct ListedKey {
    kid: String,
    kty: String,
    n: String,
    e: String,
}

impl Certificates {
    /// Those listed at `url`.
    pub(super) fn new(url: String, fetch: FetchKeys) -> Self {
        Self {
            url,
            fetch,
            known: Mutex::default(),
        }
    }

    /// The key called `name`, if there is one.
    pub(super) async fn key(self: &Arc<Self>, name: &str) -> Option<Key> {
        // Whoever asks may hang up; what was begun for them is finished for the next.
        let (certificates, name) = (Arc::clone(self), name.to_owned());
        let looking = tokio::spawn(async move { certificates.look_up(&name).await });
        looking.await.ok()?
    }

    async fn look_up(&self, name: &str) -> Option<Key> {
        // Held while they are fetched: whoever comes meanwhile waits for the same answer.
        let mut known = self.known.lock().await;
        let is_older = |time: Option<Instant>, age| time.is_none_or(|time| time.elapsed() >= age);
        let is_wanted = !known.keys.contains_key(name) || is_older(known.had, RENEWED);
        if is_wanted && is_older(known.asked, FETCH_EVERY) {
            known.asked = Some(Instant::now());
            match (self.fetch)(self.url.clone()).await.and_then(|text| parse(&text)) {
                Ok(keys) => {
                    known.keys = keys;
                    known.had = Some(Instant::now());
                }
                Err(error) => tracing::warn!(error, "the keys of Cloudflare Access could not be had"),
            }
        }
        if is_older(known.had, BELIEVED) {
            return None;
        }
        known.keys.get(name).cloned()
    }
}

fn parse(text: &Bytes) -> Result<HashMap<String, Key>, String> {
    let listed: Listed =
        serde_json::from_slice(text).map_err(|error| format!("what came is no list of keys: {error}"))?;
    let decode = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).ok();
    let keys = listed.keys.into_iter().filter(|key| key.kty == "RSA");
    let keys = keys.filter_map(|listed| {
        let key = Key {
            modulus: decode(&listed.n)?,
            exponent: decode(&listed.e)?,
        };
        Some((listed.kid, key))
    });
    Ok(keys.collect())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    struct World {
        certificates: Arc<Certificates>,
        fetched: Arc<AtomicUsize>,
    }

    impl World {
        fn new(answer: fn(usize) -> Result<&'static str, String>) -> Self {
            let fetched: Arc<AtomicUsize> = Arc::default();
            let count = Arc::clone(&fetched);
            let fetch: FetchKeys = Arc::new(move |_| {
                let number = count.fetch_add(1, Ordering::Relaxed);
                let text = answer(number).map(|text| Bytes::from_static(text.as_bytes()));
                Box::pin(std::future::ready(text))
            });
            Self {
                certificates: Arc::new(Certificates::new("https://team".to_owned(), fetch)),
                fetched,
            }
        }

        fn fetched(&self) -> usize {
            self.fetched.load(Ordering::Relaxed)
        }
    }

    const ONE: &str = r#"{"keys":[{"kid":"a","kty":"RSA","alg":"RS256","use":"sig","n":"AQAB","e":"AQAB"}],"public_certs":[]}"#;
    const TWO: &str =
        r#"{"keys":[{"kid":"b","kty":"RSA","n":"AQAB","e":"AQAB"},{"kid":"c","kty":"EC","n":"","e":""}]}"#;

    #[tokio::test(start_paused = true)]
    async fn a_thousand_unknown_names_have_keys_fetched_once_a_minute() {
        let world = World::new(|number| Ok(if number == 0 { ONE } else { TWO }));

        assert!(world.certificates.key("a").await.is_some());
        for number in 0..1000 {
            assert!(world.certificates.key(&format!("x{number}")).await.is_none());
        }
        assert_eq!(world.fetched(), 1);

        tokio::time::advance(FETCH_EVERY).await;
        assert!(world.certificates.key("b").await.is_some());
        // It was withdrawn.
        assert!(world.certificates.key("a").await.is_none());
        assert!(world.certificates.key("c").await.is_none());
        assert_eq!(world.fetched(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn keys_that_cannot_be_had_again_are_not_believed_for_ever() {
        let world = World::new(|number| {
            if number == 0 {
                Ok(ONE)
            } else {
                Err("unreachable".to_owned())
            }
        });
        assert!(world.certificates.key("a").await.is_some());

        tokio::time::advance(RENEWED).await;
        assert!(world.certificates.key("a").await.is_some());
        tokio::time::advance(BELIEVED - RENEWED).await;

        assert!(world.certificates.key("a").await.is_none());
        assert_eq!(world.fetched(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_hangs_up_while_they_are_fetched_locks_nobody_out() {
        let fetch: FetchKeys = Arc::new(|_| {
            Box::pin(async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                Ok(Bytes::from_static(ONE.as_bytes()))
            })
        });
        let certificates = Arc::new(Certificates::new("https://team".to_owned(), fetch));

        let hung_up = tokio::time::timeout(Duration::from_millis(10), certificates.key("a")).await;

        assert!(hung_up.is_err());
        assert!(certificates.key("a").await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_no_list_is_no_key() {
        let world = World::new(|_| Ok("<html>"));

        assert!(world.certificates.key("a").await.is_none());
    }
}
