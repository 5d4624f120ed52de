//! Server-sent events, as far as they carry data: <https://html.spec.whatwg.org/multipage/server-sent-events.html>.

use memchr::memchr2;

/// Largest event that is kept. A prompt with a 10 MiB picture comes back as 14 MB of text.
pub(super) const EVENT_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Cuts a byte stream into events. Where the chunks begin and end makes no difference.
#[derive(Debug)]
pub(super) struct Sse {
    bytes_max: usize,
    line: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    is_too_large: bool,
    /// The last byte was CR: an LF that follows belongs to it.
    ends_with_cr: bool,
    is_at_start: bool,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// The data of one event, lines joined by LF.
    Data(String),
    /// An event larger than allowed was left out.
    TooLarge,
}

impl Sse {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            line: Vec::new(),
            data: Vec::new(),
            has_data: false,
            is_too_large: false,
            ends_with_cr: false,
            is_at_start: true,
        }
    }

    /// Takes the next bytes and gives each event they complete to `found`.
    pub(super) fn push(&mut self, mut chunk: &[u8], mut found: impl FnMut(Found)) {
        if self.ends_with_cr && !chunk.is_empty() {
            self.ends_with_cr = false;
            chunk = chunk.strip_prefix(b"\n").unwrap_or(chunk);
        }
        while let Some(end) = memchr2(b'\n', b'\r', chunk) {
            let (line, rest) = chunk.split_at(end);
            self.keep(line);
            self.end_of_line(&mut found);
            chunk = match rest {
                [b'\r', b'\n', rest @ ..] => rest,
                [b'\r'] => {
                    self.ends_with_cr = true;
                    &[]
                }
                [_, rest @ ..] => rest,
                [] => &[],
            };
        }
        self.keep(chunk);
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.line.len() + self.data.len() + bytes.len() > self.bytes_max {
            self.is_too_large = true;
            // Not kept, but the line must not look empty: an empty line would end the event.
            self.line.clear();
            self.line.push(b':');
            self.data = Vec::new();
        } else {
            self.line.extend_from_slice(bytes);
        }
    }

    fn end_of_line(&mut self, found: &mut impl FnMut(Found)) {
        if std::mem::take(&mut self.is_at_start) && self.line.starts_with(b"\xef\xbb\xbf") {
            self.line.drain(..3);
        }
        if self.line.is_empty() {
            let data = std::mem::take(&mut self.data);
            let has_data = std::mem::take(&mut self.has_data);
            if std::mem::take(&mut self.is_too_large) {
                found(Found::TooLarge);
            } else if has_data {
                found(Found::Data(text(data)));
            }
            return;
        }
        if let Some(value) = value_of_data(&self.line) {
            if self.has_data {
                self.data.push(b'\n');
            }
            self.data.extend_from_slice(value);
            self.has_data = true;
        }
        self.line.clear();
    }
}

/// The value of a `data` line; `None` for comments and other fields.
fn value_of_data(line: &[u8]) -> Option<&[u8]> {
    match line.strip_prefix(b"data")? {
        [] => Some(&[]),
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        [..] => None,
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn events(bytes_max: usize, chunks: &[&[u8]]) -> Vec<Found> {
        let mut sse = Sse::new(bytes_max);
        let mut found = Vec::new();
        for chunk in chunks {
            sse.push(chunk, |event| found.push(event));
        }
        found
    }

    fn data(text: &str) -> Found {
        Found::Data(text.to_owned())
    }

    #[test]
    fn fields_comments_and_line_ends_are_read_as_the_standard_says() {
        let check = |stream: &str, expected: &[Found]| {
            assert_eq!(events(1000, &[stream.as_bytes()]), expected, "{stream:?}");
        };
        check("data: a\n\n", &[data("a")]);
        check("data:a\r\rdata: b\r\n\r\n", &[data("a"), data("b")]);
        check("\u{feff}data: a\n\n", &[data("a")]);
        check(
            ": comment\nid: 1\nevent: x\nretry: 5\ndata: a\ndata\ndata:  b\ndatum: c\n\n",
            &[data("a\n\n b")],
        );
        check("data: unfinished\n", &[]);
        check("\n\n\nevent: x\n\n", &[]);
    }

    #[test]
    fn an_event_that_is_too_large_is_left_out_and_said() {
        let large = format!("data: {}\n\ndata: b\n\n", "x".repeat(50));

        assert_eq!(events(20, &[large.as_bytes()]), [Found::TooLarge, data("b")]);
    }

    #[test]
    fn many_small_lines_cannot_grow_an_event_without_end() {
        let large = format!("{}\ndata: b\n\n", "data: x\n".repeat(50));

        assert_eq!(events(20, &[large.as_bytes()]), [Found::TooLarge, data("b")]);
    }

    proptest! {
        #[test]
        fn the_cuts_between_chunks_make_no_difference(
            stream in "(data: ?[a-zé\u{1f600}]{0,6}|:x|data|id: 1|)?((\r\n|\n|\r)(data: ?[a-zé\u{1f600}]{0,6}|:x|data|)){0,12}",
            cuts in proptest::collection::vec(0usize..200, 0..8),
        ) {
            let bytes = stream.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();

            prop_assert_eq!(events(20, &chunks), events(20, &[bytes]));
        }

        #[test]
        fn no_bytes_make_it_panic_or_keep_more_than_allowed(chunks in proptest::collection::vec(any::<Vec<u8>>(), 0..8)) {
            let mut sse = Sse::new(16);
            for chunk in &chunks {
                sse.push(chunk, |event| if let Found::Data(text) = event { assert!(text.chars().count() <= 16) });
            }
            prop_assert!(sse.line.len() + sse.data.len() <= 17);
        }
    }
}
