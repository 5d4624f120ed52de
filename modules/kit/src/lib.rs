//! The contract every part of OpenCode Nexus is written against.
//!
//! A *module* is one crate that gives the program one ability (keeping opencode alive, the chat, the logs). This
//! crate holds what modules and the agent say to each other, as plain values: [`Status`] is the single truth a tray
//! line, a dashboard card and `nexus status` are computed from; [`Verb`] is what they all ask of a module; [`Patch`]
//! is how an open page changes; [`Field`] describes a setting once for the file, the form and the command line.
//!
//! State is watched, commands are called, notices are sent. There is no bus for everything and nothing global: a
//! module gets what it needs through [`Context`] and never learns which other modules exist.
//!
//! This crate never opens a port, starts a process or touches the desktop. It does own the two pieces of disk
//! every module shares: where files go ([`Dirs`]) and how they are replaced without loss ([`files`]).

pub mod caller;
pub mod context;
pub mod dirs;
pub mod files;
pub mod live;
pub mod machine;
pub mod menu;
pub mod module;
pub mod notice;
pub mod outside;
pub mod overview;
pub mod page;
pub mod secrets;
pub mod settings;
pub mod status;
pub mod text;
pub mod time;
pub mod upstream;
pub mod verb;
pub mod window;

pub use caller::{Caller, Listener};
pub use context::Context;
pub use dirs::Dirs;
pub use futures_util::future::BoxFuture;
pub use live::{Feed, Frame, LiveRequest, Patch};
pub use machine::machine_name;
pub use menu::{Action, Entry};
pub use module::{Module, ModuleId};
pub use notice::{Answer, Audience, Away, Notice, NoticeKind, NoticeSender, Told};
pub use outside::{Origin, Outside};
pub use overview::{AgentFacts, ModuleView, Overview};
pub use page::{Chrome, Page};
pub use secrets::{Secret, Secrets, SecretsError};
pub use settings::{Applies, Field, Kind, Section, Setting, SettingsError, SettingsFile};
pub use status::{Fact, Offer, State, Status};
pub use tokio_util::sync::CancellationToken;
pub use upstream::{EventTap, Upstream};
pub use verb::{ActError, Reply, Verb, VerbSpec};
