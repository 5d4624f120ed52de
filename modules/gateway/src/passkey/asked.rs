//! What was asked of devices and not answered yet.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use webauthn_rp::{request::TimedCeremony, response::SentChallenge};

/// How long an answer is waited for.
const LIFE: Duration = Duration::from_secs(300);

/// Questions of one asker; the oldest makes room.
const EACH_MAX: usize = 8;

/// Questions of one network, where one household may have many addresses.
const WITHIN_MAX: usize = 64;

/// Questions in all: nobody can fill the memory by asking.
const ALL_MAX: usize = 4096;

/// Questions, the oldest first. Each is answered once.
pub(super) struct Asked<K, S>(Mutex<VecDeque<Question<K, S>>>);

struct Question<K, S> {
    /// Who asked.
    by: K,
    /// To what larger whole they belong.
    within: K,
    asked: S,
    since: Instant,
}

impl<K, S> Default for Asked<K, S> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: PartialEq, S: TimedCeremony> Asked<K, S> {
    pub(super) fn add(&self, by: K, within: K, asked: S, now: Instant) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|question| now.duration_since(question.since) < LIFE);
        let own = all.iter().filter(|question| question.by == by).count();
        let near = all.iter().filter(|question| question.within == within).count();
        let oldest = if own >= EACH_MAX {
            all.iter().position(|question| question.by == by)
        } else if near >= WITHIN_MAX {
            all.iter().position(|question| question.within == within)
        } else {
            (all.len() >= ALL_MAX).then_some(0)
        };
        if let Some(oldest) = oldest {
            all.remove(oldest);
        }
        all.push_back(Question {
            by,
            within,
            asked,
            since: now,
        });
    }

    /// The question that `challenge` answers, if whoever asked it `may` have it answered; nobody else answers it then.
    /// That it is not too old is for whoever verifies the answer to see.
    pub(super) fn take(&self, challenge: SentChallenge, may: impl Fn(&K) -> bool) -> Option<S> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_meant =
            |question: &Question<K, S>| question.asked.sent_challenge() == challenge && may(&question.by);
        let meant = all.iter().position(is_meant)?;
        all.remove(meant).map(|question| question.asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Ceremony(u128);

    impl TimedCeremony for Ceremony {
        fn expiration(&self) -> std::time::Instant {
            std::time::Instant::now()
        }

        fn sent_challenge(&self) -> SentChallenge {
            SentChallenge(self.0)
        }
    }

    type All = Asked<u32, Ceremony>;

    fn has(asked: &All, challenge: u128) -> bool {
        asked.take(SentChallenge(challenge), |_| true).is_some()
    }

    fn count(asked: &All) -> usize {
        asked.0.lock().unwrap().len()
    }

    #[test]
    fn a_question_is_answered_once_and_by_whom_it_was_put_to() {
        let asked = Asked::default();
        asked.add(1, 1, Ceremony(7), Instant::now());

        assert!(!has(&asked, 8));
        assert!(asked.take(SentChallenge(7), |by| *by == 2).is_none());
        assert!(has(&asked, 7));
        assert!(!has(&asked, 7));
    }

    #[test]
    fn whoever_asks_a_lot_takes_no_place_from_others() {
        let (asked, now) = (All::default(), Instant::now());
        asked.add(1, 1, Ceremony(1), now);
        for question in 0..10 * EACH_MAX as u128 {
            asked.add(2, 2, Ceremony(1000 + question), now);
        }
        assert_eq!(count(&asked), 1 + EACH_MAX);

        // A network with addresses to waste.
        for asker in 0..10 * WITHIN_MAX as u32 {
            asked.add(10 + asker, 3, Ceremony(5000 + u128::from(asker)), now);
        }

        assert_eq!(count(&asked), 1 + EACH_MAX + WITHIN_MAX);
        assert!(has(&asked, 1));
    }

    #[test]
    fn there_is_an_end_to_them_and_the_newest_stays() {
        let (asked, now) = (All::default(), Instant::now());
        for asker in 0..2 * ALL_MAX as u32 {
            asked.add(asker, asker, Ceremony(u128::from(asker)), now);
        }

        assert_eq!(count(&asked), ALL_MAX);
        assert!(!has(&asked, 0));
        assert!(has(&asked, 2 * ALL_MAX as u128 - 1));
    }

    #[test]
    fn what_nobody_answers_is_forgotten() {
        let (asked, now) = (All::default(), Instant::now());
        asked.add(1, 1, Ceremony(1), now);
        asked.add(1, 1, Ceremony(2), now + LIFE);

        assert!(!has(&asked, 1));
        assert!(has(&asked, 2));
    }
}
