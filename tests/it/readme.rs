//! Every command of the README does what the README says.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use crate::harness::{Agent, Home, PATIENCE, Processes, Session, model, until, with_input};

/// Commands other stories and the build machine run: where, and the line there that runs it.
const SHOWN_ELSEWHERE: &[(&str, &str, &str)] = &[
    (
        "installers/dev run --demo",
        "tests/it/readme.rs",
        concat!(".args([", r#""run", "--demo""#, "])"),
    ),
    (
        "installers/dev run",
        "tests/it/readme.rs",
        concat!(".arg(", r#""run""#, ")"),
    ),
    ("installers/dev test", ".ci/run", "installers/dev test"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The cache folder with opencode in it.
fn cache() -> PathBuf {
    let opencode = crate::harness::opencode();
    let folder = opencode.parent().and_then(Path::parent).unwrap();
    assert!(
        folder
            .file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with("opencode-")
    );
    folder.parent().unwrap().to_owned()
}

/// The commands in blocks marked `sh`, without what follows a `#`.
fn commands() -> Vec<String> {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let mut is_inside = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            is_inside = line == "```sh";
        } else if is_inside {
            let command = line.split(" #").next().unwrap().trim();
            if !command.is_empty() {
                found.push(command.to_owned());
            }
        }
    }
    found
}

#[test]
fn every_command_of_the_program_works_as_written() {
    let model = model();
    let agent = Agent::options().model(&model).start();
    agent.healthy();
    let programs = Path::new(env!("CARGO_BIN_EXE_nexus")).parent().unwrap();

    for line in commands() {
        let Some(arguments) = line.strip_prefix("nexus") else {
            continue;
        };
        // These two need a display or a choice; their own stories show them.
        if arguments.is_empty() || arguments.contains("autostart") {
            continue;
        }
        let path = format!("{}:/usr/bin:/bin", programs.display());
        let output = agent
            .home()
            .command("sh")
            .env("PATH", path)
            .args(["-c", &line])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success(), "`{line}`: {output:?}");
    }
}

/// The commands in running text and tables, whole as they stand there.
fn named() -> Vec<String> {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let prose: String = text.split("```").step_by(2).collect();
    let quoted = prose.split('`').skip(1).step_by(2);
    quoted
        .filter(|words| words.starts_with("nexus "))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_command_that_is_named_is_understood() {
    let agent = Agent::options().idle().start();
    let programs = Path::new(env!("CARGO_BIN_EXE_nexus")).parent().unwrap();
    let named = named();
    assert!(named.len() > 10, "{named:?}");

    for line in named {
        let mut command = agent.home().command("sh");
        let path = format!("{}:/usr/bin:/bin", programs.display());
        command.env("PATH", path).args(["-c", &line]);
        let output = with_input(&mut command, "a secret\n");
        // What a command needs of the machine it may miss here. A wrong word in it ends with 2.
        assert_ne!(output.status.code(), Some(2), "`{line}`: {output:?}");
    }
    agent.quit();
}

#[test]
fn every_other_command_is_shown_where_the_table_says() {
    for line in commands() {
        if line.starts_with("nexus") {
            continue;
        }
        let place = SHOWN_ELSEWHERE.iter().find(|(command, ..)| *command == line);
        let (_, shown, proof) = place.unwrap_or_else(|| panic!("nothing shows that `{line}` works"));
        let text = fs::read_to_string(root().join(shown)).unwrap();
        assert!(text.contains(proof), "{shown} does not run `{line}`");
    }
}

/// `installers/dev run` on a machine without a display, with the programs built already.
#[test]
fn the_first_start_prints_where_to_begin() {
    let home = Home::new();
    let programs = Path::new(env!("CARGO_BIN_EXE_nexus")).parent().unwrap();
    let mut script = home
        .command("bash")
        .arg(root().join("installers/dev"))
        .arg("run")
        .env("NEXUS_DEV_CACHE", cache())
        .env("NEXUS_DEV_PROGRAMS", programs)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let link = BufReader::new(script.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("set up at ").map(str::to_owned))
        .expect("the first start prints a link");

    let owner = Session::by_link(&link);
    assert_eq!(owner.get("/onboarding").status, 200);

    Processes::signal(script.id(), "TERM");
    let status = until("the agent to end", Duration::from_secs(15), || {
        script.try_wait().unwrap()
    });
    assert!(status.success(), "{status}");
    home.assert_empty();
}

/// `installers/dev run --demo` with the programs built already, as on a machine where it ran before.
#[test]
fn the_demo_ends_in_a_chat_with_the_scripted_model() {
    let home = Home::new();
    let programs = Path::new(env!("CARGO_BIN_EXE_nexus")).parent().unwrap();
    let mut script = Command::new("bash")
        .arg(root().join("installers/dev"))
        .args(["run", "--demo"])
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", home.user())
        .env("NEXUS_DEV_CACHE", cache())
        .env("NEXUS_DEV_PROGRAMS", programs)
        .env("NEXUS_DEV_DEMO_HOME", home.path().join("demo"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(script.stdout.take().unwrap()).lines();
    let link = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("chat at ").map(str::to_owned))
        .expect("the demo prints a link to the chat");

    let owner = Session::by_link(&link);
    let project = home.path().join("demo/projects/hello");
    let place: String = url::form_urlencoded::byte_serialize(project.to_string_lossy().as_bytes()).collect();
    let id = until("a session to be made", PATIENCE, || {
        let answer = owner.post_json(
            &format!("/api/opencode/session?directory={place}"),
            &serde_json::json!({}),
        );
        (answer.status == 200).then(|| answer.json()["id"].as_str().unwrap().to_owned())
    });
    let sent = owner.post_json(
        &format!("/api/opencode/session/{id}/prompt_async?directory={place}"),
        &serde_json::json!({"parts": [{"type": "text", "text": "[[text:Good morning]]"}]}),
    );
    assert!(sent.status < 300, "{sent:?}");
    until("the answer", PATIENCE, || {
        let messages = owner.get(&format!("/api/opencode/session/{id}/message?directory={place}"));
        messages.body.matches("Good morning").nth(1).map(|_| ())
    });

    Processes::signal(script.id(), "INT");
    until("the demo to end", Duration::from_secs(15), || {
        script.try_wait().unwrap()
    });
    home.assert_empty();
}
