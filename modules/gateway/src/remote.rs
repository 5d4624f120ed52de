//! What a session from outside reaches.

/// Whether a path is for sessions from outside too: the chat, whether this device is told of it, and the way out.
/// Everything else, the server's own API, settings, logs and every switch included, is for this machine.
pub(crate) fn is_open(path: &str) -> bool {
    let is_below = |root: &str| {
        path.strip_prefix(root)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    matches!(
        path,
        "/" | "/live"
            | "/logout"
            | "/notices"
            | "/notices/push"
            | "/notices/push/off"
            | "/notices/push/trial"
            | "/notices/press"
    ) || is_below("/chat")
}

/// Whether a live view is for sessions from outside too.
pub(crate) fn shows(view: &str) -> bool {
    matches!(view, "chat" | web::live::HEADER_ONLY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chat_and_its_notices_are_all_there_is_outside() {
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
        ] {
            assert!(is_open(path), "{path}");
        }
        for path in [
            "/chatter",
            "/dashboard",
            "/logs",
            "/notices/read",
            "/notices/push/all",
            "/devices",
            "/devices/revoke",
            "/onboarding",
            "/password",
            "/api",
            "/api/status",
            "/api/modules/opencode/stop",
            "/api/opencode/session",
            "/settings",
            "/tunnel",
            "/nothing",
        ] {
            assert!(!is_open(path), "{path}");
        }
        assert!(shows("chat") && !shows("dashboard") && !shows("logs") && !shows("notices"));
    }
}
