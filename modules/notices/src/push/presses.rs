//! Buttons on devices: each stands for one action, can be pressed once, and goes with what it answers. Pure.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use kit::{ModuleId, Verb};

/// Buttons remembered; the oldest give way. A notice has two at most.
const PRESSES_MAX: usize = 256;
/// A button that was not pressed for so long is none any more: nobody knows how things are by then.
const LIFE: Duration = Duration::from_secs(12 * 3600);

/// A button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Press {
    /// Only whoever was told it can press.
    pub(crate) name: String,
    /// Its notice.
    pub(crate) key: String,
    pub(crate) module: ModuleId,
    pub(crate) verb: Verb,
    /// It answers what was shown in full; not to be done when that is not to be shown any more.
    pub(crate) needs_details: bool,
    /// The folder it concerns; not to be done when that is not to be seen any more.
    pub(crate) folder: Option<String>,
    pub(crate) made: Instant,
}

/// The buttons that can still be pressed, oldest first.
#[derive(Default)]
pub(crate) struct Presses(VecDeque<Press>);

impl Presses {
    pub(crate) fn add(&mut self, press: Press) {
        if self.0.len() >= PRESSES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(press);
    }

    /// The button called `name`; from then on nothing of its notice can be pressed.
    pub(crate) fn take(&mut self, name: &str, now: Instant) -> Option<Press> {
        let at = self.0.iter().position(|press| press.name == name)?;
        let pressed = self.0.remove(at)?;
        self.settle(&pressed.key);
        let age = now.saturating_duration_since(pressed.made);
        (age < LIFE).then_some(pressed)
    }

    /// It is answered, or told anew.
    pub(crate) fn settle(&mut self, key: &str) {
        self.0.retain(|press| press.key != key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct World {
        presses: Presses,
        now: Instant,
    }

    impl World {
        fn new() -> Self {
            Self {
                presses: Presses::default(),
                now: Instant::now(),
            }
        }

        fn add(&mut self, name: &str, key: &str) {
            self.presses.add(Press {
                name: name.to_owned(),
                key: key.to_owned(),
                module: ModuleId("chat"),
                verb: Verb::with("allow", vec![key.to_owned()]),
                needs_details: true,
                folder: None,
                made: self.now,
            });
        }

        fn can_press(&mut self, name: &str) -> bool {
            self.presses.take(name, self.now).is_some()
        }
    }

    #[test]
    fn one_press_of_a_notice_counts_and_others_of_it_do_not() {
        let mut world = World::new();
        world.add("a", "ask-per_1");
        world.add("b", "ask-per_1");
        world.add("c", "ask-per_2");

        assert!(world.can_press("a"));
        assert!(!world.can_press("a"));
        assert!(!world.can_press("b"));
        assert!(world.can_press("c"));
    }

    #[test]
    fn what_is_settled_or_old_cannot_be_pressed_and_no_more_are_kept_than_there_is_room_for() {
        let mut world = World::new();
        world.add("a", "ask-per_1");
        world.presses.settle("ask-per_1");
        assert!(!world.can_press("a"));

        world.add("b", "ask-per_2");
        world.now += LIFE;
        assert!(!world.can_press("b"));

        for number in 0..=PRESSES_MAX {
            world.add(&format!("n{number}"), &format!("k{number}"));
        }
        assert!(!world.can_press("n0"));
        assert!(world.can_press("n1"));
    }
}
