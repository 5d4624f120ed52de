//! What a session from outside reaches: the chat, and what the owner has switched on beside it, one by one, at the
//! machine.

/// What can be switched on beside the chat. Each shows; none of them lets anything be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Capability {
    Dashboard,
    Logs,
}

impl Capability {
    pub(crate) const ALL: [Self; 2] = [Self::Dashboard, Self::Logs];

    /// The word in the settings file: the first segment of its page and the name of its live view.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Dashboard => "dashboard",
            Self::Logs => "logs",
        }
    }

    /// What it shows.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::Dashboard => {
                "The dashboard: how every part is, its figures and last lines. Nothing can be changed there."
            }
            Self::Logs => {
                "The logs of this program, of opencode and of cloudflared, with folders and commands in them."
            }
        }
    }

    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.word() == word)
    }
}

/// What is switched on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reach(Vec<Capability>);

impl Reach {
    /// From the words in the settings; words that are none are nothing.
    pub(crate) fn of(words: &[String]) -> Self {
        Self(words.iter().filter_map(|word| Capability::parse(word)).collect())
    }

    pub(crate) fn has(&self, capability: Capability) -> bool {
        self.0.contains(&capability)
    }

    /// Whether a path is for sessions from outside too: the chat, whether this device is told of it, its passkeys, the way
    /// out, and the pages that are switched on. Everything else, the server's own API, settings and every switch included, is for
    /// this machine.
    pub(crate) fn opens(&self, path: &str) -> bool {
        let is_below = |root: &str| {
            path.strip_prefix('/')
                .and_then(|path| path.strip_prefix(root))
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let is_always = matches!(
            path,
            "/" | "/live"
                | "/logout"
                | "/notices"
                | "/notices/push"
                | "/notices/push/off"
                | "/notices/push/trial"
                | "/notices/press"
                | "/passkeys"
                | "/passkeys/offer"
                | "/passkeys/add"
                | "/passkeys/remove"
        );
        is_always || is_below("chat") || self.0.iter().any(|capability| is_below(capability.word()))
    }

    /// Whether a live view is for sessions from outside too.
    pub(crate) fn shows(&self, view: &str) -> bool {
        matches!(view, "chat" | web::live::HEADER_ONLY)
            || self.0.iter().any(|capability| capability.word() == view)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chat_and_its_notices_are_all_there_is_outside() {
        let reach = Reach::default();
        for path in [
            "/",
            "/chat",
            "/chat/ses_1",
            "/chat/ses_1/prompt",
            "/live",
            "/logout",
            "/notices",
            "/notices/push",
            "/notices/push/off",
            "/notices/push/trial",
            "/notices/press",
            "/passkeys",
            "/passkeys/offer",
        ] {
            assert!(reach.opens(path), "{path}");
        }
        for path in CLOSED
            .iter()
            .chain(&["/dashboard", "/dashboard/history", "/logs"])
        {
            assert!(!reach.opens(path), "{path}");
        }
        assert!(reach.shows("chat"));
        assert!(!reach.shows("dashboard") && !reach.shows("logs") && !reach.shows("notices"));
    }

    /// Whatever is switched on.
    const CLOSED: &[&str] = &[
        "/chatter",
        "/dashboards",
        "/notices/read",
        "/notices/push/all",
        "/devices",
        "/devices/revoke",
        "/devices/outside",
        "/onboarding",
        "/password",
        "/passkeys/all",
        "/api",
        "/api/status",
        "/api/modules/opencode/stop",
        "/api/opencode/session",
        "/settings",
        "/tunnel",
        "/nothing",
    ];

    #[test]
    fn what_is_switched_on_is_open_and_nothing_else() {
        let words = ["logs".to_owned(), "devices".to_owned(), "everything".to_owned()];
        let reach = Reach::of(&words);
        assert!(reach.opens("/logs") && reach.opens("/logs/export") && reach.shows("logs"));
        assert!(!reach.opens("/dashboard") && !reach.shows("dashboard"));
        for path in CLOSED {
            assert!(!reach.opens(path), "{path}");
        }
    }
}
