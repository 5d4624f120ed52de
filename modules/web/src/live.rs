//! What the page's script and the socket behind `/live` agree on.
//!
//! The script opens `/live?view=<module>&key=<key>&cursor=<cursor>` from the attributes of `<body>`, applies each
//! text message as a [`kit::Frame`], and sends the cursor of the last one when it connects again. From time to time,
//! and whenever the page comes back to the foreground, it sends [`PROBE`]; the server answers with any frame, an empty
//! one if there is nothing to say. Without an answer within five seconds the script takes the connection for dead
//! and opens a new one: after sleep or a change of network nothing else would tell.

/// The one message a page sends.
pub const PROBE: &str = "?";

/// The answer to [`PROBE`] when nothing has changed.
pub const ALIVE: &str = r#"{"p":[]}"#;

/// Close code of the socket when the view is gone or too far behind: the page loads itself again.
pub const CLOSE_RELOAD: u16 = 4000;

/// Close code of the socket when the session has ended: the page loads itself again, which leads to the login.
pub const CLOSE_LOGIN: u16 = 4001;

/// The view of a page of which only the header lives: its status, and whether there is a connection at all.
pub const HEADER_ONLY: &str = "";

/// A feed that never says anything, for pages of which only the header lives.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl kit::Feed for Quiet {
    fn next(&mut self) -> kit::BoxFuture<'_, Option<kit::Frame>> {
        Box::pin(std::future::pending())
    }
}
