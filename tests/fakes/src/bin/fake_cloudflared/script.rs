//! What a story asked for.

use std::{fs, io, path::PathBuf, time::Duration};

use crate::flags::Age;

/// Where a story says it; a file beside the program does too, for callers that pass on no variables.
const VARIABLE: &str = "FAKE_CLOUDFLARED";
/// A network of the real one's speed.
const URL_AFTER: Duration = Duration::from_secs(1);
const REGISTERED_AFTER: Duration = Duration::from_millis(500);
const STOP_TAKES: Duration = Duration::from_millis(500);

/// How the service of quick tunnels answers when none is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quick {
    Made,
    RateLimited,
    Broken,
    Refused,
    Truncated,
    Unreachable,
    Offline,
    Silent,
}

/// How an edge that is only pretended takes a registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Register {
    Accepted,
    Unauthorized,
    NotFound,
    Silent,
    Final(String),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Script {
    /// Every time of the stand-in's own is multiplied by it; times a story names are real seconds.
    pub(crate) scale: f64,
    pub(crate) edge: Option<String>,
    pub(crate) quick_service: Option<String>,
    pub(crate) age: Age,
    pub(crate) version: String,
    pub(crate) hostname: Option<String>,
    pub(crate) url_after: Option<Duration>,
    pub(crate) registered_after: Option<Duration>,
    pub(crate) quick: Quick,
    pub(crate) register: Register,
    pub(crate) is_udp_blocked: bool,
    /// No name is found.
    pub(crate) is_dns_dead: bool,
    /// A flag this release does not know, e.g. `post-quantum`.
    pub(crate) unknown: Option<String>,
    pub(crate) drop_after: Option<Duration>,
    /// All connections are lost, not the first alone.
    pub(crate) drops_all: bool,
    pub(crate) drop_for: Option<Duration>,
    pub(crate) crash_after: Option<Duration>,
    pub(crate) update_after: Option<Duration>,
    pub(crate) exit_after: Option<Duration>,
    pub(crate) exit: u8,
    pub(crate) hangs: bool,
    pub(crate) mute_after: Option<Duration>,
    pub(crate) stops_slowly: bool,
    pub(crate) ignores_term: bool,
    pub(crate) push: Option<PathBuf>,
    pub(crate) update: u8,
    starts: Option<PathBuf>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            scale: 1.0,
            edge: None,
            quick_service: None,
            age: Age::Today,
            version: "2026.8.2".to_owned(),
            hostname: None,
            url_after: None,
            registered_after: None,
            quick: Quick::Made,
            register: Register::Accepted,
            is_udp_blocked: false,
            is_dns_dead: false,
            unknown: None,
            drop_after: None,
            drops_all: true,
            drop_for: None,
            crash_after: None,
            update_after: None,
            exit_after: None,
            exit: 1,
            hangs: false,
            mute_after: None,
            stops_slowly: false,
            ignores_term: false,
            push: None,
            update: 0,
            starts: None,
        }
    }
}

impl Script {
    /// Reads the words of this start.
    ///
    /// # Errors
    /// A word nobody knows, or a file that cannot be read: a story that asks for nonsense must not pass.
    pub(crate) fn read() -> io::Result<Self> {
        let words = match std::env::var(VARIABLE) {
            Ok(words) => match words.strip_prefix("file=") {
                Some(path) => fs::read_to_string(path.trim())?,
                None => words,
            },
            Err(_not_set) => fakes::beside::words_beside_the_program()?,
        };
        Self::parse(&words)
    }

    fn parse(words: &str) -> io::Result<Self> {
        let mut script = Self::default();
        let lines = words.lines().filter(|line| !line.trim_start().starts_with('#'));
        for word in lines.flat_map(str::split_whitespace) {
            script
                .take(word)
                .ok_or_else(|| io::Error::other(format!("{word} is no word of the script")))?;
        }
        Ok(script)
    }

    fn take(&mut self, word: &str) -> Option<()> {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let seconds = || value.parse().ok().map(Duration::from_secs_f64);
        match name {
            "scale" => self.scale = value.parse().ok()?,
            "edge" => self.edge = Some(value.to_owned()),
            "quick_service" => self.quick_service = Some(value.to_owned()),
            "old" => (self.age, self.version) = (Age::Old, "2025.1.1".to_owned()),
            "version" => self.version = value.to_owned(),
            "hostname" => self.hostname = Some(value.to_owned()),
            "url_after" => self.url_after = Some(seconds()?),
            "registered_after" => self.registered_after = Some(seconds()?),
            "quick" => self.quick = quick(value)?,
            "register" => self.register = register(value)?,
            "udp_blocked" => self.is_udp_blocked = true,
            "dns_dead" => self.is_dns_dead = true,
            "unknown" => self.unknown = Some(value.to_owned()),
            "drop_after" => self.drop_after = Some(seconds()?),
            "drop" => self.drops_all = ["all", "one"].contains(&value).then_some(value == "all")?,
            "drop_for" => self.drop_for = Some(seconds()?),
            "crash_after" => self.crash_after = Some(seconds()?),
            "update_after" => self.update_after = Some(seconds()?),
            "exit_after" => self.exit_after = Some(seconds()?),
            "exit" => self.exit = value.parse().ok()?,
            "hang" => self.hangs = true,
            "mute_after" => self.mute_after = Some(seconds()?),
            "slow_stop" => self.stops_slowly = true,
            "ignore_term" => self.ignores_term = true,
            "push" => self.push = Some(value.into()),
            "update" => self.update = value.parse().ok()?,
            "starts" => self.starts = Some(value.into()),
            _ => return None,
        }
        Some(())
    }

    /// A time of the stand-in's own, as this story has it.
    pub(crate) fn scaled(&self, time: Duration) -> Duration {
        time.mul_f64(self.scale)
    }

    pub(crate) fn url_after(&self) -> Duration {
        self.url_after.unwrap_or_else(|| self.scaled(URL_AFTER))
    }

    pub(crate) fn registered_after(&self) -> Duration {
        self.registered_after
            .unwrap_or_else(|| self.scaled(REGISTERED_AFTER))
    }

    pub(crate) fn stop_takes(&self) -> Duration {
        self.scaled(STOP_TAKES)
    }

    /// Notes this start where a story wants it noted.
    pub(crate) fn note_start(&self, arguments: &[String]) -> io::Result<()> {
        match &self.starts {
            Some(file) => fakes::beside::note_start(file, arguments),
            None => Ok(()),
        }
    }
}

fn quick(word: &str) -> Option<Quick> {
    Some(match word {
        "made" => Quick::Made,
        "rate_limited" => Quick::RateLimited,
        "broken" => Quick::Broken,
        "refused" => Quick::Refused,
        "truncated" => Quick::Truncated,
        "unreachable" => Quick::Unreachable,
        "offline" => Quick::Offline,
        "silent" => Quick::Silent,
        _ => return None,
    })
}

fn register(word: &str) -> Option<Register> {
    Some(match word {
        "accepted" => Register::Accepted,
        "unauthorized" => Register::Unauthorized,
        "not_found" => Register::NotFound,
        "silent" => Register::Silent,
        _ => Register::Final(word.strip_prefix("final:")?.replace('_', " ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_taken_and_nonsense_is_not() {
        let script =
            Script::parse("# fast\nscale=0.1 quick=rate_limited\nold drop=one register=final:no_room")
                .unwrap();

        assert_eq!(script.quick, Quick::RateLimited);
        assert_eq!(script.register, Register::Final("no room".to_owned()));
        assert_eq!(script.age, Age::Old);
        assert!(!script.drops_all);
        assert_eq!(script.url_after(), Duration::from_millis(100));
        for nonsense in ["quick=maybe", "scale=fast", "explode"] {
            assert!(Script::parse(nonsense).is_err(), "{nonsense}");
        }
    }
}
