//! The words after `nexus tunnel`.

use kit::VerbSpec;

/// What can be asked of remote access; on the command line after `nexus tunnel`.
pub const VERBS: &[VerbSpec] = &[
    VerbSpec {
        name: "start",
        help: "Makes this machine reachable from outside, through Cloudflare, which can read the traffic.",
        args: &[],
        button: Some("Switch on"),
    },
    VerbSpec {
        name: "stop",
        help: "Ends remote access at once.",
        args: &[],
        button: Some("Switch off"),
    },
    VerbSpec {
        name: "restart",
        help: "Ends the connection and makes a new one; a quick tunnel gets a new address.",
        args: &[],
        button: None,
    },
    VerbSpec {
        name: "status",
        help: "Says whether this machine can be reached, and how.",
        args: &[],
        button: None,
    },
    VerbSpec {
        name: "profiles",
        help: "Keeps several tunnels: list, create NAME, choose NAME, choose none, rename OLD NEW, delete NAME.",
        args: &["ACT?", "NAME?", "NEW?"],
        button: None,
    },
    VerbSpec {
        name: "download",
        help: "Downloads cloudflared from GitHub, where Cloudflare publishes it, for this program alone.",
        args: &[],
        button: None,
    },
    VerbSpec {
        name: "url",
        help: "Prints the address.",
        args: &[],
        button: None,
    },
];
