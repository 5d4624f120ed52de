//! Which passwords are taken.
//!
//! Length is what makes a password hard to guess, so nothing is asked of its composition. What is long and still
//! among the first guesses is refused: known passwords, and anything put together from their parts, from runs
//! (`12345`, `qwerty`), repetitions and this program's own words.

/// Fewest characters, as NIST SP 800-63B-4 asks of a password that is the only factor.
pub const CHARS_MIN: usize = 15;

/// Most characters.
pub const CHARS_MAX: usize = 128;

/// Parts of well-known passwords, one per line.
const PARTS: &str = include_str!("parts.txt");

/// Well-known passwords of at least [`CHARS_MIN`] characters, one per line.
const KNOWN: &str = include_str!("known.txt");

/// What a person who guesses at *this* program tries first.
const OWN_WORDS: [&str; 10] = [
    "opencode",
    "nexus",
    "open",
    "code",
    "gateway",
    "tunnel",
    "cloudflare",
    "cloudflared",
    "agent",
    "localhost",
];

/// Rows of keys and orders everybody knows; a part of one, either way round, is a run.
const RUNS: [&str; 10] = [
    "01234567890123456789",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qwertzuiop",
    "azertyuiop",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
    "q1w2e3r4t5y6u7i8o9p0",
    "1q2w3e4r5t6y7u8i9o0p",
];

/// Characters that are left when everything known is taken away, below which nothing is left to guess.
const UNKNOWN_CHARS_MIN: usize = 6;

/// Why a password is refused, said to the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Weak {
    /// Fewer than [`CHARS_MIN`] characters.
    #[error("The password has to have at least 15 characters. A sentence or five words in a row work well.")]
    Short,
    /// More than [`CHARS_MAX`] characters.
    #[error("The password may have at most 128 characters.")]
    Long,
    /// Among the first guesses.
    #[error("This password is among the first that are guessed. Take words that nobody would put together.")]
    Common,
}

/// Judges a new password. Takes no note of letters' case, look-alike digits and what stands between words.
///
/// # Errors
/// See [`Weak`].
pub fn check(password: &str) -> Result<(), Weak> {
    match password.chars().count() {
        ..CHARS_MIN => return Err(Weak::Short),
        CHARS_MIN..=CHARS_MAX => {}
        _ => return Err(Weak::Long),
    }
    let lower = password.to_lowercase();
    let is_known = || KNOWN.lines().any(|known| known == lower);
    if is_repetitive(&lower) || is_known() || is_made_of_parts(&lower) || is_made_of_parts(&unmasked(&lower))
    {
        return Err(Weak::Common);
    }
    Ok(())
}

/// `p@ssw0rd` → `password`.
fn unmasked(lower: &str) -> String {
    let plain = |c| match c {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        _ => c,
    };
    lower.chars().map(plain).collect()
}

/// One piece of at most a third of the length, over and over.
fn is_repetitive(lower: &str) -> bool {
    let chars: Vec<char> = lower.chars().collect();
    (1..=chars.len() / 3).any(|size| chars.iter().zip(&chars[size..]).all(|(a, b)| a == b))
}

/// Takes everything known away, the longest parts first; what is left must not be next to nothing. Two different
/// words in a row are a password nobody has to guess, three are not.
fn is_made_of_parts(lower: &str) -> bool {
    let chars: Vec<char> = lower.chars().filter(|c| c.is_alphanumeric()).collect();
    let mut words: Vec<&str> = Vec::new();
    let (mut at, mut unknown) = (0, 0);
    while at < chars.len() {
        let rest: String = chars[at..].iter().collect();
        if let Some(word) = longest_word(&rest) {
            if !words.contains(&word) {
                words.push(word);
            }
            at += word.chars().count();
        } else if let Some(length) = run(&chars[at..]) {
            at += length;
        } else {
            unknown += 1;
            at += 1;
        }
    }
    unknown < UNKNOWN_CHARS_MIN && words.len() <= 2
}

fn longest_word(rest: &str) -> Option<&'static str> {
    let words = PARTS.lines().chain(OWN_WORDS);
    words
        .filter(|word| rest.starts_with(word))
        .max_by_key(|word| word.len())
}

/// The length of a run of at least three at the beginning: `1234`, `4321`, `aaa`, or any digits (years, dates).
fn run(chars: &[char]) -> Option<usize> {
    let digits = chars.iter().take_while(|c| c.is_ascii_digit()).count();
    let same = chars.iter().take_while(|c| Some(*c) == chars.first()).count();
    let along = (3..=chars.len())
        .take_while(|length| is_in_a_row(&chars[..*length]))
        .last();
    [
        (digits >= 1).then_some(digits),
        (same >= 3).then_some(same),
        along,
    ]
    .into_iter()
    .flatten()
    .max()
}

fn is_in_a_row(chars: &[char]) -> bool {
    let forth: String = chars.iter().collect();
    let back: String = chars.iter().rev().collect();
    RUNS.iter().any(|row| row.contains(&forth) || row.contains(&back))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_counted_in_characters() {
        assert_eq!(check("correct horse "), Err(Weak::Short));
        assert_eq!(check("straße über füß"), Ok(()));
        assert_eq!(check(&"ab3 x9".repeat(30)), Err(Weak::Long));
        let long: String = ('\u{4e00}'..).take(CHARS_MAX).collect();
        assert_eq!(check(&long), Ok(()));
        assert_eq!(check(&format!("{long}x")), Err(Weak::Long));
    }

    #[test]
    fn what_everybody_tries_is_refused() {
        for password in [
            "opencode-nexus-123",
            "OpenCodeNexus2026!",
            "nexusnexusnexus",
            "password12345678",
            "P@ssw0rdP@ssw0rd",
            "passwordpassword",
            "iloveyou1234567890",
            "qwertyuiopasdfgh",
            "123456789012345",
            "aaaaaaaaaaaaaaa",
            "abcabcabcabcabcabc",
            "letmeinletmein1234",
            "welcome to nexus 1",
            "1q2w3e4r5t6y7u8i9o",
            "correcthorsebatterystaple",
            "correct horse battery staple",
            "Administrator123!",
            "zxcvbnm123456789",
            "20260101 19991231",
        ] {
            assert_eq!(check(password), Err(Weak::Common), "{password}");
        }
    }

    #[test]
    fn what_nobody_tries_is_taken() {
        for password in [
            "a walrus plays the banjo",
            "velvet ocean kettle",
            "Xk7#pQ2!mZ9$wR4",
            "my dog ate seven nexus tickets",
            "tr0ub4dor and three friends",
        ] {
            assert_eq!(check(password), Ok(()), "{password}");
        }
        for _ in 0..100 {
            let offered = super::super::passphrase();
            assert_eq!(check(offered.expose()), Ok(()));
        }
    }

    #[test]
    fn more_than_three_thousand_known_passwords_are_refused_in_any_case() {
        let known: Vec<&str> = KNOWN.lines().collect();
        let different: std::collections::HashSet<&str> = known.iter().copied().collect();

        assert!(different.len() >= 3000, "{}", different.len());
        for password in known {
            assert!(
                password.chars().count() >= CHARS_MIN,
                "{password} is refused by its length already"
            );
            assert_eq!(check(password), Err(Weak::Common), "{password}");
            assert_eq!(check(&password.to_uppercase()), Err(Weak::Common), "{password}");
        }
    }
}
