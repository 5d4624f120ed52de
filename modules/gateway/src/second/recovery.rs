//! Recovery codes: each replaces the app once, for the day the phone is gone.

use kit::Secret;
use sha2::{Digest, Sha256};

use crate::token::Fingerprint;

/// So many are made at a time.
pub const COUNT: usize = 10;
/// Digits alone, so that the keyboard a phone shows for codes has them all; 53 bits of them, far beyond what a throttled
/// login lets anybody try.
const DIGITS: usize = 16;
const GROUP: usize = 4;

/// A new list, e.g. `"4071 9926 0135 8804"`.
pub fn fresh() -> Vec<Secret> {
    (0..COUNT).map(|_| one()).collect()
}

fn one() -> Secret {
    let groups = (0..DIGITS / GROUP).map(|_| format!("{:04}", rand::random_range(0..10_000)));
    Secret::new(groups.collect::<Vec<_>>().join(" "))
}

/// What is kept of a code's digits; `None` for what cannot be one.
pub fn fingerprint(digits: &str) -> Option<Fingerprint> {
    let is_code = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_code.then(|| Sha256::digest(digits.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::second::digits;

    #[test]
    fn a_code_is_known_again_however_it_is_typed() {
        let code = one();
        let kept = fingerprint(&digits(code.expose())).unwrap();

        for typed in [
            code.expose().replace(' ', ""),
            format!(" {}\u{a0}", code.expose().replace(' ', "-")),
        ] {
            assert_eq!(fingerprint(&digits(&typed)), Some(kept), "{typed}");
        }
        assert_ne!(fingerprint(&digits(one().expose())), Some(kept));
        for other in [
            "",
            "123456",
            "4071 9926 0135 880",
            "4071 9926 0135 880é",
            "4071 9926 0135 88041",
        ] {
            assert_eq!(fingerprint(&digits(other)), None, "{other}");
        }
    }
}
