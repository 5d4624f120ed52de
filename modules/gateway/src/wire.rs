//! A connection as hyper sees it: only what the scanner lets pass, and nothing that takes forever.

mod limits;
mod refusal;

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use kit::Listener;

use crate::scan::{Place, Refusal, Scanner, Step};
use limits::{ReadClock, WriteClock};
use refusal::Farewell;

/// What is asked of a slow sender at a time while its head is incomplete.
const READ_BYTES: usize = 8 * 1024;

/// What a connection and the requests on it tell each other.
#[derive(Debug, Default)]
pub(crate) struct Talk {
    /// Requests that passed and are not answered to the end.
    open: AtomicUsize,
    /// The last one turned the connection into something else.
    is_upgraded: AtomicBool,
    /// A request on it was made in a session.
    had_session: AtomicBool,
}

impl Talk {
    pub(crate) fn upgraded(&self) {
        self.is_upgraded.store(true, Ordering::Release);
    }

    pub(crate) fn in_session(&self) {
        self.had_session.store(true, Ordering::Release);
    }

    pub(crate) fn had_session(&self) -> bool {
        self.had_session.load(Ordering::Acquire)
    }

    /// Whether no request is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.open.load(Ordering::Acquire) == 0
    }
}

/// Lives as long as the answer to a request is on its way.
pub(crate) struct Answering(Arc<Talk>);

impl Answering {
    pub(crate) fn new(talk: &Arc<Talk>) -> Self {
        Self(Arc::clone(talk))
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        // Saturating, because hyper itself answers some requests (e.g. with 400) without asking us.
        let fewer = |open: usize| open.checked_sub(1);
        self.0
            .open
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, fewer)
            .ok();
    }
}

/// See the module.
pub(crate) struct Wire<S> {
    stream: S,
    talk: Arc<Talk>,
    scanner: Scanner,
    /// Read and not passed on: an incomplete head, or what follows a handshake. The first `cleared` bytes may pass.
    held: BytesMut,
    cleared: usize,
    /// Everything in `held` was looked at and more is needed.
    is_starved: bool,
    refused: Option<(Refusal, Place)>,
    reading: ReadClock,
    writing: WriteClock,
    farewell: Farewell,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(crate) fn new(stream: S, listener: Listener, talk: Arc<Talk>) -> Self {
        Self {
            stream,
            talk,
            scanner: Scanner::default(),
            held: BytesMut::new(),
            cleared: 0,
            is_starved: false,
            refused: None,
            reading: ReadClock::default(),
            writing: WriteClock::default(),
            farewell: Farewell::of(listener),
        }
    }

    fn is_answering(&self) -> bool {
        !self.talk.is_idle()
    }

    /// Lets the scanner judge `bytes` from `passed` on; gives where it stopped.
    fn judge(&mut self, bytes: &[u8], mut passed: usize) -> usize {
        while passed < bytes.len() {
            let before = self.scanner.place();
            match self.scanner.advance(&bytes[passed..]) {
                Step::Pass(count) => {
                    if before == Place::Head {
                        self.talk.open.fetch_add(1, Ordering::AcqRel);
                    }
                    passed += count;
                    self.reading.passed(count, before);
                }
                Step::More | Step::Handshake => {
                    self.is_starved = true;
                    break;
                }
                Step::Refuse(refusal) => {
                    self.refused = Some((refusal, before));
                    break;
                }
            }
        }
        passed
    }

    /// Reads into hyper's buffer and takes back what may not pass yet.
    fn read_through(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<Fill>> {
        let before = buffer.filled().len();
        if let Poll::Ready(outcome) = Pin::new(&mut self.stream).poll_read(cx, buffer) {
            outcome?;
        } else {
            ready!(self.poll_patience(cx))?;
            return Poll::Ready(Ok(Fill::End));
        }
        let filled = buffer.filled().len();
        if filled == before {
            return Poll::Ready(Ok(Fill::End));
        }
        self.reading.received();
        if self.scanner.is_opaque() {
            return Poll::Ready(Ok(Fill::Passed));
        }
        let fresh = &buffer.filled()[before..];
        let passed = self.judge(fresh, 0);
        if passed < fresh.len() && self.refused.is_none() {
            self.held.extend_from_slice(&fresh[passed..]);
        }
        buffer.set_filled(before + passed);
        Poll::Ready(Ok(if passed > 0 { Fill::Passed } else { Fill::Nothing }))
    }

    /// Reads more of a head that began in an earlier read.
    fn read_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Fill>> {
        let mut space = [std::mem::MaybeUninit::<u8>::uninit(); READ_BYTES];
        let mut buffer = ReadBuf::uninit(&mut space);
        if let Poll::Ready(outcome) = Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
            outcome?;
        } else {
            ready!(self.poll_patience(cx))?;
            return Poll::Ready(Ok(Fill::End));
        }
        if buffer.filled().is_empty() {
            return Poll::Ready(Ok(Fill::End));
        }
        self.reading.received();
        self.held.extend_from_slice(buffer.filled());
        self.is_starved = false;
        Poll::Ready(Ok(Fill::Nothing))
    }

    /// Pending while the peer may still take its time; ready when the connection is to end.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let place = self.scanner.place();
        let has_begun = !self.held.is_empty();
        let is_answering = self.is_answering();
        ready!(self.reading.poll(cx, place, has_begun, is_answering));
        match place {
            // Inside a body an end without a reason would look like the peer's.
            Place::Body => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Place::Head | Place::Elsewhere => Poll::Ready(Ok(())),
        }
    }
}

enum Fill {
    Passed,
    Nothing,
    End,
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.cleared > 0 {
                let count = this.cleared.min(buffer.remaining());
                buffer.put_slice(&this.held[..count]);
                this.held.advance(count);
                this.cleared -= count;
                return Poll::Ready(Ok(()));
            }
            if let Some((_, place)) = this.refused {
                // Earlier requests get their answers first; hyper asks again when it has written them.
                if place != Place::Body && this.is_answering() {
                    return Poll::Pending;
                }
                return Poll::Ready(Ok(()));
            }
            if this.scanner.place() == Place::Elsewhere && !this.scanner.is_opaque() {
                if this.talk.is_upgraded.load(Ordering::Acquire) {
                    this.scanner.handshake_done(true);
                } else if !this.is_answering() {
                    this.scanner.handshake_done(false);
                } else {
                    return Poll::Pending;
                }
                this.is_starved = false;
            }
            if !this.held.is_empty() && !this.is_starved {
                let held = std::mem::take(&mut this.held);
                this.cleared = this.judge(&held, 0);
                this.held = held;
                continue;
            }
            let fill = if this.held.is_empty() {
                ready!(this.read_through(cx, buffer))?
            } else {
                ready!(this.read_more(cx))?
            };
            match fill {
                Fill::Passed | Fill::End => return Poll::Ready(Ok(())),
                Fill::Nothing => {}
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.writing.judge(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.writing.judge(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let refusal = this.refused.filter(|(_, place)| *place != Place::Body);
        let is_sending = this.refused.is_some() || this.scanner.place() == Place::Body;
        this.farewell.poll(
            cx,
            &mut this.stream,
            refusal.map(|(refusal, _)| refusal),
            is_sending,
        )
    }
}

#[cfg(test)]
mod tests;
