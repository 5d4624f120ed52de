//! Cloudflare as a story sees it: its edge on loopback, and a program in cloudflared's place that registers there.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use fakes::Edge;
use serde_json::{Value, json};

use super::{Home, Options, Pid, Session, block_on};

/// The edge, and the cloudflared of one story. `NEXUS_TEST_CLOUDFLARED` names a real one to be used instead.
pub struct Cloudflare {
    edge: Edge,
    program: PathBuf,
    starts: PathBuf,
}

impl Cloudflare {
    /// For an agent in `home`. The stand-in behaves as `words` say.
    #[track_caller]
    pub fn new(home: &Home, words: &str) -> Self {
        let edge = block_on(Edge::start()).unwrap();
        let folder = home.path().join("cloudflared");
        fs::create_dir_all(&folder).unwrap();
        let cloudflare = Self {
            edge,
            program: folder.join("cloudflared"),
            starts: folder.join("starts"),
        };
        // A copy of its own, because the words stand beside the program.
        let built = Path::new(env!("CARGO_BIN_EXE_nexus")).with_file_name("fake-cloudflared");
        assert!(built.exists(), "build it first: cargo build -p fakes --bins");
        fs::copy(built, &cloudflare.program).unwrap();
        fs::set_permissions(&cloudflare.program, fs::Permissions::from_mode(0o755)).unwrap();
        cloudflare.behave(words);
        cloudflare
    }

    /// How it behaves from the next start on.
    pub fn behave(&self, words: &str) {
        let addresses = self.addresses();
        let text = format!(
            "scale=0.1 edge={} quick_service={} starts={} {words}\n",
            addresses["tunnel"].as_str().unwrap(),
            addresses["control"].as_str().unwrap(),
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

    /// What is said at each start: process, arguments, environment.
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
