//! Names made up at random, in the form the real thing gives them.

use base64::{Engine, engine::general_purpose::STANDARD};

/// What hostnames of quick tunnels are made of.
const WORDS: &[&str] = &[
    "amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron", "indigo", "juniper", "kayak",
    "lagoon", "maple", "nectar", "opal", "prairie", "quartz", "river", "saffron", "tundra", "umber",
    "velvet", "willow", "zephyr",
];

/// E.g. `"1fad5712-f9f8-4f7b-99b3-98ea7ae98196"`.
pub fn uuid() -> String {
    let mut bytes: [u8; 16] = rand::random();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex(&bytes);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// Whether this is a UUID as the quick tunnel service and tokens carry it.
pub fn is_uuid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

/// E.g. `"grove-amber-heron-a12d.trycloudflare.com"`.
pub fn quick_hostname() -> String {
    let word = || WORDS[rand::random_range(0..WORDS.len())];
    let tail: u16 = rand::random();
    format!("{}-{}-{}-{tail:04x}.trycloudflare.com", word(), word(), word())
}

/// Base64 of 32 bytes, e.g. the secret of a tunnel.
pub fn secret() -> String {
    STANDARD.encode(rand::random::<[u8; 32]>())
}

/// Lowercase hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// 32 hexadecimal digits, e.g. the tag of an account.
pub fn tag() -> String {
    hex(&rand::random::<[u8; 16]>())
}

/// 16 hexadecimal digits, as in the header `Cf-Ray`.
pub fn ray() -> String {
    hex(&rand::random::<[u8; 8]>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_up_has_the_right_form() {
        assert!(is_uuid(&uuid()), "{}", uuid());
        assert!(!is_uuid("1fad5712"));
        assert!(quick_hostname().ends_with(".trycloudflare.com"));
        assert_eq!(tag().len(), 32);
        assert_ne!(quick_hostname(), quick_hostname());
    }
}
