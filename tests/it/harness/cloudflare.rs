//! Cloudflare as a story sees it: its edge on loopback, and a program in cloudflared's place that registers there.

use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Mutex,
};

use fakes::Edge;
use serde_json::{Value, json};

use super::{Home, Options, Pid, Session, block_on};

/// Names a real cloudflared. Stories that need no connection then run with it; all others run with the stand-in, because
/// a real one registers with Cloudflare alone.
const GIVEN: &str = "NEXUS_TEST_CLOUDFLARED";
/// Where nobody listens.
const NOWHERE: &str = "127.0.0.1:7";

/// The edge, and the cloudflared of one story.
pub struct Cloudflare {
    edge: Edge,
    program: PathBuf,
    starts: PathBuf,
    /// What stands before the words of a story in the file beside the program.
    given: String,
}

impl Cloudflare {
    /// For an agent in `home`. The stand-in behaves as `words` say.
    #[track_caller]
    pub fn new(home: &Home, words: &str) -> Self {
        tell_who_plays(None);
        let cloudflare = Self::of_program("fake-cloudflared", home, |edge| {
            format!("scale=0.1 edge={}", edge["tunnel"].as_str().unwrap())
        });
        cloudflare.behave(words);
        cloudflare
    }

    /// One that finds no edge, for a story a real one can play: everything is real but the service of quick tunnels.
    #[track_caller]
    pub fn without_edge(home: &Home) -> Self {
        match std::env::var_os(GIVEN).map(PathBuf::from) {
            Some(program) => Self::given(home, &program),
            None => {
                let cloudflare =
                    Self::of_program("fake-cloudflared", home, |_| format!("scale=0.1 edge={NOWHERE}"));
                cloudflare.behave("");
                cloudflare
            }
        }
    }

    /// The same with this program.
    #[track_caller]
    pub fn given(home: &Home, program: &Path) -> Self {
        // It is told by a word, and started from another folder.
        let is_word = !program.to_string_lossy().contains(char::is_whitespace);
        assert!(
            program.is_absolute() && program.is_file() && is_word,
            "{GIVEN} must be the whole path of a file, without blanks: {}",
            program.display()
        );
        tell_who_plays(Some(program));
        let cloudflare = Self::of_program("given-cloudflared", home, |_| {
            format!("edge={NOWHERE} program={}", program.display())
        });
        cloudflare.behave("");
        cloudflare
    }

    fn of_program(built: &str, home: &Home, given: impl FnOnce(&Value) -> String) -> Self {
        let edge = block_on(Edge::start()).unwrap();
        let folder = home.path().join("cloudflared");
        fs::create_dir_all(&folder).unwrap();
        let cloudflare = Self {
            given: given(&edge.addresses()),
            edge,
            program: folder.join("cloudflared"),
            starts: folder.join("starts"),
        };
        // A copy of its own, because the words stand beside the program.
        let built = Path::new(env!("CARGO_BIN_EXE_nexus")).with_file_name(built);
        assert!(built.exists(), "build it first: cargo build -p fakes --bins");
        fs::copy(built, &cloudflare.program).unwrap();
        fs::set_permissions(&cloudflare.program, fs::Permissions::from_mode(0o755)).unwrap();
        cloudflare
    }

    /// How it behaves from the next start on.
    pub fn behave(&self, words: &str) {
        let text = format!(
            "{} quick_service={} starts={} {words}\n",
            self.given,
            self.addresses()["control"].as_str().unwrap(),
            self.starts.display()
        );
        let script = self.program.with_file_name("cloudflared.script");
        let fresh = script.with_extension("new");
        fs::write(&fresh, text).unwrap();
        fs::rename(fresh, script).unwrap();
    }

    /// An agent that uses it, with what its owner has to have decided.
    pub fn used_by(&self, options: Options) -> Options {
        let project = options.place().project("shop");
        options
            .opencode("ask = \"commands_and_edits\"")
            .settings(&format!(
                "[tunnel]\npath = {:?}\n[chat]\nprojects = [{:?}]",
                self.program.display().to_string(),
                project.display().to_string()
            ))
    }

    /// Where the edge is.
    pub fn addresses(&self) -> Value {
        self.edge.addresses()
    }

    /// Says something to the edge.
    #[track_caller]
    pub fn say(&self, path: &str, body: &Value) -> Value {
        let url = format!("{}{path}", self.addresses()["control"].as_str().unwrap());
        block_on(async {
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let answer = client.post(url).json(body).send().await.unwrap();
            assert!(answer.status().is_success(), "{path}: {answer:?}");
            answer.json().await.unwrap_or(json!(null))
        })
    }

    /// The program it is, as the agent finds it.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// What is said at each start: process, time, arguments, environment.
    pub fn starts(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.starts).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            // It is also asked its version.
            .filter(|start| start["args"][0] == "tunnel")
            .collect()
    }

    /// The process of the last start.
    #[track_caller]
    pub fn pid(&self) -> Pid {
        let starts = self.starts();
        let last = starts.last().expect("cloudflared was started");
        Pid::try_from(last["pid"].as_u64().unwrap()).unwrap()
    }

    /// Somebody who opens `url`, the public address, anywhere in the world.
    pub fn visitor(&self, url: &str) -> Session {
        let host = url.strip_prefix("https://").unwrap_or(url);
        Session::visitor(self.addresses()["http"].as_str().unwrap(), host)
    }
}

/// Says which stories a real cloudflared plays, when one is named: one line each, past what is kept of stories that pass.
fn tell_who_plays(given: Option<&Path>) {
    static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    if std::env::var_os(GIVEN).is_none() {
        return;
    }
    let thread = std::thread::current();
    let who = match given {
        Some(program) => program.display().to_string(),
        None => "the stand-in, for it needs a connection or a fault of its own".to_owned(),
    };
    let line = format!("cloudflared of {}: {who}\n", thread.name().unwrap_or("a story"));
    if TOLD.lock().unwrap().insert(line.clone()) {
        // Not worth a story.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}
