//! Plays `cloudflared` 2026.8.2 without a network: a process of its own, its real lines, ports, signals and exit codes.
//!
//! It is called as the real one is: `tunnel --url U`, `tunnel run` with a token or credentials, `tunnel ready`,
//! `tunnel ingress validate`, `tunnel ingress rule U`, `version`, `update`. With the address of a `fake-edge` it
//! registers there and carries visitors to their origin; without one it pretends to be connected.
//!
//! The variable `FAKE_CLOUDFLARED` holds words as in `scale=0.1 quick=rate_limited`; `file=PATH` takes them from a file.
//! Without it they are taken from the file beside the program, as called or as it really is, with `.script` after its
//! whole name: for callers that pass on few variables. A line that begins with `#` is a comment. They are read at each
//! start, so that a story can change its mind between two starts.
//!
//! | word | behaviour |
//! |---|---|
//! | `scale=F` | all times of its own are multiplied by `F`; times in this table and `--grace-period` are not |
//! | `edge=ADDRESS` | where to register, as `--edge` |
//! | `quick_service=URL` | who gives out quick tunnels, as `--quick-service` |
//! | `old`, `version=V` | a release that does not know `--no-prechecks`, `--token-file`, `--output`; says it is `V` |
//! | `starts=PATH` | appends `{"pid","at_ms","args","env"}` to the file `PATH` at each start |
//! | `hostname=H` | the name of the quick tunnel; else a new one at each start |
//! | `url_after=S`, `registered_after=S` | from the start to the address (1 s), from there to the connection (0.5 s) |
//! | `quick=` | `made`, or a failure: `rate_limited`, `broken`, `refused`, `truncated`, `unreachable`, `offline`, `silent` |
//! | `register=` | `accepted`, `unauthorized`, `not_found`, `silent`, `final:TEXT` with `_` for blanks |
//! | `udp_blocked` | QUIC never connects |
//! | `dns_dead` | no name is found: neither the service of quick tunnels nor, for a named one, the edge |
//! | `unknown=FLAG` | a release that does not know `--FLAG` |
//! | `drop_after=S`, `drop=one`, `drop_for=S` | connections are lost, all or the first; back after `S` (3 to 8 s) |
//! | `push=PATH` | rules (JSON, a list) pushed once connected, and again whenever the file changes |
//! | `crash_after=S` | dies as of a panic, exit 2 |
//! | `update_after=S` | ends as after an update, exit 11 |
//! | `exit_after=S`, `exit=N` | ends without a word |
//! | `mute_after=S` | the metrics server takes connections and answers nothing |
//! | `hang` | does and says nothing at all |
//! | `slow_stop` | uses the whole grace period |
//! | `ignore_term` | SIGTERM and SIGINT have no effect |
//! | `update=N` | the exit code of `update` |
//!
//! Not played: the commands that need an account (`login`, `create`, `list`, `route` …), origins with TLS.

mod config;
mod die;
mod errands;
mod faults;
mod flags;
mod identity;
mod ingress;
mod life;
mod link;
mod log;
mod metrics;
mod opening;
mod origin;
mod quick;
mod script;
mod session;
mod settings;
mod signals;
mod tunnel;

use std::process::ExitCode;

use flags::{Call, Given};
use script::Script;
use settings::Settings;
use tunnel::Kind;

/// The exit code for a script that makes no sense.
const NONSENSE: u8 = 70;

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let script = Script::read().and_then(|script| script.note_start(&arguments).map(|()| script));
    match script {
        Ok(script) => ExitCode::from(play(&arguments, script).await),
        Err(error) => {
            log::bare(&format!("fake-cloudflared: {error}"));
            ExitCode::from(NONSENSE)
        }
    }
}

async fn play(arguments: &[String], script: Script) -> u8 {
    if script.hangs {
        return std::future::pending().await;
    }
    let unknown = script.unknown.as_deref();
    let misuse = unknown.and_then(|flag| flags::not_knowing(flag, arguments));
    match misuse.unwrap_or_else(|| flags::parse(arguments, script.age)) {
        Call::Usage(text) => {
            errands::print(&text);
            0
        }
        Call::Version { is_short: true } => {
            errands::print(&script.version);
            0
        }
        Call::Version { is_short: false } => {
            errands::print(&format!(
                "cloudflared version {} (built 2026-08-20-1122 UTC)",
                script.version
            ));
            0
        }
        Call::Update => script.update,
        Call::Tunnel(given) => start(given, Kind::Quick, script).await,
        Call::Run(given, names) => start(given, Kind::Named(names), script).await,
        Call::Ready(given) => match Settings::read(given, script.age) {
            Ok(settings) => errands::ready(&settings).await,
            Err(words) => fail(&words),
        },
        Call::IngressValidate(given) => match Settings::read(given, script.age) {
            Ok(settings) => errands::validate(&settings),
            Err(words) => fail(&words),
        },
        Call::IngressRule(given, url) => match Settings::read(given, script.age) {
            Ok(settings) => errands::rule(&settings, &url),
            Err(words) => fail(&words),
        },
    }
}

async fn start(given: Given, kind: Kind, script: Script) -> u8 {
    match Settings::read(given, script.age) {
        Ok(settings) => tunnel::run(settings, kind, script).await,
        Err(words) => fail(&words),
    }
}

fn fail(words: &str) -> u8 {
    log::bare(words);
    1
}
