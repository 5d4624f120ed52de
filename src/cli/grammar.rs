//! What can be typed.

use clap::{Arg, ArgAction, Args, CommandFactory, Parser, Subcommand};

use super::print;
use crate::modules::NOUNS;

/// Keeps opencode alive in the background and lets you talk to it.
#[derive(Debug, Parser)]
#[command(name = "nexus", version, about, disable_help_subcommand = false)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the agent in the foreground
    Run(Run),
    /// Show how everything is; exit status 3 when no agent runs
    Status {
        /// Show it again after every change
        #[arg(long)]
        watch: bool,
    },
    /// Show a page in a window
    Open {
        /// chat, dashboard, onboarding, or a path such as /chat
        page: Option<String>,
        /// Print a link that enters once instead of opening a window
        #[arg(long)]
        print_url: bool,
    },
    /// Set the owner's password
    Password {
        #[command(subcommand)]
        act: Password,
    },
    /// Show or end the sessions of whoever is logged in
    Devices {
        #[command(subcommand)]
        act: Devices,
    },
    /// Keep tokens and keys in the keyring; they are never shown
    Secret {
        #[command(subcommand)]
        act: Secrets,
    },
    /// Show what was logged
    Logs(Logs),
    /// Show or change settings
    Settings {
        #[command(subcommand)]
        act: Settings,
    },
    /// Check everything the program needs; exit status 4 if something needs you
    Doctor,
    /// End the agent and everything it started
    Quit {
        /// Do not ask back while sessions are busy
        #[arg(long)]
        now: bool,
    },
    /// Print a completion script
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub(super) struct Run {
    /// Without tray and windows; prints the address and a link once serving
    #[arg(long)]
    pub(super) headless: bool,
    /// No window at the start (used by launch at login)
    #[arg(long)]
    pub(super) background: bool,
    /// Always print a fresh link to the chat
    #[arg(long)]
    pub(super) demo: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Settings {
    /// Show every setting with the value in force
    List,
    /// Show one value
    Get {
        /// E.g. opencode.port
        key: String,
    },
    /// Change one value; written as in TOML, a bare word is text
    Set {
        /// E.g. opencode.port
        key: String,
        /// E.g. 4096, true, text or ["a", "b"]
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
    /// Put one value back to its default
    Reset {
        /// E.g. opencode.port
        key: String,
    },
    /// Show where the file is
    Path,
}

#[derive(Debug, Subcommand)]
pub(super) enum Password {
    /// Set a new one, from a prompt or from standard input; logs everybody out
    Set {
        /// Read it from standard input without asking
        #[arg(long)]
        stdin: bool,
    },
    /// Make a passphrase, set it and print it
    Generate,
}

#[derive(Debug, Subcommand)]
pub(super) enum Devices {
    /// Show who is logged in
    List,
    /// Make a token for scripts on this machine and print it; it is shown only once
    Token {
        /// What it is for
        name: String,
    },
    /// Show a code that a phone scans to reach the chat from anywhere, without the password
    Pair,
    /// Show the passkeys that enter from outside without the password; each is removed with `revoke`
    Passkeys,
    /// Ask for a code of an authenticator app beside the password when somebody logs in from outside
    Totp {
        #[command(subcommand)]
        act: Totp,
    },
    /// Show what was done: logins, devices, permissions, remote access, settings
    Audit,
    /// Allow logging in from outside again, after too many wrong passwords had ended it
    Unlock,
    /// Log a device out, or remove a passkey
    Revoke {
        /// Its id, from `nexus devices list` or `nexus devices passkeys`
        #[arg(required_unless_present = "all")]
        id: Option<String>,
        /// Log everybody out, and remove all passkeys
        #[arg(long, conflicts_with = "id")]
        all: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub(super) enum Totp {
    /// Say whether a code is asked for
    Status,
    /// Show a secret for the app, read its first code from a prompt or standard input, and print the recovery codes
    On,
    /// Print new recovery codes; the former ones are void then
    Codes,
    /// Ask for the password alone
    Off,
}

#[derive(Debug, Subcommand)]
pub(super) enum Secrets {
    /// Show the names of what is stored
    List,
    /// Store a secret, from a prompt or from standard input
    Set {
        /// E.g. tunnel-token
        name: String,
        /// Read it from standard input without asking
        #[arg(long)]
        stdin: bool,
    },
    /// Forget a secret
    Delete {
        /// Its name
        name: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Logs {
    /// Whose lines
    #[arg(long, value_parser = ["agent", "opencode", "cloudflared"])]
    pub(super) source: Option<String>,
    /// This important or more: error, warn, info, debug, trace
    #[arg(long)]
    pub(super) level: Option<String>,
    /// Only lines that match this regular expression
    #[arg(long)]
    pub(super) grep: Option<String>,
    /// Only since then: 10m, 2h, 3d, or a date such as 2026-01-31T10:00:00Z
    #[arg(long)]
    pub(super) since: Option<String>,
    /// Go on with new lines
    #[arg(long, short)]
    pub(super) follow: bool,
}

/// `nexus devices pair` is found here too.
const PAIR_TOO: (&str, &str) = ("tunnel", "qr");

/// Whether a device is to be paired, in the words that are not ours to parse.
pub(super) fn is_pairing(matches: &clap::ArgMatches) -> bool {
    let (noun, verb) = PAIR_TOO;
    matches
        .subcommand_matches(noun)
        .is_some_and(|below| below.subcommand_name() == Some(verb))
}

/// The whole grammar: the commands above and what the modules declare.
pub(super) fn command() -> clap::Command {
    let json = Arg::new("json")
        .long("json")
        .global(true)
        .action(ArgAction::SetTrue)
        .help("Answer with JSON on stdout, errors included");
    let mut command = Cli::command().arg(json);
    for noun in NOUNS {
        let mut grammar = clap::Command::new(noun.word)
            .about(noun.about)
            .subcommand_required(true)
            .arg_required_else_help(true);
        for verb in noun.verbs {
            let mut spoken = clap::Command::new(verb.name).about(verb.help);
            for name in verb.args {
                let (label, is_needed) = match name.strip_suffix('?') {
                    Some(label) => (label, false),
                    None => (*name, true),
                };
                spoken = spoken.arg(Arg::new(*name).value_name(label).required(is_needed));
            }
            let no_wait = Arg::new("no-wait")
                .long("no-wait")
                .action(ArgAction::SetTrue)
                .help("Do not wait until the state settles");
            grammar = grammar.subcommand(spoken.arg(no_wait));
        }
        if noun.word == PAIR_TOO.0 {
            let about = "Show a code that a phone scans to reach the chat from anywhere";
            grammar = grammar.subcommand(clap::Command::new(PAIR_TOO.1).about(about));
        }
        command = command.subcommand(grammar);
    }
    command
}

/// Prints the completion script for a shell.
pub(super) fn completions(shell: clap_complete::Shell) {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "nexus", &mut script);
    print::raw(&script);
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_grammar_is_sound() {
        super::command().debug_assert();
    }
}
