//! Random values nobody can guess, and what is kept of them.

use kit::Secret;
use sha2::{Digest, Sha256};

/// 256 bits as hex digits.
pub(crate) const TOKEN_CHARS: usize = 64;

/// What is stored of a token: enough to recognise it, useless to whoever reads it.
pub(crate) type Fingerprint = [u8; 32];

/// A new token of 256 bits from the operating system's randomness, e.g. for a cookie.
pub(crate) fn fresh() -> Secret {
    let bytes: [u8; 32] = rand::random();
    Secret::new(hex(&bytes))
}

/// Recognises a token. `None` for anything that does not look like one, so that nothing else is ever hashed.
pub(crate) fn fingerprint(token: &str) -> Option<Fingerprint> {
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (token.len() == TOKEN_CHARS && token.bytes().all(is_hex)).then(|| Sha256::digest(token.as_bytes()).into())
}

/// Names something in lists and logs, e.g. `"9f3a6c01"`; reveals nothing and proves nothing.
pub(crate) fn short_id() -> String {
    let bytes: [u8; 4] = rand::random();
    hex(&bytes)
}

/// Lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes
        .iter()
        .flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    digits.map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_looks_like_a_token_is_looked_up() {
        let token = fresh();

        assert!(fingerprint(token.expose()).is_some());
        assert_eq!(fingerprint(""), None);
        assert_eq!(fingerprint(&token.expose()[1..]), None);
        assert_eq!(fingerprint(&"A".repeat(TOKEN_CHARS)), None);
        assert_eq!(fingerprint(&format!("{}x", token.expose())), None);
    }
}
