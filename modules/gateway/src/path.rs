//! The one way a path may be written.
//!
//! Two programs that decode a path differently can be made to disagree about where a request goes. A path that could
//! be written in another way and mean the same is therefore refused before anything is decided on it: what is
//! matched is, byte for byte, what is forwarded.

/// Longest path and query of a request. Beyond it the answer is 414.
pub const TARGET_BYTES_MAX: usize = 8 * 1024;

/// Whether `path` (without its query) is written in the one way: it begins with `/`, has no empty, `.` or `..`
/// segment, and escapes exactly what has to be escaped, in upper-case hex, and never `/`, `\`, `.`, `%` or a control.
///
/// ```text
/// /api/opencode/session/ses_1      yes
/// /api//session   /a/../b   /a/%2e%2e/b   /a%2Fb   /a\b   /%41   no
/// ```
pub fn is_canonical(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else {
        return false;
    };
    path.len() <= TARGET_BYTES_MAX && (rest.is_empty() || rest.split('/').all(is_segment))
}

fn is_segment(segment: &str) -> bool {
    if matches!(segment, "" | "." | "..") {
        return false;
    }
    let mut decoded = Vec::new();
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => match escaped(bytes.next(), bytes.next()) {
                Some(byte) if has_to_be_escaped(byte) => decoded.push(byte),
                Some(_) | None => return false,
            },
            _ if may_stand(byte) => decoded.push(byte),
            _ => return false,
        }
    }
    // Some decoders replace what is no UTF-8, others fail.
    std::str::from_utf8(&decoded).is_ok()
}

fn escaped(high: Option<u8>, low: Option<u8>) -> Option<u8> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    };
    Some(digit(high?)? << 4 | digit(low?)?)
}

/// `pchar` of RFC 3986 without the escapes, and without `;`, which some servers take for the end of a segment.
fn may_stand(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@".contains(&byte)
}

fn has_to_be_escaped(byte: u8) -> bool {
    !may_stand(byte) && !byte.is_ascii_control() && !matches!(byte, b'/' | b'\\' | b'%' | b';')
}

/// Whether `path` is a page of ours that a login may lead to: canonical, and no address of another host.
pub(crate) fn is_own_page(path: &str) -> bool {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\' && byte != b'#';
    is_canonical(path) && query.len() <= TARGET_BYTES_MAX && query.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_spelling() {
        for path in [
            "/",
            "/chat",
            "/api/opencode/session/ses_1",
            "/a/b.c/~d",
            "/a%20b",
            "/caf%C3%A9",
            "/a/...",
            "/@x:y",
        ] {
            assert!(is_canonical(path), "{path}");
        }
        for path in [
            "",
            "chat",
            "//",
            "//evil.example/",
            "/a//b",
            "/a/",
            "/.",
            "/..",
            "/a/./b",
            "/a/../b",
            "/%2e%2e/b",
            "/%2E%2E/b",
            "/a/..%2f..%2fpty",
            "/a%2Fb",
            "/a%5Cb",
            "/a\\b",
            "/%41",
            "/%7E",
            "/a%2eb",
            "/a%25b",
            "/a%00",
            "/a%0A",
            "/a%7F",
            "/%",
            "/%2",
            "/%zz",
            "/%c3%a9",
            "/%FF",
            "/a b",
            "/a\tb",
            "/é",
            "/a;b",
            "/a%3Bb",
            "/a\"b",
            "/a<b",
            "/a{b}",
            "/a|b",
        ] {
            assert!(!is_canonical(path), "{path}");
        }
    }

    #[test]
    fn a_login_leads_to_our_own_pages_only() {
        for path in ["/", "/chat/ses_1?x=1", "/dashboard"] {
            assert!(is_own_page(path), "{path}");
        }
        for path in [
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "/a/../b",
            "/a?x=\r\nSet-Cookie:a",
            "",
        ] {
            assert!(!is_own_page(path), "{path}");
        }
    }
}
