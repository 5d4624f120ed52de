//! Looks at the raw bytes of a connection before hyper does, and lets only unambiguous requests pass.
//!
//! RFC 9112 leaves room for requests that two programs cut at different places (two lengths, a length beside chunks,
//! bare line feeds). hyper accepts some of them. The scanner knows every head because it follows every body to its
//! end, and refuses whatever could be read in two ways. It copies nothing: it answers how many of the bytes at hand
//! may pass.

mod chunks;
mod head;

use chunks::Chunks;
use head::{Framing, Look};
pub use head::{HEAD_BYTES_MAX, HEADERS_MAX};

/// Follows one connection.
#[derive(Debug)]
pub struct Scanner {
    at: At,
}

#[derive(Debug)]
enum At {
    Head { searched: usize },
    Body { left: u64 },
    Chunks(Chunks),
    Handshake,
    Opaque,
    Refused,
}

/// What may be done with the bytes at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// This many of them are fine; at least one.
    Pass(usize),
    /// They are the beginning of a head: nothing passes before the rest is there.
    More,
    /// A head that asks for another protocol has passed: nothing passes before the answer to it is known.
    Handshake,
    /// They can be read in two ways, or break a limit: nothing passes any more.
    Refuse(Refusal),
}

/// Why a request is refused before it is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Its bounds or its form are not beyond doubt.
    Ambiguous,
    /// `TRACE` or `CONNECT`.
    Method,
    /// Its address is longer than [`crate::path::TARGET_BYTES_MAX`].
    LongTarget,
    /// Its head is longer than [`HEAD_BYTES_MAX`] or has more than [`HEADERS_MAX`] fields.
    LargeHead,
}

/// What kind of wait a connection is in, for its time limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Before a head, or inside one.
    Head,
    /// Inside a body.
    Body,
    /// Everything else: the peer is not expected to send.
    Elsewhere,
}

impl Default for Scanner {
    fn default() -> Self {
        Self {
            at: At::Head { searched: 0 },
        }
    }
}

impl Scanner {
    /// Judges `bytes`, which follow directly on what has passed. Called again with what is left after each `Pass`, and
    /// with more of the same bytes after `More`.
    pub fn advance(&mut self, bytes: &[u8]) -> Step {
        match &mut self.at {
            At::Opaque => Step::Pass(bytes.len()),
            At::Handshake => Step::Handshake,
            At::Refused => Step::Refuse(Refusal::Ambiguous),
            At::Body { left } => {
                let passed = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= passed as u64;
                if *left == 0 {
                    self.at = At::Head { searched: 0 };
                }
                Step::Pass(passed)
            }
            At::Chunks(chunks) => {
                let (passed, state) = chunks.advance(bytes);
                match state {
                    chunks::State::Within => {}
                    chunks::State::Done => self.at = At::Head { searched: 0 },
                    chunks::State::Broken => self.at = At::Refused,
                }
                if passed == 0 {
                    self.refuse(Refusal::Ambiguous)
                } else {
                    Step::Pass(passed)
                }
            }
            At::Head { searched } => match head::look(bytes, searched) {
                Look::More => Step::More,
                Look::Refuse(refusal) => self.refuse(refusal),
                Look::Complete { length, framing } => {
                    self.at = match framing {
                        Framing::None | Framing::Length(0) => At::Head { searched: 0 },
                        Framing::Length(left) => At::Body { left },
                        Framing::Chunked => At::Chunks(Chunks::default()),
                        Framing::Upgrade => At::Handshake,
                    };
                    Step::Pass(length)
                }
            },
        }
    }

    fn refuse(&mut self, refusal: Refusal) -> Step {
        self.at = At::Refused;
        Step::Refuse(refusal)
    }

    /// The handshake was answered: with another protocol, whose bytes are not ours to judge, or with a plain answer.
    pub fn handshake_done(&mut self, is_upgraded: bool) {
        self.at = if is_upgraded {
            At::Opaque
        } else {
            At::Head { searched: 0 }
        };
    }

    /// Where the connection is.
    pub fn place(&self) -> Place {
        match self.at {
            At::Head { .. } => Place::Head,
            At::Body { .. } | At::Chunks(_) => Place::Body,
            At::Handshake | At::Opaque | At::Refused => Place::Elsewhere,
        }
    }

    /// Whether the next byte begins a head: how to tell, after `Pass`, that it was a head or the end of a body.
    pub(crate) fn is_opaque(&self) -> bool {
        matches!(self.at, At::Opaque)
    }
}

#[cfg(test)]
mod tests;
