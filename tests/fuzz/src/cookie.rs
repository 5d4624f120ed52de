//! Cookie headers: what stands under our name, whatever stands beside it.

use axum::http::{HeaderMap, HeaderValue, header};
use gateway::CookieName;
use kit::Listener;

const NAME: &str = "nexus-ab12";

/// Takes `lines` as the cookie headers of a request. What is found is what a plain reading finds, and it is a part of
/// the input, so nothing is copied.
///
/// # Panics
/// When the property is broken.
pub fn check(lines: &[Vec<u8>]) {
    let mut headers = HeaderMap::new();
    for line in lines {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(header::COOKIE, value);
        }
    }
    let name = CookieName::new(Listener::Local, "ab12");
    let found: Vec<&str> = name.values(&headers).collect();
    assert_eq!(found, plain(&headers));
    for value in found {
        assert!(!value.contains(';'));
        let is_part = |line: &HeaderValue| line.as_bytes().as_ptr_range().contains(&value.as_ptr());
        assert!(value.is_empty() || headers.get_all(header::COOKIE).iter().any(is_part));
    }
}

/// At most so many values are looked at.
const VALUES_MAX: usize = 4;

/// The same by splitting everything first.
fn plain(headers: &HeaderMap) -> Vec<String> {
    let mut values = Vec::new();
    for line in headers.get_all(header::COOKIE) {
        for pair in line.as_bytes().split(|byte| *byte == b';') {
            let parts: Vec<&[u8]> = pair.splitn(2, |byte| *byte == b'=').collect();
            let [name, value] = parts[..] else {
                continue;
            };
            let (name, value) = (std::str::from_utf8(name), std::str::from_utf8(value));
            if let (Ok(name), Ok(value)) = (name, value)
                && name.trim_matches(' ') == NAME
            {
                values.push(value.trim_matches(' ').to_owned());
            }
        }
    }
    values.truncate(VALUES_MAX);
    values
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn piece() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            Just(b"nexus-ab12=x".to_vec()),
            Just(b" nexus-ab12 = y ".to_vec()),
            Just(b"nexus-ab12".to_vec()),
            Just(b";".to_vec()),
            Just(b"; ".to_vec()),
            Just(b"=".to_vec()),
            Just(b"\"".to_vec()),
            prop::collection::vec(any::<u8>(), 0..8),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn values_are_those_of_a_plain_reading(lines in prop::collection::vec(prop::collection::vec(piece(), 0..8), 0..4)) {
            let lines: Vec<Vec<u8>> = lines.into_iter().map(|pieces| pieces.concat()).collect();
            check(&lines);
        }
    }

    #[test]
    fn a_megabyte_of_separators_is_read_in_no_time() {
        let start = std::time::Instant::now();

        check(&[b";=".repeat(512 * 1024)]);

        assert!(start.elapsed().as_secs() < 2);
    }
}
