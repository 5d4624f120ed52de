//! What cloudflared says, and what it means for its owner. Pure.
//!
//! Nothing here decides whether the tunnel works: that is asked. Words give reasons, because cloudflared has no other
//! way to say them: its exit codes tell usage errors (0), bad tokens (255) and everything else (1).

use std::time::Duration;

use supervisor::{Exit, Refusal};

use crate::{
    line::Line,
    settings::{Mode, TunnelSettings},
};

/// Cloudflare limits how often quick tunnels are made; coming back sooner prolongs it.
const LIMITED_FIRST: Duration = Duration::from_secs(60);
const LIMITED_LONGEST: Duration = Duration::from_secs(30 * 60);
/// While Cloudflare cannot be reached it costs nobody anything to look again, and whoever has the network back is to have
/// remote access back within a minute: the longest wait, a tenth more by chance, and a start fit into one.
const OFFLINE_FIRST: Duration = Duration::from_secs(2);
const OFFLINE_LONGEST: Duration = Duration::from_secs(45);

/// What somebody has to know before they switch it on, whatever the kind.
pub(crate) const CLOUDFLARE_READS: &str = "Everything from outside passes Cloudflare. Its encryption (TLS) ends there and \
                                           begins anew on the way here, so Cloudflare can read the traffic.";
/// The same of a quick tunnel.
pub(crate) const QUICK_IS_FOR_TRYING: &str = "A quick tunnel is meant for trying things out: it belongs to no account, \
                                              Cloudflare promises nothing of it, and only your password stands before \
                                              whoever learns its address.";

/// What somebody is told who has switched it on: how it is, and what is risked.
pub(crate) fn risk(sentence: &str, settings: &TunnelSettings) -> String {
    let risk = match settings.chosen().mode {
        Mode::Quick => format!("{CLOUDFLARE_READS} {QUICK_IS_FOR_TRYING}"),
        Mode::Token | Mode::Local | Mode::Manual => CLOUDFLARE_READS.to_owned(),
    };
    format!("{} {risk}", kit::text::sentence(sentence))
}

/// What a person has to name to change something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Names {
    /// The secret that is the tunnel's token.
    pub(crate) token: String,
    /// The table with the settings in force.
    pub(crate) table: String,
}

/// What a line of a running cloudflared says that has to be acted on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// A connection to Cloudflare is there.
    Registered,
    /// One was lost, or an attempt failed.
    Lost,
    /// Cloudflare changed what is served.
    NewConfig,
    /// Why there is no connection: a sentence with the next step.
    Trouble(Trouble),
}

/// Why a running cloudflared does not get through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The token or the credentials are refused.
    Refused,
    /// The tunnel was deleted.
    Deleted,
    /// Cloudflare ends the handshake without saying why, as QUIC does.
    Silent,
    /// Nothing answers over UDP.
    Blocked,
}

impl Trouble {
    /// What happened and what to do.
    pub(crate) fn sentence(self, names: &Names) -> String {
        let Names { token, table } = names;
        match self {
            Self::Refused => format!(
                "Cloudflare refuses this tunnel's token: it was replaced or belongs to another tunnel. Copy the token from \
                 Cloudflare's page of the tunnel and store it with `nexus secret set {token} --stdin`."
            ),
            Self::Deleted => format!(
                "Cloudflare does not know this tunnel: it was deleted. Make a new one and store its token with `nexus secret \
                 set {token} --stdin`, or use `nexus settings set {table}.mode quick`."
            ),
            Self::Silent => format!(
                "Cloudflare ends the connection without saying why. Most often the tunnel was deleted or its token \
                 replaced; `nexus settings set {table}.extra_args '[\"--protocol\", \"http2\"]'` makes it say the reason."
            ),
            Self::Blocked => format!(
                "Nothing of Cloudflare answers over UDP port 7844, which some networks block. `nexus settings set \
                 {table}.extra_args '[\"--protocol\", \"http2\"]'` goes over TCP instead."
            ),
        }
    }

    /// Whether it lasts until a person does something.
    pub(crate) fn is_lasting(self) -> bool {
        match self {
            Self::Refused | Self::Deleted => true,
            Self::Silent | Self::Blocked => false,
        }
    }
}

/// What a line of a running cloudflared means.
pub(crate) fn said(text: &str) -> Option<Said> {
    let line = Line::parse(text);
    let whole = line.whole();
    let has = |words: &str| whole.contains(words);
    if line.message == "Registered tunnel connection" {
        Some(Said::Registered)
    } else if line.message == "Updated to new configuration" {
        Some(Said::NewConfig)
    } else if has("Unauthorized: Invalid tunnel secret") {
        Some(Said::Trouble(Trouble::Refused))
    } else if has("Unauthorized: Tunnel not found") || has("Tunnel not found") || has("Failed to get tunnel")
    {
        Some(Said::Trouble(Trouble::Deleted))
    } else if has("control stream encountered a failure while serving") {
        Some(Said::Trouble(Trouble::Silent))
    } else if has("failed to dial to edge with quic: timeout") {
        Some(Said::Trouble(Trouble::Blocked))
    } else if has("Lost connection with the edge")
        || has("Connection terminated")
        || has("Retrying connection in up to")
        || has("failed to serve tunnel connection")
    {
        Some(Said::Lost)
    } else {
        None
    }
}

/// What an unasked end means for the next start.
pub(crate) fn judge(exit: Exit, last_output: &[String], names: &Names) -> Option<Refusal> {
    let Names { token, table } = names;
    let lines: Vec<String> = last_output.iter().map(|text| Line::parse(text).whole()).collect();
    let has = |words: &str| lines.iter().any(|line| line.contains(words));
    let last = lines.last().map(String::as_str).unwrap_or_default();
    let permanent = |reason: String| {
        Some(Refusal::Permanent {
            reason,
            recheck: None,
        })
    };
    let transient = |cause: &str| Some(Refusal::Transient(cause.to_owned()));
    // The complaint stands above a page of help, which is all that is left of it.
    let is_help = !last_output.is_empty() && !last_output.iter().any(|line| Line::is_logged(line));
    if exit == Exit::Code(0) && is_help {
        let complaint = lines.iter().find(|line| line.contains("Incorrect Usage"));
        let named = complaint.map_or_else(String::new, |line| format!(" ({line})"));
        return permanent(format!(
            "cloudflared does not understand how it was started{named}: it is too old for an option in \
             `{table}.extra_args`. Update cloudflared, or empty that setting."
        ));
    }
    if has("Provided Tunnel token is not valid") {
        return permanent(format!(
            "The tunnel's token is not one: copy it from Cloudflare's page of the tunnel, without the command around it, \
             and store it with `nexus secret set {token} --stdin`."
        ));
    }
    if has("error code: 1015")
        || last_output
            .iter()
            .any(|line| line.contains("429 Too Many Requests"))
    {
        return Some(Refusal::Throttled {
            cause: "Cloudflare limits how often quick tunnels may be made from this network, and says it was too often."
                .to_owned(),
            first: LIMITED_FIRST,
            longest: LIMITED_LONGEST,
        });
    }
    if has("failed to request quick Tunnel") || has("Could not lookup srv records") {
        return Some(Refusal::Throttled {
            cause: "Cloudflare cannot be reached: this machine seems to be offline.".to_owned(),
            first: OFFLINE_FIRST,
            longest: OFFLINE_LONGEST,
        });
    }
    if has("failed to unmarshal quick Tunnel") || has("failed to parse quick Tunnel ID") {
        return transient("Cloudflare's service for quick tunnels does not work at this moment");
    }
    if has("Tunnel credentials file") || has("tunnel credentials file not found") {
        return permanent(format!(
            "The tunnel's credentials file cannot be used. Name the one that `cloudflared tunnel create` wrote with `nexus \
             settings set {table}.credentials PATH`."
        ));
    }
    if has("Invalid JSON when parsing tunnel credentials file") {
        return permanent(format!(
            "The tunnel's credentials file holds no credentials. Name the one that `cloudflared tunnel create` wrote with \
             `nexus settings set {table}.credentials PATH`."
        ));
    }
    if has("Unauthorized: Invalid tunnel secret") {
        return permanent(Trouble::Refused.sentence(names));
    }
    if has("Tunnel not found") {
        return permanent(Trouble::Deleted.sentence(names));
    }
    if has("Initiating shutdown") {
        return transient(&format!(
            "Cloudflare did not take the connection, and cloudflared gave up: {last}"
        ));
    }
    if has("Couldn't start tunnel") || has("error parsing YAML") || has("error parsing tunnel ID") {
        return permanent(format!("cloudflared cannot run with these settings: {last}"));
    }
    None
}

#[cfg(test)]
mod tests;
