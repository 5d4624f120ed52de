//! Buttons on devices: each stands for one action, can be pressed once, and goes with what it answers. Pure.

use std::collections::VecDeque;

use kit::{ModuleId, Verb};

/// Buttons remembered; the oldest give way. A notice has two at most.
const PRESSES_MAX: usize = 256;

struct Press {
    name: String,
    key: String,
    module: ModuleId,
    verb: Verb,
}

/// The buttons that can still be pressed, oldest first.
#[derive(Default)]
pub(crate) struct Presses(VecDeque<Press>);

impl Presses {
    /// Remembers a button called `name` of the notice `key`. Only whoever was told the name can press it.
    pub(crate) fn add(&mut self, name: &str, key: &str, module: ModuleId, verb: Verb) {
        if self.0.len() >= PRESSES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(Press {
            name: name.to_owned(),
            key: key.to_owned(),
            module,
            verb,
        });
    }

    /// What pressing `name` does; from then on nothing of its notice can be pressed.
    pub(crate) fn take(&mut self, name: &str) -> Option<(ModuleId, Verb)> {
        let at = self.0.iter().position(|press| press.name == name)?;
        let pressed = self.0.remove(at)?;
        self.settle(&pressed.key);
        Some((pressed.module, pressed.verb))
    }

    /// It is answered, or told anew.
    pub(crate) fn settle(&mut self, key: &str) {
        self.0.retain(|press| press.key != key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verb(name: &str) -> Verb {
        Verb::with(name, vec!["per_1".to_owned()])
    }

    #[test]
    fn one_press_of_a_notice_counts_and_others_of_it_do_not() {
        let mut presses = Presses::default();
        presses.add("a", "ask-per_1", ModuleId("chat"), verb("allow"));
        presses.add("b", "ask-per_1", ModuleId("chat"), verb("reject"));
        presses.add("c", "ask-per_2", ModuleId("chat"), verb("allow"));

        assert_eq!(presses.take("a"), Some((ModuleId("chat"), verb("allow"))));
        assert_eq!(presses.take("a"), None);
        assert_eq!(presses.take("b"), None);
        assert!(presses.take("c").is_some());
    }

    #[test]
    fn what_is_settled_cannot_be_pressed_and_no_more_are_kept_than_there_is_room_for() {
        let mut presses = Presses::default();
        presses.add("a", "ask-per_1", ModuleId("chat"), verb("allow"));
        presses.settle("ask-per_1");
        assert_eq!(presses.take("a"), None);

        for number in 0..=PRESSES_MAX {
            presses.add(
                &format!("n{number}"),
                &format!("k{number}"),
                ModuleId("chat"),
                verb("allow"),
            );
        }
        assert_eq!(presses.take("n0"), None);
        assert!(presses.take("n1").is_some());
    }
}
