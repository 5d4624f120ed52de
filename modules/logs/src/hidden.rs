//! Secrets that are known word for word, wherever they turn up.

use std::{
    borrow::Cow,
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use kit::Secret;

use crate::redact::HIDDEN;

/// Secrets kept at most; the oldest one is forgotten first. A start of a child makes two.
const SECRETS_MAX: usize = 32;
/// Shorter ones would blot out ordinary words.
const BYTES_MIN: usize = 8;

/// What is hidden. Each secret is overwritten when it is forgotten.
#[derive(Clone, Default)]
pub(crate) struct Hidden(Arc<Mutex<VecDeque<Secret>>>);

impl Hidden {
    /// Hides `secret` from now on.
    pub fn add(&self, secret: Secret) {
        if secret.expose().len() < BYTES_MIN {
            return;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(&secret) {
            return;
        }
        if known.len() == SECRETS_MAX {
            known.pop_front();
        }
        known.push_back(secret);
    }

    /// `text` without them.
    pub fn out_of<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kept = Cow::Borrowed(text);
        for secret in &*known {
            if kept.contains(secret.expose()) {
                kept = Cow::Owned(kept.replace(secret.expose(), HIDDEN));
            }
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_secrets_are_hidden_and_short_words_are_not() {
        let hidden = Hidden::default();
        for number in 0..=SECRETS_MAX {
            hidden.add(Secret::new(format!("canary-{number:04}")));
        }
        hidden.add(Secret::new("on".to_owned()));

        assert_eq!(
            hidden.out_of("(canary-0032) canary-0001 on"),
            "([hidden]) [hidden] on"
        );
        assert_eq!(hidden.out_of("canary-0000"), "canary-0000", "forgotten");
    }
}
