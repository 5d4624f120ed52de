//! The socket other processes of the same user talk to the agent over.
//!
//! One JSON object per line: a [`Request`] in, an [`Answer`] out (for [`Request::Watch`] one answer per change). The
//! socket lies in the private `run` folder, so only its owner can connect, and either side checks who the other is.
//! Processes that the agent's children started belong to the same user too: they may look, but nothing that acts or
//! lets them in as their owner is done for them, see [`peer`].

pub mod client;
pub mod instance;
pub mod peer;
mod plainly;
pub mod server;
mod socket;

use kit::{Secret, text::sentence};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use client::Client;
pub use instance::Instance;

/// Longest line in either direction.
pub const LINE_BYTES_MAX: usize = 1024 * 1024;

/// What can be asked of the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Request {
    /// The object of `nexus status --json`.
    Status,
    /// The same object now and after every change, until the asking side hangs up.
    Watch,
    /// Shows a page in its window; without one, the page a start shows.
    Show {
        /// `"chat"`, `"dashboard"`, `"onboarding"` or a path such as `/chat/ses_1`.
        page: Option<String>,
    },
    /// A link that enters once, for a browser.
    Link {
        /// As in `Show`.
        page: Option<String>,
    },
    /// Asks something of a module.
    Call {
        /// The module's id.
        module: String,
        /// One of its verbs.
        verb: String,
        /// The verb's arguments.
        args: Vec<String>,
        /// Whether to answer only when the module's state has settled.
        wait: bool,
    },
    /// Reads or changes settings.
    Settings(SettingsAct),
    /// Sets the owner's password and ends all sessions.
    PasswordSet {
        /// The new one.
        #[serde(with = "plainly")]
        password: Secret,
    },
    /// Reads or changes what is stored in the keyring.
    Secret(SecretAct),
    /// Reads or changes who is logged in.
    Devices(DevicesAct),
    /// Ends the agent and everything it started.
    Quit {
        /// Whether to ask back while sessions are busy.
        now: bool,
    },
}

impl Request {
    /// Whether only the owner may ask it: it acts, or it lets whoever asks in. The others may look.
    ///
    /// Written without a wildcard: a new request has to be judged here.
    pub fn needs_owner(&self) -> bool {
        match self {
            Self::Status | Self::Watch => false,
            // The one verb that every module means the same by, and that changes nothing.
            Self::Call { verb, .. } => verb != "status",
            // A window that is shown enters with a ticket.
            Self::Show { .. }
            | Self::Quit { .. }
            | Self::Link { .. }
            | Self::Settings(_)
            | Self::PasswordSet { .. }
            | Self::Secret(_)
            | Self::Devices(_) => true,
        }
    }
}

/// What can be asked of the settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum SettingsAct {
    /// All settings with the values in force.
    List,
    /// One setting as TOML.
    Get {
        /// E.g. `"opencode.port"`.
        key: String,
    },
    /// Changes one setting.
    Set {
        /// E.g. `"opencode.port"`.
        key: String,
        /// As in TOML; a bare word is text.
        value: String,
    },
    /// Puts one setting back to its default.
    Reset {
        /// E.g. `"opencode.port"`.
        key: String,
    },
}

/// What can be asked of the store of secrets. There is no way to read one back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum SecretAct {
    /// Names of the stored secrets.
    List,
    /// Stores a secret.
    Set {
        /// E.g. `"tunnel-token"`.
        name: String,
        /// Its text.
        #[serde(with = "plainly")]
        value: Secret,
    },
    /// Forgets a secret.
    Delete {
        /// Its name.
        name: String,
    },
}

/// What can be asked about who is logged in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum DevicesAct {
    /// Everybody who is logged in.
    List,
    /// Makes a bearer token for scripts on this machine.
    Token {
        /// What it is for.
        name: String,
    },
    /// Makes a code that lets one device in from outside.
    Pair,
    /// Every passkey.
    Passkeys,
    /// Does something about the second factor.
    Totp(TotpAct),
    /// Allows logging in from outside again.
    Unlock,
    /// Logs one session out or removes one passkey, or all.
    Revoke {
        /// The session or the passkey; all when absent.
        id: Option<String>,
    },
}

/// What can be asked about the second factor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum TotpAct {
    /// Whether it is on.
    Status,
    /// A secret for an app.
    Offer,
    /// Switches it on.
    Confirm {
        /// A code of the app.
        #[serde(with = "plainly")]
        code: Secret,
    },
    /// Makes new recovery codes.
    Codes,
    /// Switches it off.
    Off,
}

/// What the agent says to a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It was done.
    Ok(Value),
    /// It was not.
    Error(Failure),
}

/// Why something was not done. Becomes the exit status and the sentence on stderr.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The kind of failure.
    pub code: Code,
    /// What happened and what to do, as a sentence.
    pub message: String,
}

/// Kinds of failure a script can tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// It was tried and did not work.
    Failed,
    /// The request makes no sense.
    Usage,
    /// No agent is running.
    NoAgent,
    /// A person has to do something first.
    NeedsUser,
    /// Sessions are at work.
    Busy,
    /// The asking process may not.
    Refused,
}

impl Code {
    /// The exit status of the command line.
    pub fn exit_status(self) -> u8 {
        match self {
            Self::Failed | Self::Refused => 1,
            Self::Usage => 2,
            Self::NoAgent => 3,
            Self::NeedsUser | Self::Busy => 4,
        }
    }
}

impl Failure {
    /// It was tried and did not work.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Code::Failed, message)
    }

    /// A failure of the kind `code`.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// No agent is running.
    pub fn no_agent() -> Self {
        Self::new(
            Code::NoAgent,
            "No agent is running. Start one with `nexus` or `nexus run`.",
        )
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::failed(sentence(&format!("{error:#}")))
    }
}

impl From<kit::ActError> for Failure {
    fn from(error: kit::ActError) -> Self {
        let code = match error {
            kit::ActError::Usage(_) => Code::Usage,
            kit::ActError::Failed(_) => Code::Failed,
            kit::ActError::NeedsUser(_) => Code::NeedsUser,
        };
        Self::new(code, sentence(&error.to_string()))
    }
}

impl From<kit::SettingsError> for Failure {
    fn from(error: kit::SettingsError) -> Self {
        let code = match error {
            kit::SettingsError::UnknownKey(_)
            | kit::SettingsError::BadValue { .. }
            | kit::SettingsError::BadSection(_) => Code::Usage,
            kit::SettingsError::NotSaved { .. } | kit::SettingsError::Damaged(_) => Code::Failed,
        };
        Self::new(code, sentence(&format!("{:#}", anyhow::Error::from(error))))
    }
}

impl From<kit::SecretsError> for Failure {
    fn from(error: kit::SecretsError) -> Self {
        let code = match error {
            kit::SecretsError::Locked | kit::SecretsError::Missing => Code::NeedsUser,
            kit::SecretsError::Failed(_) => Code::Failed,
        };
        Self::new(code, sentence(&error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_on_the_socket_keep_their_shape() {
        let check = |request: Request, line: &str| {
            assert_eq!(serde_json::to_string(&request).unwrap(), line);
            assert_eq!(serde_json::from_str::<Request>(line).unwrap(), request);
        };

        check(Request::Status, r#"{"ask":"status"}"#);
        check(
            Request::Show {
                page: Some("chat".to_owned()),
            },
            r#"{"ask":"show","page":"chat"}"#,
        );
        check(Request::Quit { now: true }, r#"{"ask":"quit","now":true}"#);
        check(
            Request::Settings(SettingsAct::Get {
                key: "a.b".to_owned(),
            }),
            r#"{"ask":"settings","act":"get","key":"a.b"}"#,
        );
        assert_eq!(
            serde_json::to_string(&Answer::Error(Failure::new(Code::NeedsUser, "Unlock it."))).unwrap(),
            r#"{"error":{"code":"needs_user","message":"Unlock it."}}"#
        );
    }
}
