//! Passphrases to offer: words a person can type on a phone.

use kit::Secret;
use rand::RngExt;

/// The words to draw from, one per line: common, short, and told apart easily.
const WORDS: &str = include_str!("words.txt");

/// Words in one passphrase.
const COUNT: usize = 7;

/// What guessing a passphrase costs, in bits, at least.
pub const PASSPHRASE_BITS: u32 = 72;

/// Draws a passphrase, e.g. `"lantern-river-copper-…"`: seven words.
pub fn passphrase() -> Secret {
    let words: Vec<&str> = WORDS.lines().collect();
    let mut random = rand::rng();
    let drawn: Vec<&str> = (0..COUNT)
        .map(|_| words[random.random_range(0..words.len())])
        .collect();
    Secret::new(drawn.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_enough_words_and_each_is_itself() {
        let words: Vec<&str> = WORDS.lines().collect();
        let different: std::collections::HashSet<&str> = words.iter().copied().collect();

        assert_eq!(words.len(), different.len());
        assert!(words.len() >= 1000, "{}", words.len());
        for word in &words {
            assert!(
                (3..=8).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase()),
                "{word}"
            );
        }
        let bits = (words.len() as f64).log2() * COUNT as f64;
        assert!(bits >= f64::from(PASSPHRASE_BITS), "{bits}");
    }

    #[test]
    fn no_two_are_alike() {
        let drawn: std::collections::HashSet<String> =
            (0..1000).map(|_| passphrase().expose().to_owned()).collect();

        assert_eq!(drawn.len(), 1000);
        assert!(drawn.iter().all(|phrase| phrase.split('-').count() == COUNT));
    }
}
