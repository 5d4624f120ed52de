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

/// Questions in all: nobody can fill the memory by asking.
const ALL_MAX: usize = 512;

/// Questions, the oldest first, each with who asked. Each is answered once.
pub(super) struct Asked<K, S>(Mutex<VecDeque<(K, S, Instant)>>);

impl<K, S> Default for Asked<K, S> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: PartialEq, S: TimedCeremony> Asked<K, S> {
    pub(super) fn add(&self, by: K, question: S, now: Instant) {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        asked.retain(|(_, _, since)| now.duration_since(*since) < LIFE);
        let own = asked.iter().filter(|(other, _, _)| *other == by).count();
        let oldest = if own >= EACH_MAX {
            asked.iter().position(|(other, _, _)| *other == by)
        } else {
            (asked.len() >= ALL_MAX).then_some(0)
        };
        if let Some(oldest) = oldest {
            asked.remove(oldest);
        }
        asked.push_back((by, question, now));
    }

    /// The question that `challenge` answers, which nobody else answers then. That it is not too old is for whoever
    /// verifies the answer to see.
    pub(super) fn take(&self, challenge: SentChallenge) -> Option<S> {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let meant = asked
            .iter()
            .position(|(_, question, _)| question.sent_challenge() == challenge)?;
        asked.remove(meant).map(|(_, question, _)| question)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Question(u128);

    impl TimedCeremony for Question {
        fn expiration(&self) -> std::time::Instant {
            std::time::Instant::now()
        }

        fn sent_challenge(&self) -> SentChallenge {
            SentChallenge(self.0)
        }
    }

    fn has(asked: &Asked<u32, Question>, challenge: u128) -> bool {
        asked.take(SentChallenge(challenge)).is_some()
    }

    #[test]
    fn a_question_is_answered_once() {
        let asked = Asked::default();
        asked.add(1, Question(7), Instant::now());

        assert!(!has(&asked, 8));
        assert!(has(&asked, 7));
        assert!(!has(&asked, 7));
    }

    #[test]
    fn whoever_asks_a_lot_takes_no_place_from_others() {
        let (asked, now) = (Asked::default(), Instant::now());
        asked.add(1, Question(1), now);
        for question in 0..10 * EACH_MAX as u128 {
            asked.add(2, Question(1000 + question), now);
        }

        assert_eq!(asked.0.lock().unwrap().len(), 1 + EACH_MAX);
        assert!(has(&asked, 1));
    }

    #[test]
    fn there_is_an_end_to_them_and_the_newest_stays() {
        let (asked, now) = (Asked::default(), Instant::now());
        for asker in 0..2 * ALL_MAX as u32 {
            asked.add(asker, Question(u128::from(asker)), now);
        }

        assert_eq!(asked.0.lock().unwrap().len(), ALL_MAX);
        assert!(!has(&asked, 0));
        assert!(has(&asked, 2 * ALL_MAX as u128 - 1));
    }

    #[test]
    fn what_nobody_answers_is_forgotten() {
        let (asked, now) = (Asked::default(), Instant::now());
        asked.add(1, Question(1), now);
        asked.add(1, Question(2), now + LIFE);

        assert!(!has(&asked, 1));
        assert!(has(&asked, 2));
    }
}
