//! What children say and how they ended, handed to the parts that keep it.

use std::sync::Arc;

use kit::{Module as _, Secret};
use logs::Capture;
use opencode::Opencode;

/// Keeps the secrets of children's runs out of every log.
pub(super) fn hide(capture: &Capture) -> Box<dyn Fn(Secret) + Send + Sync> {
    let capture = capture.clone();
    Box::new(move |secret| capture.hide(secret))
}

/// Takes secrets out of what is kept elsewhere than in a log.
pub(super) fn clean(capture: &Capture) -> opencode::Clean {
    let capture = capture.clone();
    Arc::new(move |text| capture.clean(text))
}

/// Puts what a child prints into its log.
pub(super) struct Output(pub(super) &'static str, pub(super) logs::LogSink);

impl supervisor::Sink for Output {
    fn line(&self, stream: supervisor::Stream, line: &str) {
        let stream = match stream {
            supervisor::Stream::Out => logs::Stream::Out,
            supervisor::Stream::Error => logs::Stream::Err,
        };
        self.1.line(self.0, stream, line);
    }

    fn dropped(&self, lines: u64, bytes: u64) {
        let role = self.0;
        tracing::warn!(
            role,
            lines,
            bytes,
            "it prints faster than is kept: lines were dropped"
        );
    }
}

/// Lines of its output the chat shows of a server that is down.
const LAST_LINES: usize = 12;

/// The server for the chat, which says why it is down and has it started anew.
pub(super) fn server(opencode: &Arc<Opencode>, capture: &Capture) -> chat::Server {
    let (talking, capture) = (Arc::clone(opencode), capture.clone());
    let revived = Arc::clone(opencode);
    chat::Server {
        status: opencode.status(),
        last_lines: Arc::new(move || {
            let lines = talking.output_tail(LAST_LINES);
            lines.iter().map(|line| capture.clean(line)).collect()
        }),
        revive: Arc::new(move || {
            let opencode = Arc::clone(&revived);
            Box::pin(async move { opencode.revive().await })
        }),
    }
}

/// The server's history for its page.
pub(super) fn history(opencode: &Arc<Opencode>) -> dashboard::ReadHistory {
    let opencode = Arc::clone(opencode);
    Arc::new(move || {
        let opencode = Arc::clone(&opencode);
        Box::pin(async move {
            let ends = opencode.history().await;
            let ends = ends.map_err(|error| format!("The history cannot be read: {error:#}."))?;
            Ok(ends.into_iter().map(ended).collect())
        })
    })
}

fn ended(past: opencode::Past) -> dashboard::Ended {
    let how = match past.exit {
        supervisor::Exit::Code(code) => format!("exit code {code}"),
        supervisor::Exit::Signal(signal) => format!("signal {signal}"),
        supervisor::Exit::Unknown => String::new(),
    };
    dashboard::Ended {
        at: past.at,
        cause: opencode::sentence(&past.cause),
        how,
        last_output: past.last_output,
        ran_for: past.ran_for,
        away_for: past.away_for,
    }
}
