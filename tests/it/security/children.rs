//! What the processes of the program are given, and what of their memory may be written down.

use std::fs;

use super::{PASSWORD, server_password, set_password};
use crate::harness::{Agent, Pid, Processes, with_input};

const CANARY: &str = "canary-inherited-7731";
const TOKEN: &str = "canary-token-7732";

/// The variables of a process, as `NAME=value`.
fn environment(pid: Pid) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let entries = bytes.split(|byte| *byte == 0);
    entries
        .map(|entry| String::from_utf8_lossy(entry).into_owned())
        .collect()
}

#[test]
fn the_server_password_is_in_one_variable_of_the_server_and_no_other_secret_in_any() {
    let mut options = Agent::options().settings("[secrets]\nfile = true");
    // As left behind in a shell by somebody who runs a server or a tunnel by hand.
    for name in ["OPENCODE_SERVER_PASSWORD", "TUNNEL_TOKEN", "NEXUS_PASSWORD"] {
        options.env(name, CANARY);
    }
    let agent = options.start();
    let server = agent.healthy();
    set_password(&agent);
    let mut secret = agent.command(&["secret", "set", "tunnel-token", "--stdin"]);
    assert!(with_input(&mut secret, TOKEN).status.success());
    let password = server_password(server);

    let given = environment(server);
    let holding: Vec<&str> = given
        .iter()
        .filter(|entry| entry.contains(&password))
        .filter_map(|entry| entry.split('=').next())
        .collect();
    assert_eq!(holding, ["OPENCODE_SERVER_PASSWORD"]);
    for secret in [CANARY, TOKEN, PASSWORD] {
        assert!(!given.iter().any(|entry| entry.contains(secret)), "{secret}");
    }
    let others: Vec<Pid> = Processes::below(agent.home().path())
        .into_iter()
        .filter(|pid| !is_opencode(&Processes::command(*pid)))
        .collect();
    assert!(others.contains(&agent.pid()) && others.contains(&agent.monitor()));
    for pid in others {
        for secret in [&password, TOKEN, PASSWORD] {
            let holds = |text: &str| text.contains(secret);
            assert!(
                !environment(pid).iter().any(|entry| holds(entry)),
                "{secret} in {pid}"
            );
            assert!(
                !holds(&Processes::command(pid)),
                "{secret} in the arguments of {pid}"
            );
        }
    }
    agent.quit();
}

/// How a core file of a 64-bit machine begins: ELF's mark, and the type 4 (elf(5)).
const CORE: &[u8] = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x04";

/// How large a core file of this process may be, in bytes.
fn core_bytes_max(pid: Pid) -> u64 {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max core file size"));
    let soft = line.unwrap().split_whitespace().nth(4).unwrap();
    soft.parse().unwrap_or(u64::MAX)
}

#[test]
fn no_process_that_holds_a_secret_leaves_its_memory_in_a_file() {
    // A shell that allows core files, as developers' do.
    let allow = ["sh", "-c", "ulimit -c unlimited && exec \"$0\" \"$@\""];
    let agent = Agent::options().under(&allow).start();
    let server = agent.healthy();
    set_password(&agent);

    // One byte: with none the kernel would still hand the memory to a program that collects crashes.
    assert_eq!(core_bytes_max(agent.monitor()), 1);
    assert_eq!(core_bytes_max(agent.pid()), 1);
    assert_eq!(core_bytes_max(server), 0);
    let (agent_before, folder) = (agent.pid(), agent.home().path().to_owned());
    Processes::signal(agent_before, "ABRT");
    agent.wait_for("the agent to be back", |status| {
        let pid = status["modules"]["opencode"]["pid"].as_u64();
        status["modules"]["opencode"]["state"] == "healthy" && pid != Some(server.into())
    });

    assert_ne!(agent.pid(), agent_before);
    let cores: Vec<_> = super::files(&folder)
        .into_iter()
        .filter(|(_, content)| content.starts_with(CORE))
        .map(|(path, _)| path)
        .collect();
    assert!(cores.is_empty(), "{cores:?}");
    agent.quit();
}

/// Whether a command line starts opencode; folders may be named after it, too.
fn is_opencode(command: &str) -> bool {
    let program = command.split([' ', '\0']).next().unwrap_or_default();
    program
        .rsplit('/')
        .next()
        .is_some_and(|name| name.contains("opencode"))
}
