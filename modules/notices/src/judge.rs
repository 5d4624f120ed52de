//! Whether a notice makes a bubble now, later or not at all. Pure.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use kit::Notice;

use crate::NoticesSettings;

/// Bubbles of one key within [`WINDOW`]: an outage, its verdict and its end.
const PER_KEY_MAX: usize = 3;

/// Bubbles of all keys within [`WINDOW`].
const ALL_MAX: usize = 20;

/// How far back bubbles count.
const WINDOW: Duration = Duration::from_secs(600);

/// Notices that wait for their turn; the oldest gives way.
const HELD_MAX: usize = 64;

/// What a decision depends on beside the notice.
pub(crate) struct Moment<'s> {
    pub(crate) now: Instant,
    /// Of the day, local time.
    pub(crate) minute: u16,
    pub(crate) settings: &'s NoticesSettings,
}

/// What was shown lately, and what waits.
#[derive(Debug, Default)]
pub(crate) struct Judge {
    /// When and under which key, oldest first.
    shown: VecDeque<(Instant, String)>,
    /// The newest notice of each key that came too soon.
    held: BTreeMap<String, Notice>,
}

impl Judge {
    /// The bubble to show at once, if there is to be one. What comes too soon is held, the newest of each key: the last
    /// word about an outage is heard, only later.
    pub(crate) fn take(&mut self, notice: Notice, moment: &Moment<'_>) -> Option<Notice> {
        self.held.remove(&notice.key);
        if !is_welcome(&notice, moment) {
            return None;
        }
        self.forget_old(moment.now);
        if self.has_room(&notice.key) {
            self.shown.push_back((moment.now, notice.key.clone()));
            return Some(notice);
        }
        if self.held.len() >= HELD_MAX {
            self.held.pop_first();
        }
        self.held.insert(notice.key.clone(), notice);
        None
    }

    /// What was held and may be shown by now.
    pub(crate) fn release(&mut self, moment: &Moment<'_>) -> Vec<Notice> {
        self.forget_old(moment.now);
        let keys: Vec<String> = self.held.keys().cloned().collect();
        let mut released = Vec::new();
        for key in keys {
            if self.has_room(&key)
                && let Some(notice) = self.held.remove(&key)
                && is_welcome(&notice, moment)
            {
                self.shown.push_back((moment.now, key));
                released.push(notice);
            }
        }
        released
    }

    /// When [`Judge::release`] may find something.
    pub(crate) fn due(&self) -> Option<Instant> {
        if self.held.is_empty() {
            return None;
        }
        let of_key = |key: &String| {
            let mut times = self.shown.iter().filter(|(_, shown)| shown == key);
            let count = times.clone().count();
            (count >= PER_KEY_MAX)
                .then(|| times.nth(count - PER_KEY_MAX))
                .flatten()
                .map(|(at, _)| *at)
        };
        let of_all = (self.shown.len() >= ALL_MAX)
            .then(|| self.shown.get(self.shown.len() - ALL_MAX))
            .flatten()
            .map(|(at, _)| *at);
        self.held
            .keys()
            .filter_map(|key| of_key(key).max(of_all))
            .min()
            .map(|at| at + WINDOW)
    }

    /// It is answered, or no longer true.
    pub(crate) fn settle(&mut self, key: &str) {
        self.held.remove(key);
    }

    fn has_room(&self, key: &str) -> bool {
        let of_key = self.shown.iter().filter(|(_, shown)| shown == key).count();
        of_key < PER_KEY_MAX && self.shown.len() < ALL_MAX
    }

    fn forget_old(&mut self, now: Instant) {
        while self
            .shown
            .front()
            .is_some_and(|(at, _)| now.saturating_duration_since(*at) >= WINDOW)
        {
            self.shown.pop_front();
        }
    }
}

fn is_welcome(notice: &Notice, moment: &Moment<'_>) -> bool {
    let settings = moment.settings;
    settings.allows(notice.kind) && !settings.paused && !settings.is_quiet(moment.minute)
}

#[cfg(test)]
mod tests {
    use kit::NoticeKind;
    use proptest::prelude::*;

    use super::*;

    fn notice(key: &str, title: &str) -> Notice {
        Notice {
            kind: NoticeKind::Server,
            key: key.to_owned(),
            title: title.to_owned(),
            body: String::new(),
            page: "/dashboard".to_owned(),
            answers: Vec::new(),
            away: None,
        }
    }

    struct World {
        judge: Judge,
        begin: Instant,
        settings: NoticesSettings,
        shown: Vec<(u64, String)>,
    }

    impl World {
        fn new() -> Self {
            Self {
                judge: Judge::default(),
                begin: Instant::now(),
                settings: NoticesSettings::default(),
                shown: vec![],
            }
        }

        fn tell(&mut self, at_s: u64, key: &str, title: &str) {
            self.run(at_s);
            let moment = Moment {
                now: self.begin + Duration::from_secs(at_s),
                minute: 12 * 60,
                settings: &self.settings,
            };
            if let Some(notice) = self.judge.take(notice(key, title), &moment) {
                self.shown.push((at_s, notice.title));
            }
        }

        /// Lets the time run to `until_s`.
        fn run(&mut self, until_s: u64) {
            while let Some(due) = self.judge.due() {
                let at = due.saturating_duration_since(self.begin);
                if at > Duration::from_secs(until_s) {
                    break;
                }
                let moment = Moment {
                    now: due,
                    minute: 12 * 60,
                    settings: &self.settings,
                };
                for notice in self.judge.release(&moment) {
                    self.shown.push((at.as_secs(), notice.title));
                }
            }
        }
    }

    #[test]
    fn fifty_crashes_in_ten_minutes_make_three_bubbles_and_the_last_word_is_heard() {
        let mut world = World::new();

        for crash in 0..50 {
            world.tell(crash * 12, "opencode", &format!("down {crash}"));
            world.tell(crash * 12 + 6, "opencode", &format!("back {crash}"));
        }

        assert!(world.shown.len() <= 3, "{:?}", world.shown);
        world.run(3_600);
        assert_eq!(world.shown.last(), Some(&(600, "back 49".to_owned())));
    }

    #[test]
    fn an_outage_of_one_does_not_silence_another() {
        let mut world = World::new();
        for second in 0..10 {
            world.tell(second, "opencode", "down");
        }

        world.tell(11, "ask-per_1", "waits for you");

        assert_eq!(world.shown.last(), Some(&(11, "waits for you".to_owned())));
    }

    #[test]
    fn what_is_settled_is_not_shown_any_more() {
        let mut world = World::new();
        for second in 0..4 {
            world.tell(second, "ask-per_1", "waits");
        }
        assert!(world.judge.due().is_some());

        world.judge.settle("ask-per_1");

        world.run(3_600);
        assert_eq!(world.shown.len(), 3);
        assert_eq!(world.judge.due(), None);
    }

    #[test]
    fn paused_unwanted_or_at_night_there_is_no_bubble() {
        let begin = Instant::now();
        let shown = |change: fn(&mut NoticesSettings)| {
            let mut settings = NoticesSettings::default();
            change(&mut settings);
            let moment = Moment {
                now: begin,
                minute: 3 * 60,
                settings: &settings,
            };
            Judge::default()
                .take(notice("opencode", "down"), &moment)
                .is_some()
        };

        assert!(shown(|_| {}));
        assert!(!shown(|settings| settings.paused = true));
        assert!(!shown(|settings| settings.server = false));
        assert!(shown(|settings| settings.session = false));
        assert!(!shown(|settings| {
            settings.quiet_from = "22:00".to_owned();
            settings.quiet_to = "07:00".to_owned();
        }));
    }

    proptest! {
        /// Whatever is told whenever: never more than the limits within any window, and nothing waits for ever.
        #[test]
        fn the_limits_hold(steps in prop::collection::vec((0_u64..120, 0_u8..30), 1..200)) {
            let mut world = World::new();
            let mut now = 0;
            for (pause, key) in steps {
                now += pause;
                world.tell(now, &format!("k{key}"), &format!("k{key}"));
            }
            world.run(now + 36_000);

            prop_assert!(world.judge.held.is_empty());
            for (at, key) in &world.shown {
                let within = world.shown.iter().filter(|(other, _)| other >= at && other - at < WINDOW.as_secs());
                let of_key = within.clone().filter(|(_, other)| other == key).count();
                prop_assert!(within.count() <= ALL_MAX && of_key <= PER_KEY_MAX);
            }
        }
    }
}
