//! A chunked body, followed to its end.

/// Hex digits of the largest chunk: 4 GiB, far above any limit on bodies.
const SIZE_DIGITS_MAX: u8 = 8;

/// Where in the body the next byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunks {
    Size { size: u64, digits: u8 },
    SizeEnd { size: u64 },
    Data { left: u64 },
    DataEnd,
    DataFeed,
    LastEnd,
    LastFeed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Within,
    Done,
    Broken,
}

impl Default for Chunks {
    fn default() -> Self {
        Self::Size { size: 0, digits: 0 }
    }
}

impl Chunks {
    /// Goes over `bytes`; tells how many belong to the body and are well-formed, and what is after them.
    ///
    /// Extensions and trailers are refused: nobody needs them, and programs differ in reading them.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> (usize, State) {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            if let Self::Data { left } = self {
                let skipped = (bytes.len() - at).min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= skipped as u64;
                at += skipped;
                if *left == 0 {
                    *self = Self::DataEnd;
                }
                continue;
            }
            match self.next(*byte) {
                Some(next) => *self = next,
                None => return (at, State::Broken),
            }
            at += 1;
            if *self == DONE {
                return (at, State::Done);
            }
        }
        (at, State::Within)
    }

    fn next(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Size { size, digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F')
                if digits < SIZE_DIGITS_MAX =>
            {
                let digit = char::from(byte).to_digit(16)?;
                Some(Self::Size {
                    size: size << 4 | u64::from(digit),
                    digits: digits + 1,
                })
            }
            (Self::Size { size, digits: 1.. }, b'\r') => Some(Self::SizeEnd { size }),
            (Self::SizeEnd { size: 0 }, b'\n') => Some(Self::LastEnd),
            (Self::SizeEnd { size }, b'\n') => Some(Self::Data { left: size }),
            (Self::DataEnd, b'\r') => Some(Self::DataFeed),
            (Self::DataFeed, b'\n') => Some(Self::default()),
            (Self::LastEnd, b'\r') => Some(Self::LastFeed),
            (Self::LastFeed, b'\n') => Some(DONE),
            _ => None,
        }
    }
}

/// Not a place of its own: no data is left and nothing ends it.
const DONE: Chunks = Chunks::Data { left: 0 };
