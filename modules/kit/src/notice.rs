//! What the user should hear of.

use tokio::sync::mpsc;

use crate::Action;

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
    /// What can be answered on the spot, where the desktop shows buttons. At most two.
    pub answers: Vec<Answer>,
    /// How it is told to devices away from this machine; `None` for what stays here.
    pub away: Option<Away>,
}

/// What a notice is away from the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Away {
    /// What may be read by whoever sees the device: no word of a conversation. E.g. `"A session waits for you"`.
    pub brief: &'static str,
    /// The project folder it concerns; only told where its owner lets that folder be seen from outside.
    pub folder: Option<String>,
    /// Whose devices hear of it.
    pub audience: Audience,
}

/// Which of the devices away from this machine hear of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Those that reach this machine where it is.
    Here,
    /// Those that reached it where it is no more, when its owner wants them to be sent after it.
    Moved,
}

/// A button of a notice. Pressing it late must be harmless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// A verb, e.g. `"Allow once"`.
    pub label: &'static str,
    /// It allows what the notice asks: to be offered only where all of that is read.
    pub is_grant: bool,
    /// What it does.
    pub action: Action,
}

/// What modules hand over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Something to tell.
    Notice(Notice),
    /// What was told under this key is settled: it need not be read any more, and its bubble goes.
    Settled(String),
}

/// Where modules put notices. Never waits.
#[derive(Debug, Clone)]
pub struct NoticeSender(mpsc::Sender<Told>);

impl NoticeSender {
    /// A sender and the end that is read by whoever decides what is shown.
    pub fn channel() -> (Self, mpsc::Receiver<Told>) {
        let (sender, receiver) = mpsc::channel(NOTICES_MAX);
        (Self(sender), receiver)
    }

    /// Hands a notice over. One that finds the queue full, or nobody listening, goes to the log only.
    pub fn send(&self, notice: Notice) {
        tracing::info!(kind = ?notice.kind, key = notice.key, "{}: {}", notice.title, notice.body);
        self.hand_over(Told::Notice(notice));
    }

    /// Takes back what was told under `key`: it was answered, or is no longer true. Harmless when nothing was.
    pub fn settle(&self, key: &str) {
        self.hand_over(Told::Settled(key.to_owned()));
    }

    fn hand_over(&self, told: Told) {
        if let Err(error) = self.0.try_send(told) {
            tracing::debug!(%error, "a notice was not shown");
        }
    }
}
