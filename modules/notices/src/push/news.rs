//! Which of what is on its way is news still: a message that was held up must not be told after what replaced it. Pure.

use std::collections::HashMap;

/// Keys remembered; the oldest give way, and what is on its way under them is no news any more.
const KEYS_MAX: usize = 512;

/// The newest thing told under each key.
#[derive(Default)]
pub(crate) struct News {
    newest: HashMap<String, u64>,
    count: u64,
}

impl News {
    /// Something new is told under `key`; its number.
    pub(crate) fn tell(&mut self, key: &str) -> u64 {
        if self.newest.len() >= KEYS_MAX
            && let Some(oldest) = self.newest.values().min().copied()
        {
            self.newest.retain(|_, number| *number != oldest);
        }
        self.count += 1;
        self.newest.insert(key.to_owned(), self.count);
        self.count
    }

    /// Nothing told under `key` is news any more.
    pub(crate) fn settle(&mut self, key: &str) {
        self.newest.remove(key);
    }

    /// Whether what was told under `key` with this number is the newest.
    pub(crate) fn holds(&self, key: &str, number: u64) -> bool {
        self.newest.get(key) == Some(&number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_of_a_key_is_news_and_nothing_that_is_settled() {
        let mut news = News::default();
        let down = news.tell("opencode");
        let other = news.tell("ask-per_1");
        let back = news.tell("opencode");

        assert!(!news.holds("opencode", down));
        assert!(news.holds("opencode", back) && news.holds("ask-per_1", other));
        news.settle("ask-per_1");
        assert!(!news.holds("ask-per_1", other));
    }

    #[test]
    fn old_keys_give_way() {
        let mut news = News::default();
        let first = news.tell("first");
        for number in 0..KEYS_MAX {
            news.tell(&format!("k{number}"));
        }

        assert!(!news.holds("first", first));
        assert_eq!(news.newest.len(), KEYS_MAX);
    }
}
