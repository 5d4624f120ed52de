//! What a line may hold: one line's worth of visible text without secrets.

use std::{borrow::Cow, fmt::Write as _, sync::LazyLock};

use regex::{Captures, Regex};

/// Longest text of a line and of each of its fields, in bytes.
pub const FIELD_BYTES_MAX: usize = 2 * 1024;

/// Stands where a secret was.
pub const HIDDEN: &str = "[hidden]";

/// Makes `text` fit to be stored: no secrets, no control characters, at most [`FIELD_BYTES_MAX`].
pub fn clean(text: &str) -> String {
    // Cut first, so that a huge line costs no more than a long one; a margin keeps a secret at the cut recognisable.
    let (head, rest_bytes) = cut(text, FIELD_BYTES_MAX * 2);
    let mut visible = visible(&redacted(head));
    let kept = cut(&visible, FIELD_BYTES_MAX).0.len();
    let rest_bytes = rest_bytes + visible.len() - kept;
    if rest_bytes > 0 {
        visible.truncate(kept);
        // Writing to a string cannot fail.
        let _ = write!(visible, "… ({rest_bytes} bytes more)");
    }
    visible
}

/// Whether a field of this name holds a secret whatever it looks like.
pub fn is_secret_name(name: &str) -> bool {
    SECRET_NAME.is_match(name)
}

/// The first bytes of `text` up to a character's end, and how many are left.
fn cut(text: &str, bytes_max: usize) -> (&str, usize) {
    if text.len() <= bytes_max {
        return (text, 0);
    }
    let end = (0..=bytes_max)
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0);
    (&text[..end], text.len() - end)
}

/// Replaces passwords, tokens, cookies and keys, and leaves the names beside them.
pub fn redacted(text: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    for (pattern, replacement) in PATTERNS.iter() {
        if let Cow::Owned(hidden) = pattern.replace_all(&text, *replacement) {
            text = Cow::Owned(hidden);
        }
    }
    text
}

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the pattern is a constant and tried by the tests")
}

/// Names whose values are secrets. Plural and compound forms included; `tokens=14` (a count) is not.
const NAMES: &str = r"(?:[\w.\-]*(?:passw(?:or)?d|passphrase|secret|credential|private[_-]?key|api[_-]?key|access[_-]?key)s?|(?:[\w.\-]*[_.\-])?(?:token|ticket|pwd|auth|authorization|cookie|code[_-]verifier|jwt)|set-cookie)";

static SECRET_NAME: LazyLock<Regex> = LazyLock::new(|| pattern(&format!("(?i)^{NAMES}$")));

static PATTERNS: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    vec![
        // Whole header lines: everything after the name is secret.
        (
            pattern(r#"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie)("?\s*[:=]\s*"?)[^\r\n"]+"#),
            "${1}${2}[hidden]",
        ),
        // A scheme with its credential, wherever it stands.
        (
            pattern(r"(?i)\b(bearer|basic|ticket)\s+[A-Za-z0-9+/=_.~\-]{8,}"),
            "${1} [hidden]",
        ),
        // name=value, name: value, "name":"value", ?name=value, --name value.
        (
            pattern(&format!(
                r#"(?i)\b({NAMES})(\\?["']?\s*(?:=>|[:=])\s*\\?["']?)[^\s"'\\,;&}})\]\[]+"#
            )),
            "${1}${2}[hidden]",
        ),
        (
            pattern(&format!(r"(?i)(--{NAMES})(\s+)[^\s\-\[]\S*")),
            "${1}${2}[hidden]",
        ),
        // User and password in an address.
        (
            pattern(r"(?i)\b([a-z][a-z0-9+.\-]*://)[^\s/@:]*:[^\s/@]+@"),
            "${1}[hidden]@",
        ),
        // Keys that are known by their look.
        (
            pattern(
                r"\b(?:sk|pk|rk)-[A-Za-z0-9_\-]{16,}|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_[A-Za-z0-9_]{20,}|\bxox[a-z]-[A-Za-z0-9\-]{10,}|\bAKIA[A-Z0-9]{16}\b|\bAIza[A-Za-z0-9_\-]{30,}|\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]+(?:\.[A-Za-z0-9_\-]*)?|\$argon2i?d?\$\S+",
            ),
            HIDDEN,
        ),
    ]
});

/// Colours and cursor movements of a terminal, which mean nothing in a file.
static TERMINAL: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\-_]"));

/// Drops terminal sequences and shows what would otherwise act: line ends, control characters, bidi marks.
fn visible(text: &str) -> String {
    let plain = TERMINAL.replace_all(text, |_: &Captures<'_>| "");
    let mut shown = String::with_capacity(plain.len());
    for letter in plain.trim_end_matches(['\r', '\n']).chars() {
        match letter {
            '\t' => shown.push_str("  "),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            letter if acts(letter) => shown.extend(letter.escape_unicode()),
            letter => shown.push(letter),
        }
    }
    shown
}

fn acts(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{2028}' | '\u{2029}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_and_their_names_stay() {
        let check = |text: &str, expected: &str| assert_eq!(redacted(text), expected, "{text}");

        check(
            "Authorization: Basic b3BlbmNvZGU6aHVudGVyMg==",
            "Authorization: [hidden]",
        );
        check(
            r#"{"authorization":"Bearer abc.def.ghi"}"#,
            r#"{"authorization":"[hidden]"}"#,
        );
        check("Cookie: a=b; nexus=s3cret", "Cookie: [hidden]");
        check("set-cookie: nexus=s3cret; HttpOnly", "set-cookie: [hidden]");
        check("sent Ticket abcdefghijkl to it", "sent Ticket [hidden] to it");
        check("GET /enter?ticket=abc123&x=1", "GET /enter?ticket=[hidden]&x=1");
        check("/event?auth_token=abc%3D", "/event?auth_token=[hidden]");
        check("password=hunter2, user=me", "password=[hidden], user=me");
        check(
            "OPENCODE_SERVER_PASSWORD=hunter2",
            "OPENCODE_SERVER_PASSWORD=[hidden]",
        );
        check(r#"{"password": "hunter2"}"#, r#"{"password": "[hidden]"}"#);
        check(r#"{\"apiKey\":\"hunter2\"}"#, r#"{\"apiKey\":\"[hidden]\"}"#);
        check("run --token abc.def --port 1", "run --token [hidden] --port 1");
        check("https://me:hunter2@host/x", "https://[hidden]@host/x");
        check("key sk-proj-abcdefghijklmnopqrst used", "key [hidden] used");
        check("eyJhbGciOiJI.eyJzdWIi.c2ln", "[hidden]");
        check("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA", "[hidden]");
    }

    #[test]
    fn what_is_no_secret_stays_readable() {
        for text in [
            "tokens=14000 cost=0.02",
            "no password is set yet",
            "session ses_1 is busy",
            "GET /session?directory=/home/me 200 in 4 ms",
            "a basic test",
            "author=me",
        ] {
            assert_eq!(redacted(text), text);
        }
    }

    #[test]
    fn one_event_is_one_line() {
        assert_eq!(
            clean("a\nb\r\nc\u{2028}d\u{202e}e\0"),
            r"a\nb\r\nc\u{2028}d\u{202e}e\u{0}"
        );
        assert_eq!(
            clean("\x1b[31mred\x1b[0m \x1b]52;c;YQ==\x07end\x1b"),
            r"red end\u{1b}"
        );
    }

    #[test]
    fn a_long_line_is_cut_and_says_so() {
        let long = "ä".repeat(100_000);

        let kept = clean(&long);

        assert!(kept.len() <= FIELD_BYTES_MAX + 40);
        assert!(
            kept.ends_with("… (197952 bytes more)"),
            "{}",
            &kept[kept.len() - 40..]
        );
    }
}
