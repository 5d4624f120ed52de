//! How long a peer may take.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep};

use crate::scan::Place;

/// From the first byte of a head, or from the connection's begin, to the head's end.
const HEAD_MAX: Duration = Duration::from_secs(10);

/// Between an answer and the next request.
const IDLE_MAX: Duration = Duration::from_secs(75);

/// Waiting inside a body until [`BODY_BYTES_MIN`] have come: a byte now and then does not keep a connection.
const BODY_WAIT_MAX: Duration = Duration::from_secs(30);

/// See [`BODY_WAIT_MAX`].
const BODY_BYTES_MIN: usize = 1024;

/// How long a reader may take nothing of what is written, once the system has taken what it takes.
const WRITE_WAIT_MAX: Duration = Duration::from_secs(20);

/// One timer that is moved only when it fires: requests that come in time never touch it.
#[derive(Default)]
struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    fn poll(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        let sleep = self
            .0
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        if sleep.deadline() > at || sleep.is_elapsed() {
            sleep.as_mut().reset(at);
        }
        loop {
            ready!(sleep.as_mut().poll(cx));
            if Instant::now() >= at {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(at);
        }
    }
}

/// The waits of a reading side.
#[derive(Default)]
pub(super) struct ReadClock {
    alarm: Alarm,
    /// When the wait at hand began; `None` while bytes come.
    waiting_since: Option<Instant>,
    head_since: Option<Instant>,
    had_request: bool,
    body_waited: Duration,
    body_bytes: usize,
}

impl ReadClock {
    pub(super) fn received(&mut self) {
        if let Some(since) = self.waiting_since.take() {
            self.body_waited += since.elapsed();
        }
    }

    /// `count` bytes of what was at `place` have passed.
    pub(super) fn passed(&mut self, count: usize, place: Place) {
        self.head_since = None;
        match place {
            Place::Head => {
                self.had_request = true;
                self.body_bytes = 0;
                self.body_waited = Duration::ZERO;
            }
            Place::Body => {
                self.body_bytes += count;
                if self.body_bytes >= BODY_BYTES_MIN {
                    self.body_bytes = 0;
                    self.body_waited = Duration::ZERO;
                }
            }
            Place::Elsewhere => {}
        }
    }

    /// Ready when the peer has had its time. While an answer is on its way nothing is expected of it.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        place: Place,
        has_begun: bool,
        is_answering: bool,
    ) -> Poll<()> {
        let is_expected = match place {
            Place::Head => has_begun || !is_answering,
            Place::Body => true,
            Place::Elsewhere => false,
        };
        if !is_expected {
            self.waiting_since = None;
            return Poll::Pending;
        }
        let now = Instant::now();
        let since = *self.waiting_since.get_or_insert(now);
        let at = match place {
            Place::Body => since + BODY_WAIT_MAX.saturating_sub(self.body_waited),
            Place::Head | Place::Elsewhere if has_begun || !self.had_request => {
                *self.head_since.get_or_insert(now) + HEAD_MAX
            }
            Place::Head | Place::Elsewhere => since + IDLE_MAX,
        };
        self.alarm.poll(cx, at)
    }
}

/// The wait of a writing side.
#[derive(Default)]
pub(super) struct WriteClock {
    alarm: Alarm,
    waiting_since: Option<Instant>,
}

impl WriteClock {
    pub(super) fn judge(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.waiting_since = None;
            return written;
        }
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        ready!(self.alarm.poll(cx, since + WRITE_WAIT_MAX));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}
