//! What the owner is told on the desktop, and answers there.

use std::{fs, os::unix::fs::PermissionsExt};

use fakes::model::Model;
use serde_json::{Value, json};

use super::resident::Resident;
use crate::harness::{Desktop, PATIENCE, Part, Session, block_on, opencode, until};

/// The real opencode, which asks before it runs commands, with a scripted model.
pub(super) fn with_model(desktop: &Desktop, model: &Model) {
    desktop.home().settings(&format!(
        "[opencode]\npath = \"{}\"\nask = \"commands_and_edits\"\n[opencode.env]\nOPENCODE_CONFIG_CONTENT = '{}'\n",
        opencode().display(),
        fakes::provider_config(&model.base_url())
    ));
}

pub(super) struct Talk<'a> {
    agent: &'a Resident<'a>,
    door: Session,
    place: String,
    pub(super) id: String,
}

impl<'a> Talk<'a> {
    pub(super) fn begin(agent: &'a Resident<'a>, desktop: &Desktop) -> Self {
        until("opencode to be healthy", PATIENCE, || {
            let state = agent.status()?["modules"]["opencode"]["state"].clone();
            (state == "healthy").then_some(())
        });
        let door = Session::by_link(&agent.ask(&["open", "--print-url"]));
        let folder = desktop.home().project("shop");
        let place: String =
            url::form_urlencoded::byte_serialize(folder.to_string_lossy().as_bytes()).collect();
        let made = door.post_json(
            &format!("/api/opencode/session?directory={place}"),
            &json!({"title": "Deploy"}),
        );
        let id = made.json()["id"].as_str().unwrap().to_owned();
        Self {
            agent,
            door,
            place,
            id,
        }
    }

    pub(super) fn prompt(&self, text: &str) {
        let parts = json!({"parts": [{"type": "text", "text": text}]});
        let path = format!(
            "/api/opencode/session/{}/prompt_async?directory={}",
            self.id, self.place
        );
        let answer = self.door.post_json(&path, &parts);
        assert!(answer.status < 300, "{answer:?}");
    }

    pub(super) fn waiting(&self) -> Vec<Value> {
        let path = format!("/api/opencode/permission?directory={}", self.place);
        self.door.get(&path).json().as_array().unwrap().clone()
    }

    pub(super) fn said(&self) -> String {
        let path = format!(
            "/api/opencode/session/{}/message?directory={}",
            self.id, self.place
        );
        self.door.get(&path).body
    }

    fn told(&self) -> Vec<Value> {
        let list = self.agent.ask(&["notices", "list", "--json"]);
        serde_json::from_str::<Value>(&list)
            .unwrap()
            .as_array()
            .unwrap()
            .clone()
    }
}

#[test]
fn a_permission_is_answered_on_its_bubble_and_a_forged_press_does_nothing() {
    let desktop = Desktop::complete();
    let model = block_on(Model::start(0)).unwrap();
    with_model(&desktop, &model);
    let mut agent = Resident::start(&desktop, &["--background"]);
    let talk = Talk::begin(&agent, &desktop);
    let shown = || desktop.ask("dunstctl", &["count", "displayed"]);
    let marker = desktop.home().path().join("ran");
    let prompt = |name: &str| {
        talk.prompt(&format!(
            "Go [[tool:bash {{\"command\":\"echo once >> {}\",\"description\":\"{name}\"}}]] [[text:finished {name}]]",
            marker.display()
        ));
        until("the request to be told", PATIENCE, || {
            (talk.waiting().len() == 1 && shown() == "1").then_some(())
        });
    };
    prompt("first");

    // Another program of this session says that a button was pressed.
    for number in 1..6 {
        for name in ["allow", "Allow once", "0", "1"] {
            desktop.bus(&[
                "emit",
                "/org/freedesktop/Notifications",
                "org.freedesktop.Notifications",
                "ActionInvoked",
                "us",
                &number.to_string(),
                name,
            ]);
        }
    }
    let log = || fs::read_to_string(desktop.home().nexus().join("logs/agent.jsonl")).unwrap();
    until("the forgeries to be noticed", PATIENCE, || {
        (log().matches("pretended that a notice was clicked").count() == 20).then_some(())
    });
    assert_eq!(talk.waiting().len(), 1, "a forged press answered");
    assert!(!marker.exists());

    desktop.press("Allow once");
    until("the answer", PATIENCE, || {
        // Once in the prompt, once in the answer.
        (talk.said().matches("finished first").count() >= 2).then_some(())
    });
    assert_eq!(fs::read_to_string(&marker).unwrap(), "once\n");
    until("the bubble to go", PATIENCE, || {
        (shown() != "1" || talk.told().len() > 1).then_some(())
    });
    let asked = talk.told();
    let asked = asked
        .iter()
        .find(|told| told["title"].as_str().unwrap().contains("waits"))
        .unwrap();
    assert_eq!(asked["read"], true, "{asked}");

    desktop.ask("dunstctl", &["close-all"]);
    prompt("second");
    desktop.press("Reject");
    until("the request to be gone", PATIENCE, || {
        talk.waiting().is_empty().then_some(())
    });
    assert_eq!(
        fs::read_to_string(&marker).unwrap(),
        "once\n",
        "it ran although it was rejected"
    );

    // Late: the request is gone, and a third press finds nothing to press.
    desktop.press("Allow once");
    assert_eq!(fs::read_to_string(&marker).unwrap(), "once\n");
    agent.ask(&["quit", "--now"]);
    agent.ended();
    agent.assert_gone();
}

#[test]
fn a_session_that_is_done_is_told_once_and_read_by_looking_at_it() {
    let desktop = Desktop::complete();
    let model = block_on(Model::start(0)).unwrap();
    with_model(&desktop, &model);
    let mut agent = Resident::start(&desktop, &["--background"]);
    let talk = Talk::begin(&agent, &desktop);

    talk.prompt("Go [[text:all is well]]");
    let told = until("it to be told", PATIENCE, || talk.told().into_iter().next());
    talk.door.get(&format!("/chat/{}", talk.id));
    until("it to be read", PATIENCE, || {
        (talk.told()[0]["read"] == true).then_some(())
    });

    assert_eq!(told["title"], "Deploy is done");
    assert!(told["body"].as_str().unwrap().contains("all is well"), "{told}");
    assert_eq!(told["page"], format!("/chat/{}", talk.id));
    assert_eq!(talk.told().len(), 1);
    agent.ask(&["quit", "--now"]);
    agent.ended();
    agent.assert_gone();
}

/// A program in opencode's place that ends at once, until the file beside it is there.
fn failing(desktop: &Desktop) -> std::path::PathBuf {
    let folder = desktop.home().path().join("bin");
    fs::create_dir_all(&folder).unwrap();
    let (path, mended) = (folder.join("opencode"), folder.join("mended"));
    let stub = std::path::Path::new(env!("CARGO_BIN_EXE_nexus")).with_file_name("opencode-stub");
    fs::write(
        &path,
        format!(
            "#!/bin/sh\nif [ \"$1\" = serve ] && [ ! -e '{}' ]; then echo boom >&2; exit 1; fi\nexec '{}' \"$@\"\n",
            mended.display(),
            stub.display()
        ),
    )
    .unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    mended
}

#[test]
fn an_outage_is_one_bubble_that_its_end_replaces() {
    let mut desktop = Desktop::bare();
    desktop.add(Part::Notes);
    let mended = failing(&desktop);
    let path = mended.with_file_name("opencode");
    desktop.home().settings(&format!(
        "[opencode]\npath = \"{}\"\n[opencode.restart]\ninitial_delay_s = 1\nmax_delay_s = 1\n",
        path.display()
    ));
    let mut agent = Resident::start(&desktop, &["--background"]);
    let of_opencode = || -> Vec<String> {
        desktop
            .notes()
            .into_iter()
            .filter(|note| note.contains("opencode "))
            .collect()
    };

    until("the outage to be told", PATIENCE, || {
        (of_opencode().len() == 2).then_some(())
    });
    fs::write(&mended, "").unwrap();
    agent.ask(&["server", "start"]);
    until("its end to be told", PATIENCE, || {
        (of_opencode().len() == 3).then_some(())
    });

    let notes = of_opencode();
    assert!(notes[0].contains("opencode is restarting"), "{notes:#?}");
    assert!(
        notes[1].contains("does not stay up") && notes[1].contains("boom"),
        "{notes:#?}"
    );
    assert!(notes[2].contains("opencode is back"), "{notes:#?}");
    // The second and the third name the first as what they replace; none has buttons, as this service shows none.
    let replaces: Vec<&str> = notes
        .iter()
        .map(|note| {
            note.split("\"OpenCode Nexus\" ")
                .nth(1)
                .unwrap()
                .split(' ')
                .next()
                .unwrap()
        })
        .collect();
    assert_eq!(replaces[0], "0");
    assert!(replaces[1] != "0" && replaces[1] == replaces[2], "{replaces:?}");
    agent.ask(&["quit", "--now"]);
    agent.ended();
}

#[test]
fn at_quiet_hours_and_while_paused_there_are_no_bubbles_and_nothing_is_lost() {
    let mut desktop = Desktop::bare();
    desktop.add(Part::Notes);
    let mut agent = Resident::start(&desktop, &["--background"]);
    let told = |agent: &Resident<'_>| -> usize {
        let list: Value = serde_json::from_str(&agent.ask(&["notices", "list", "--json"])).unwrap();
        let of_password = list
            .as_array()
            .unwrap()
            .iter()
            .filter(|told| told["title"].as_str().unwrap().contains("password"));
        of_password
            .map(|told| told["times"].as_u64().unwrap())
            .sum::<u64>() as usize
    };
    let shown = || {
        desktop
            .notes()
            .iter()
            .filter(|note| note.contains("password"))
            .count()
    };

    // All day but its last minute.
    agent.ask(&["settings", "set", "notices.quiet_from", "00:00"]);
    agent.ask(&["settings", "set", "notices.quiet_to", "23:59"]);
    agent.ask(&["password", "generate"]);
    until("the first to be told", PATIENCE, || {
        (told(&agent) == 1).then_some(())
    });
    agent.ask(&["settings", "reset", "notices.quiet_from"]);
    agent.ask(&["notices", "pause"]);
    agent.ask(&["password", "generate"]);
    until("the second to be told", PATIENCE, || {
        (told(&agent) == 2).then_some(())
    });
    assert_eq!(shown(), 0);
    agent.ask(&["notices", "resume"]);
    agent.ask(&["password", "generate"]);
    until("the third to be told", PATIENCE, || {
        (told(&agent) == 3).then_some(())
    });
    until("a bubble", PATIENCE, || (shown() == 1).then_some(()));

    agent.ask(&["notices", "read"]);
    assert!(
        !agent
            .ask(&["notices", "list", "--json"])
            .contains("\"read\":false")
    );
    agent.ask(&["quit", "--now"]);
    agent.ended();
}
