//! One request head, read as strictly as RFC 9112 allows.

use axum::http::uri::PathAndQuery;

use super::Refusal;
use crate::path::TARGET_BYTES_MAX;

/// Longest head: request line, fields and the empty line.
pub const HEAD_BYTES_MAX: usize = 32 * 1024;

/// Most header fields.
pub const HEADERS_MAX: usize = 100;

/// Longest method we know (`OPTIONS`) with room; a longer one is no method.
const METHOD_BYTES_MAX: usize = 20;

/// Digits of the longest length: 19 always fit 64 bits.
const LENGTH_DIGITS_MAX: usize = 19;

pub(super) enum Look {
    More,
    Complete { length: usize, framing: Framing },
    Refuse(Refusal),
}

/// How the end of the body is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    None,
    Length(u64),
    Chunked,
    /// No body, and the connection may become something else.
    Upgrade,
}

/// Looks for a complete head at the beginning of `bytes`. `searched` says how much was looked at before, so that a
/// head that arrives byte by byte costs no more than one that arrives at once.
pub(super) fn look(bytes: &[u8], searched: &mut usize) -> Look {
    while let Some(found) = memchr::memchr(b'\n', &bytes[*searched..]) {
        let end = *searched + found;
        // A line feed alone ends a line for some programs and not for others.
        if end == 0 || bytes[end - 1] != b'\r' {
            return Look::Refuse(Refusal::Ambiguous);
        }
        *searched = end + 1;
        let is_empty_line = end == 1 || bytes[end - 2] == b'\n';
        if is_empty_line {
            if *searched > HEAD_BYTES_MAX + TARGET_BYTES_MAX {
                return Look::Refuse(Refusal::LargeHead);
            }
            return match judge(&bytes[..*searched]) {
                Ok(framing) => Look::Complete {
                    length: *searched,
                    framing,
                },
                Err(refusal) => Look::Refuse(refusal),
            };
        }
    }
    *searched = bytes.len();
    match unfinished(bytes) {
        Some(refusal) => Look::Refuse(refusal),
        None => Look::More,
    }
}

/// What is wrong with a head already, before its end is there.
fn unfinished(bytes: &[u8]) -> Option<Refusal> {
    match memchr::memchr(b'\n', bytes) {
        None if bytes.len() > TARGET_BYTES_MAX + METHOD_BYTES_MAX + 16 => Some(Refusal::LongTarget),
        None => None,
        Some(line) => {
            if let Err(refusal) = request_line(&bytes[..line - 1]) {
                return Some(refusal);
            }
            (bytes.len() - line > HEAD_BYTES_MAX).then_some(Refusal::LargeHead)
        }
    }
}

#[derive(Default)]
struct Fields {
    count: usize,
    hosts: usize,
    length: Option<u64>,
    is_chunked: bool,
    asks_upgrade: bool,
}

/// `head` ends with an empty line and every line in it with CR LF.
fn judge(head: &[u8]) -> Result<Framing, Refusal> {
    let mut rest = head;
    let line = next_line(&mut rest);
    let is_1_1 = request_line(line)?;
    if rest.len() > HEAD_BYTES_MAX {
        return Err(Refusal::LargeHead);
    }
    let mut fields = Fields::default();
    loop {
        let line = next_line(&mut rest);
        if line.is_empty() {
            break;
        }
        field(line, &mut fields)?;
    }
    if fields.count > HEADERS_MAX {
        return Err(Refusal::LargeHead);
    }
    if fields.hosts != 1 {
        return Err(Refusal::Ambiguous);
    }
    match (fields.length, fields.is_chunked) {
        (Some(_), true) => Err(Refusal::Ambiguous),
        (None, true) if !is_1_1 => Err(Refusal::Ambiguous),
        (Some(1..), false) | (None, true) if fields.asks_upgrade => Err(Refusal::Ambiguous),
        (None, true) => Ok(Framing::Chunked),
        (None | Some(0), false) if fields.asks_upgrade => Ok(Framing::Upgrade),
        (Some(length), false) => Ok(Framing::Length(length)),
        (None, false) => Ok(Framing::None),
    }
}

/// The next line without its CR LF.
fn next_line<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
    let line = &rest[..end.saturating_sub(1)];
    *rest = rest.get(end + 1..).unwrap_or_default();
    line
}

/// Checks `METHOD SP /target SP HTTP/1.x`; tells whether it is HTTP/1.1.
fn request_line(line: &[u8]) -> Result<bool, Refusal> {
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Refusal::Ambiguous);
    };
    if method.is_empty() || method.len() > METHOD_BYTES_MAX || !method.iter().all(|byte| is_token(*byte)) {
        return Err(Refusal::Ambiguous);
    }
    if matches!(method, b"CONNECT" | b"TRACE") {
        return Err(Refusal::Method);
    }
    if target.len() > TARGET_BYTES_MAX {
        return Err(Refusal::LongTarget);
    }
    if !is_address(target) {
        return Err(Refusal::Ambiguous);
    }
    match version {
        b"HTTP/1.1" => Ok(true),
        b"HTTP/1.0" => Ok(false),
        _ => Err(Refusal::Ambiguous),
    }
}

/// Whether it is an address in the origin form, and will be read as just what it says. An absolute one would name another
/// host than the one that is checked; the server would cut a fragment off, and refuse other letters in its own words.
fn is_address(target: &[u8]) -> bool {
    target.starts_with(b"/")
        && target.iter().all(u8::is_ascii_graphic)
        && PathAndQuery::try_from(target).is_ok_and(|read| read.as_str().len() == target.len())
}

fn field(line: &[u8], fields: &mut Fields) -> Result<(), Refusal> {
    let colon = memchr::memchr(b':', line).ok_or(Refusal::Ambiguous)?;
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    // Also refuses folded lines and a space before the colon: a space is no token.
    if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) || !value.iter().all(|byte| is_text(*byte))
    {
        return Err(Refusal::Ambiguous);
    }
    fields.count += 1;
    if name.eq_ignore_ascii_case(b"content-length") {
        let is_first = fields.length.is_none();
        fields.length = Some(length(value).filter(|_| is_first).ok_or(Refusal::Ambiguous)?);
    } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
        if fields.is_chunked || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(Refusal::Ambiguous);
        }
        fields.is_chunked = true;
    } else if name.eq_ignore_ascii_case(b"host") {
        fields.hosts += 1;
    } else if name.eq_ignore_ascii_case(b"upgrade") {
        fields.asks_upgrade = true;
    }
    Ok(())
}

fn length(value: &[u8]) -> Option<u64> {
    let is_number =
        !value.is_empty() && value.len() <= LENGTH_DIGITS_MAX && value.iter().all(u8::is_ascii_digit);
    is_number.then(|| {
        value
            .iter()
            .fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'))
    })
}

fn is_token(byte: u8) -> bool {
    const TOKEN: [bool; 256] = token_table();
    TOKEN[usize::from(byte)]
}

const fn token_table() -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128_u8 {
        table[byte as usize] = byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'!' | b'#'
                    | b'$'
                    | b'%'
                    | b'&'
                    | b'\''
                    | b'*'
                    | b'+'
                    | b'-'
                    | b'.'
                    | b'^'
                    | b'_'
                    | b'`'
                    | b'|'
                    | b'~'
            );
        byte += 1;
    }
    table
}

/// Visible characters, space, tab, and what is beyond ASCII.
fn is_text(byte: u8) -> bool {
    byte >= b' ' && byte != 0x7f || byte == b'\t'
}
