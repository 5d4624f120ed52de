//! What the user should hear of.

use tokio::sync::mpsc;

/// Notices that wait to be shown at most; further ones are dropped and logged, never waited for.
pub const NOTICES_MAX: usize = 64;

/// What a notice is about. Preferences switch each kind on or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NoticeKind {
    /// A permission or a question waits for an answer.
    Waiting,
    /// A session is done or has failed.
    Session,
    /// The server went down, came back or was given up.
    Server,
    /// Remote access changed.
    Tunnel,
    /// Somebody logged in, or a credential changed.
    Login,
    /// A newer version is there.
    Update,
    /// Something about this installation, e.g. a settings file that could not be read.
    Agent,
}

/// One thing to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What it is about.
    pub kind: NoticeKind,
    /// Notices with one key replace each other, so that an outage and its end are one bubble. E.g. `"opencode"`.
    pub key: String,
    /// A few words, e.g. `"opencode is restarting"`.
    pub title: String,
    /// Full sentences: what happened, what the program does, what the person can do.
    pub body: String,
    /// The page a click opens, e.g. `/dashboard`.
    pub page: String,
}

/// Where modules put notices. Never waits.
#[derive(Debug, Clone)]
pub struct NoticeSender(mpsc::Sender<Notice>);

impl NoticeSender {
    /// A sender and the end the desktop reads from.
    pub fn channel() -> (Self, mpsc::Receiver<Notice>) {
        let (sender, receiver) = mpsc::channel(NOTICES_MAX);
        (Self(sender), receiver)
    }

    /// Hands a notice over. One that finds the queue full, or nobody listening, goes to the log only.
    pub fn send(&self, notice: Notice) {
        tracing::info!(kind = ?notice.kind, key = notice.key, "{}: {}", notice.title, notice.body);
        if let Err(error) = self.0.try_send(notice) {
            tracing::debug!(%error, "a notice was not shown");
        }
    }
}
