//! Whatever is missing, and whichever way somebody tries: nothing is started, and why is said.

use std::fs;

use fakes::Release;
use serde_json::{Value, json};

use super::{set_password, switch_on, tunnel};
use crate::{
    harness::{Agent, Answer, Cloudflare, Home, Options, PATIENCE, Processes, Session, block_on, until},
    supervision::{state, stub_in},
};

const NEXUS: &str = env!("CARGO_BIN_EXE_nexus");
/// Runs the agent where its folder can be read only, but for what does not outlive it.
const READ_ONLY: &[&str] = &[
    "unshare",
    "--user",
    "--map-root-user",
    "--mount",
    "sh",
    "-c",
    r#"cd "$NEXUS_HOME" && mkdir -p -m 700 run logs cache && echo "a walrus plays the banjo" | "$NEXUS" password set --stdin >/dev/null &&
       mount --bind . . && mount -o remount,ro,bind "$PWD" &&
       for kept in run logs cache; do mount -t tmpfs -o mode=700 tmpfs "$NEXUS_HOME/$kept" || exit 1; done; exec "$@""#,
    "sh",
];

/// What has to be there before anybody may come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    Password,
    ReadablePassword,
    Permissions,
    Folders,
    TrustedServer,
    WritableFolder,
}

impl Missing {
    /// What of the reason is looked for.
    fn said(self) -> &'static str {
        match self {
            Self::Password => "nexus password set",
            Self::ReadablePassword => "cannot be read",
            Self::Permissions => "opencode.ask",
            Self::Folders => "chat.projects",
            Self::TrustedServer => "answers without a password",
            Self::WritableFolder => "wrong passwords would be forgotten",
        }
    }

    /// How the agent is started, for the first time and again.
    fn started(self, home: Home) -> Options {
        let options = Agent::options().home(home);
        match self {
            Self::WritableFolder => options.under(READ_ONLY),
            Self::Password
            | Self::ReadablePassword
            | Self::Permissions
            | Self::Folders
            | Self::TrustedServer => options,
        }
    }
}

/// An agent that lacks one thing, and everything a story asks it.
struct Lacking {
    agent: Agent,
    missing: Missing,
    cloudflare: Cloudflare,
    _release: Release,
}

impl Lacking {
    fn new(missing: Missing) -> Self {
        let mut home = Home::new();
        let cloudflare = Cloudflare::new(&home, "");
        let answering = "#!/bin/sh\necho 'cloudflared version 2026.8.2 (built today)'\n";
        let release = block_on(Release::start("2026.8.2", answering.as_bytes().to_vec())).unwrap();
        let authority = home.path().join("authority.pem");
        fs::write(&authority, release.authority().pem()).unwrap();
        home.env("SSL_CERT_FILE", &authority);
        let hosts = [release.host(), release.assets()].map(|host| format!("https://{}", host.https));
        home.env("NEXUS_TEST_RELEASES", hosts.join(","));
        home.env("NEXUS", NEXUS);
        let program = stub_in(&home, "open");
        let options = cloudflare.used_by(missing.started(home));
        let options = match missing {
            Missing::TrustedServer => options.program(&program),
            Missing::Password
            | Missing::ReadablePassword
            | Missing::Permissions
            | Missing::Folders
            | Missing::WritableFolder => options.idle(),
        };
        let agent = options.start();
        if !matches!(missing, Missing::Password | Missing::WritableFolder) {
            set_password(&agent);
        }
        match missing {
            Missing::Password | Missing::WritableFolder => {}
            Missing::ReadablePassword => {
                fs::write(agent.home().nexus().join("credential"), "nonsense").unwrap();
            }
            Missing::Permissions => drop(agent.ask(&["settings", "reset", "opencode.ask"])),
            Missing::Folders => drop(agent.ask(&["settings", "reset", "chat.projects"])),
            Missing::TrustedServer => {
                agent.wait_for("opencode to be refused", |status| state(status) == "needs_action");
            }
        }
        Self {
            agent,
            missing,
            cloudflare,
            _release: release,
        }
    }

    fn is_elsewhere(&self) -> bool {
        self.missing == Missing::WritableFolder
    }

    /// What a command ends with, and everything it says.
    #[track_caller]
    fn nexus(&self, arguments: &[&str]) -> (i32, String) {
        if self.is_elsewhere() {
            let quoted: Vec<String> = arguments.iter().map(|word| format!("'{word}'")).collect();
            let script = format!(
                "said=$('{NEXUS}' {} 2>&1); echo $?; echo \"$said\"",
                quoted.join(" ")
            );
            let answer = self.agent.inside(&script);
            let (code, said) = answer.split_once('\n').unwrap();
            return (code.parse().unwrap(), said.trim_end().to_owned());
        }
        let output = self.agent.nexus(arguments);
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(said).unwrap())
    }

    fn status(&self) -> Option<Value> {
        let (code, said) = self.nexus(&["status", "--json"]);
        (code == 0).then(|| serde_json::from_str(&said).unwrap())
    }

    #[track_caller]
    fn pid(&self) -> u32 {
        u32::try_from(self.status().unwrap()["agent"]["pid"].as_u64().unwrap()).unwrap()
    }

    #[track_caller]
    fn owner(&self) -> Session {
        Session::by_link(self.nexus(&["open", "--print-url"]).1.trim())
    }

    /// Nothing has been started by now.
    #[track_caller]
    fn nothing_started(&self, way: &str) {
        let starts = self.cloudflare.starts();
        assert!(starts.is_empty(), "{:?}, {way}: {starts:#?}", self.missing);
    }

    /// Nothing has been started, and `said` tells why.
    #[track_caller]
    fn refused(&self, way: &str, said: &str) {
        self.nothing_started(way);
        assert!(
            said.contains(self.missing.said()),
            "{:?}, {way}: {said}",
            self.missing
        );
    }

    /// It is shown to be blocked, and why.
    #[track_caller]
    fn wait_for_blocked(&self, way: &str, other_than: Option<u32>) {
        let what = format!("it to be blocked, {:?}, {way}", self.missing);
        let reason = until(&what, PATIENCE, || {
            let status = self.status()?;
            let is_it = other_than.is_none_or(|pid| status["agent"]["pid"] != pid)
                && tunnel(&status)["state"] == "blocked";
            is_it.then(|| tunnel(&status)["reason"].as_str().unwrap_or_default().to_owned())
        });
        self.refused(way, &reason);
    }

    fn by_command(&self) {
        let (code, said) = self.nexus(&["tunnel", "start"]);
        assert_eq!(code, 4, "{said}");
        self.refused("the command", &said);
        assert_eq!(self.nexus(&["tunnel", "start", "--no-wait"]).0, 0);
        self.wait_for_blocked("the command of somebody in a hurry", None);
        assert_eq!(self.nexus(&["tunnel", "restart"]).0, 4);
        self.nothing_started("a restart");
    }

    fn by_page(&self) {
        let owner = self.owner();
        let called = owner.post_json("/api/modules/tunnel/start", &json!({}));
        assert_eq!(called.status, 409, "{called:?}");
        self.refused("a call", &called.body);
        for page in ["/tunnel", "/dashboard"] {
            let button = r#"action="/api/modules/tunnel/start""#;
            assert!(owner.get(page).body.contains(button), "no button on {page}");
            let pressed = press(&owner, page);
            assert_eq!(pressed.status, 409, "{page}: {pressed:?}");
            self.refused(page, &pressed.body);
        }
        let saved = owner.post_form("/tunnel", &[("autostart", "true"), ("mode", "token")]);
        // Where nothing can be saved it is said.
        assert!(matches!(saved.status, 303 | 422), "{saved:?}");
        self.wait_for_blocked("the form of the page", None);
    }

    fn by_settings(&self) {
        for (key, value) in [
            ("tunnel.autostart", "true"),
            ("tunnel.auto_off_h", "7"),
            ("tunnel.mode", "manual"),
            ("tunnel.mode", "quick"),
        ] {
            let (code, said) = self.nexus(&["settings", "set", key, value]);
            assert!(code == 0 || self.is_elsewhere(), "{said}");
            self.wait_for_blocked(key, None);
        }
        for edit in [
            [("autostart", "false"), ("mode", "\"token\"")],
            [("autostart", "true"), ("mode", "\"quick\"")],
        ] {
            edit_on_disk(self.agent.home(), &edit);
            // It is read when somebody looks.
            let (_, listed) = self.nexus(&["settings", "list"]);
            let (_, value) = edit[1];
            let is_taken = |line: &str| line.starts_with("tunnel.mode ") && line.contains(value);
            assert!(listed.lines().any(is_taken), "{listed}");
            self.wait_for_blocked("an edit of the file", None);
        }
    }

    fn by_profile(&self) {
        for words in [["create", "spare"], ["choose", "spare"], ["choose", "none"]] {
            let (code, said) = self.nexus(&["tunnel", "profiles", words[0], words[1]]);
            assert!(code == 0 || self.is_elsewhere(), "{said}");
            self.wait_for_blocked("a profile", None);
        }
    }

    fn by_download(&self) {
        let (code, said) = self.nexus(&["tunnel", "download"]);
        assert_eq!(code, 0, "{said}");
        self.wait_for_blocked("a download", None);
    }

    /// The agent is started again by its monitor, and would start remote access by itself.
    fn by_crash(&self) {
        let pid = self.pid();
        Processes::signal(pid, "KILL");
        self.wait_for_blocked("a start after a crash", Some(pid));
    }

    fn by_clean_start(self) -> Self {
        let home = if self.is_elsewhere() {
            self.agent.quit_inside()
        } else {
            self.agent.quit()
        };
        let again = Self {
            agent: self.missing.started(home).start(),
            ..self
        };
        again.wait_for_blocked("a clean start", None);
        again
    }

    /// With it in its place the same way works: it is the missing one that was in the way.
    fn mended(self) {
        let agent = self.agent;
        let agent = match self.missing {
            Missing::Password | Missing::ReadablePassword => {
                set_password(&agent);
                agent
            }
            Missing::Permissions => {
                agent.ask(&["settings", "set", "opencode.ask", "commands_and_edits"]);
                agent
            }
            Missing::Folders => {
                agent.ask(&["settings", "set", "chat.projects", "[\"/tmp\"]"]);
                agent
            }
            Missing::TrustedServer => {
                stub_in(agent.home(), "");
                agent.ask(&["server", "start"]);
                agent
            }
            Missing::WritableFolder => Agent::options().home(agent.quit_inside()).start(),
        };
        switch_on(&agent);
        assert_eq!(self.cloudflare.starts().len(), 1);
        agent.quit();
    }
}

/// The button of remote access, as a browser without scripts presses it on `page`.
fn press(owner: &Session, page: &str) -> Answer {
    let pressed = owner
        .request(reqwest::Method::POST, "/api/modules/tunnel/start")
        .header("Sec-Fetch-Mode", "navigate")
        .header("Accept", "text/html")
        .header("Referer", format!("http://127.0.0.1{page}"))
        .header("Content-Type", "application/x-www-form-urlencoded");
    owner.send(pressed)
}

/// Has these values in the table of remote access, as an editor would.
fn edit_on_disk(home: &Home, values: &[(&str, &str)]) {
    let path = home.nexus().join("settings.toml");
    let mut table = String::new();
    let mut edited = String::new();
    for line in fs::read_to_string(&path).unwrap().lines() {
        if line.starts_with('[') {
            line.clone_into(&mut table);
        }
        let is_replaced = |(key, _): &(&str, &str)| line.split('=').next().unwrap().trim() == *key;
        if table != "[tunnel]" || !values.iter().any(is_replaced) {
            edited.push_str(line);
            edited.push('\n');
        }
        if line == "[tunnel]" {
            edited.extend(values.iter().map(|(key, value)| format!("{key} = {value}\n")));
        }
    }
    fs::write(path, edited).unwrap();
}

fn no_way_starts_anything_without(missing: Missing) {
    let lacking = Lacking::new(missing);
    lacking.by_command();
    lacking.by_page();
    lacking.by_settings();
    lacking.by_profile();
    lacking.by_download();
    lacking.by_crash();
    let lacking = lacking.by_clean_start();
    lacking.mended();
}

#[test]
fn without_a_password_no_way_starts_anything() {
    no_way_starts_anything_without(Missing::Password);
}

#[test]
fn with_a_password_that_cannot_be_read_no_way_starts_anything() {
    no_way_starts_anything_without(Missing::ReadablePassword);
}

#[test]
fn without_a_choice_what_opencode_asks_for_no_way_starts_anything() {
    no_way_starts_anything_without(Missing::Permissions);
}

#[test]
fn without_a_folder_that_may_be_seen_no_way_starts_anything() {
    no_way_starts_anything_without(Missing::Folders);
}

#[test]
fn with_a_server_that_cannot_be_trusted_no_way_starts_anything() {
    no_way_starts_anything_without(Missing::TrustedServer);
}

#[test]
fn where_nothing_can_be_saved_no_way_starts_anything() {
    no_way_starts_anything_without(Missing::WritableFolder);
}
