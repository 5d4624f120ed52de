//! Takes secrets out of text and leaves the names beside them.
//!
//! Written by hand, as one pass over the words of a line: the same as regular expressions takes megabytes in a program
//! that rests most of the time, and is many times slower in one whose child writes without end.

use std::borrow::Cow;

/// Stands where a secret was.
pub(crate) const HIDDEN: &str = "[hidden]";

/// Longer words are no names.
const NAME_BYTES_MAX: usize = 128;

/// Replaces passwords, tokens, cookies and keys.
pub fn redacted(text: &str) -> Cow<'_, str> {
    let mut kept = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some((start, end)) = next_word(text, at) {
        at = end;
        if let Some((from, to)) = secret(text, start, end) {
            kept.push_str(&text[copied..from]);
            kept.push_str(HIDDEN);
            copied = to;
            at = to;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    kept.push_str(&text[copied..]);
    Cow::Owned(kept)
}

/// Whether a field of this name holds a secret whatever it looks like. `tokens` (a count) does not.
pub(crate) fn is_secret_name(name: &str) -> bool {
    const ANYWHERE: &[&str] = &[
        "password",
        "passwd",
        "passphrase",
        "secret",
        "credential",
        "privatekey",
        "apikey",
        "accesskey",
    ];
    const WHOLE: &[&str] = &[
        "token",
        "ticket",
        "pwd",
        "auth",
        "authorization",
        "cookie",
        "verifier",
        "jwt",
    ];
    if name.len() > NAME_BYTES_MAX || !name.is_ascii() {
        return false;
    }
    let lower = name.to_ascii_lowercase();
    let plain: String = lower
        .chars()
        .filter(|letter| !matches!(letter, '_' | '-' | '.'))
        .collect();
    let plain = plain.strip_suffix('s').unwrap_or(&plain);
    if ANYWHERE.iter().any(|word| plain.ends_with(word)) {
        return true;
    }
    WHOLE.iter().any(|word| {
        let Some(before) = lower.strip_suffix(word) else {
            return false;
        };
        // A word of its own: after a separator, or with a capital as in `accessToken`.
        let begins_with_capital = name.as_bytes()[before.len()].is_ascii_uppercase();
        before.is_empty() || before.ends_with(['_', '-', '.']) || begins_with_capital
    })
}

/// The next run of letters that names and keys are made of.
fn next_word(text: &str, from: usize) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let start = from
        + bytes
            .get(from..)?
            .iter()
            .position(|byte| is_word(*byte) || *byte == b'$')?;
    let first = usize::from(bytes[start] == b'$');
    let length = bytes[start + first..].iter().position(|byte| !is_word(*byte));
    Some((start, length.map_or(bytes.len(), |length| start + first + length)))
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// Where the secret is that the word from `start` to `end` is or announces.
fn secret(text: &str, start: usize, end: usize) -> Option<(usize, usize)> {
    let word = &text[start..end];
    if is_key(word) {
        return Some((start, end));
    }
    if word.starts_with("$argon2") {
        return Some((start, run(text, start, |byte| !is_space(byte))));
    }
    if text[end..].starts_with("://") {
        return user_of_address(text, end + 3);
    }
    // The link that pairs a device. A code anywhere else is an exit code.
    if word == "code" && text[..start].ends_with("/pair?") {
        return value_of(text, end, word);
    }
    let name = word.trim_start_matches('-');
    let is_option = name.len() < word.len();
    if is_secret_name(name) {
        if let Some(value) = value_of(text, end, name) {
            return Some(value);
        }
        let value = run(text, end, is_space);
        if is_option && value > end && !text[value..].starts_with(['-', '[']) {
            let until = if may_hold_blanks(name) {
                end_of_line(text, value)
            } else {
                run(text, value, |byte| !is_space(byte))
            };
            return non_empty(value, until);
        }
    }
    if ["bearer", "basic", "ticket"]
        .iter()
        .any(|scheme| word.eq_ignore_ascii_case(scheme))
    {
        return credential(text, end);
    }
    None
}

/// What follows a name after `=`, `:` or `=>`, in whatever quotes.
fn value_of(text: &str, end: usize, name: &str) -> Option<(usize, usize)> {
    let quote = |from| {
        let from = from + usize::from(text[from..].starts_with('\\'));
        from + usize::from(text[from..].starts_with(['"', '\'']))
    };
    let sign = run(text, quote(end), is_space);
    let after = match text.get(sign..)? {
        rest if rest.starts_with("=>") => sign + 2,
        rest if rest.starts_with(['=', ':']) => sign + 1,
        _ => return None,
    };
    let begin = run(text, after, is_space);
    let value = quote(begin);
    if may_hold_blanks(name) {
        let until = closing(text, value, &text[begin..value]).unwrap_or_else(|| end_of_line(text, value));
        return non_empty(value, until);
    }
    let header = name.rsplit('-').next().unwrap_or(name);
    let is_header = ["authorization", "cookie"]
        .iter()
        .any(|word| header.eq_ignore_ascii_case(word));
    // The whole line of a header is secret, with its blanks.
    let ends: &[u8] = if is_header {
        b"\r\n\""
    } else {
        b" \t\r\n\"'\\,;&})]["
    };
    non_empty(value, run(text, value, |byte| !ends.contains(&byte)))
}

/// Whether a secret of this name was chosen by a person: words with blanks and signs between them, whose end nothing
/// tells but a quote or the end of the line.
fn may_hold_blanks(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let one = lower.strip_suffix('s').unwrap_or(&lower);
    ["password", "passwd", "pwd", "passphrase", "secret"]
        .iter()
        .any(|word| one.ends_with(word))
}

/// Where the quotes end that were opened as `opened`: `"`, `'`, or either after a backslash.
fn closing(text: &str, from: usize, opened: &str) -> Option<usize> {
    let quote = *opened.as_bytes().last()?;
    let is_nested = opened.len() > 1;
    let mut backslashes = 0;
    for (at, &byte) in text.as_bytes().iter().enumerate().skip(from) {
        if byte == quote && is_nested && backslashes == 1 {
            return Some(at - 1);
        }
        if byte == quote && !is_nested && backslashes % 2 == 0 {
            return Some(at);
        }
        backslashes = if byte == b'\\' { backslashes + 1 } else { 0 };
    }
    None
}

fn end_of_line(text: &str, from: usize) -> usize {
    run(text, from, |byte| !matches!(byte, b'\r' | b'\n'))
}

/// A scheme's credential: a long word, not the next word of a sentence.
fn credential(text: &str, end: usize) -> Option<(usize, usize)> {
    const BYTES_MIN: usize = 8;
    let value = run(text, end, is_space);
    let is_part = |byte: u8| is_word(byte) || matches!(byte, b'+' | b'/' | b'=' | b'~');
    let until = run(text, value, is_part);
    (value > end && until - value >= BYTES_MIN).then_some((value, until))
}

/// `user:password` before the host of an address.
fn user_of_address(text: &str, from: usize) -> Option<(usize, usize)> {
    let until = run(text, from, |byte| {
        !is_space(byte) && !matches!(byte, b'/' | b'@' | b'"')
    });
    let has_both = text[until..].starts_with('@') && text[from..until].contains(':');
    has_both.then_some((from, until))
}

/// Keys that are known by their look.
fn is_key(word: &str) -> bool {
    const KNOWN: &[(&str, usize)] = &[
        ("sk-", 16),
        ("pk-", 16),
        ("rk-", 16),
        ("ghp_", 20),
        ("gho_", 20),
        ("ghu_", 20),
        ("ghs_", 20),
        ("ghr_", 20),
        ("github_pat_", 20),
        ("glpat-", 16),
        ("xoxb-", 10),
        ("xoxp-", 10),
        ("xoxa-", 10),
        // Our own.
        ("nexus_", 32),
        ("AKIA", 16),
        ("AIza", 30),
    ];
    let is_known = KNOWN
        .iter()
        .any(|(start, rest)| word.strip_prefix(start).is_some_and(|key| key.len() >= *rest));
    // A signed token: three parts, the first of which is JSON that begins with `{"`.
    is_known || word.len() > 20 && word.starts_with("eyJ") && word.contains('.')
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The end of the run of bytes from `from` on that `fits`; a character's end, because `fits` tells ASCII bytes apart.
fn run(text: &str, from: usize, fits: impl Fn(u8) -> bool) -> usize {
    let rest = &text.as_bytes()[from..];
    from + rest.iter().position(|byte| !fits(*byte)).unwrap_or(rest.len())
}

fn non_empty(from: usize, to: usize) -> Option<(usize, usize)> {
    (to > from).then_some((from, to))
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
        check(
            "accessToken: abc, refresh_token=def",
            "accessToken: [hidden], refresh_token=[hidden]",
        );
        check("x-api-key => abc", "x-api-key => [hidden]");
        check("token=ä token=ö", "token=[hidden] token=[hidden]");
        check("password=ä password=ö", "password=[hidden]");
        check(
            "passphrase: velvet tractor, ninety\nnext",
            "passphrase: [hidden]\nnext",
        );
        check("client_secret => a b; c", "client_secret => [hidden]");
        check("run --password velvet tractor", "run --password [hidden]");
        check(
            r#"{"password":"velvet \" tractor","user":"me"}"#,
            r#"{"password":"[hidden]","user":"me"}"#,
        );
        check(
            r#"{\"secret\":\"velvet tractor\",\"user\":1}"#,
            r#"{\"secret\":\"[hidden]\",\"user\":1}"#,
        );
        check("password='velvet tractor' user=me", "password='[hidden]' user=me");
        check("GET /enter?ticket=abc123&x=1", "GET /enter?ticket=[hidden]&x=1");
        check(
            "GET /pair?code=0a1b2c HTTP/1.1",
            "GET /pair?code=[hidden] HTTP/1.1",
        );
        assert_eq!(redacted("it ended with code=7"), "it ended with code=7");
        check("/event?auth_token=abc%3D", "/event?auth_token=[hidden]");
        check("apiKey=hunter2, user=me", "apiKey=[hidden], user=me");
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
}
