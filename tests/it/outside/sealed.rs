//! Nothing of it can be reached but the one port, and cloudflared has no more than it needs.

use std::{collections::HashSet, fs, os::unix::fs::PermissionsExt};

use super::{PASSWORD, ready, set_password, switch_on, tunnel};
use crate::harness::{Agent, Cloudflare, Home, Pid, Processes, Session};

#[test]
fn whatever_listens_listens_for_this_machine_alone() {
    let home = Home::new();
    let cloudflare = Cloudflare::new(&home, "");
    let agent = cloudflare.used_by(Agent::options().home(home)).start();
    set_password(&agent);
    let server = agent.healthy();
    switch_on(&agent);

    let all = Processes::below(agent.home().path());
    for pid in &all {
        for address in Processes::listening(*pid) {
            let command = Processes::command(*pid);
            assert!(address.ip().is_loopback(), "{address}: {command}");
        }
    }
    let count = |pid: Pid| {
        assert!(all.contains(&pid), "{pid}: {all:?}");
        Processes::listening(pid).len()
    };
    // The pages and the guarded port; the server; what cloudflared says of itself.
    assert_eq!((count(agent.pid()), count(server)), (2, 1));
    assert!(count(cloudflare.pid()) >= 1);
    assert_eq!(count(agent.monitor()), 0);
    agent.quit();
}

#[test]
fn cloudflared_has_its_own_configuration_and_nothing_of_the_agent_s() {
    let home = Home::new();
    let theirs = home.user().join(".cloudflared");
    fs::create_dir_all(&theirs).unwrap();
    fs::write(
        theirs.join("config.yml"),
        "ingress:\n  - service: http://127.0.0.1:4096\n",
    )
    .unwrap();
    let cloudflare = Cloudflare::new(&home, "");
    let agent = cloudflare.used_by(Agent::options().home(home).idle()).start();
    set_password(&agent);

    let url = switch_on(&agent);

    // What its user has for other tunnels leads nobody astray.
    assert_eq!(cloudflare.visitor(&url).get("/login").status, 200);
    let pid = cloudflare.pid();
    let command = Processes::command(pid);
    let config = agent.home().nexus().join("run/cloudflared/cloudflared.yml");
    assert!(
        command.contains(&format!("--config {} ", config.display())),
        "{command}"
    );
    assert_eq!(fs::metadata(&config).unwrap().permissions().mode() & 0o777, 0o600);
    let folder = fs::metadata(config.parent().unwrap()).unwrap();
    assert_eq!(folder.permissions().mode() & 0o777, 0o700);
    let of_agent: HashSet<String> = Processes::open(agent.pid()).into_iter().collect();
    for held in Processes::open(pid) {
        let is_its_own = ["/dev/null", "pipe:", "anon_inode:", "socket:"]
            .iter()
            .any(|kind| held.starts_with(kind));
        assert!(is_its_own, "{held} is open in cloudflared");
        let is_shared = held.starts_with("socket:") && of_agent.contains(&held);
        assert!(!is_shared, "{held} is the agent's");
    }
    agent.quit();
}

#[test]
fn that_cloudflare_can_read_it_is_said_before_and_after() {
    let (agent, _cloudflare) = ready("");
    let owner = Session::by_link(&agent.ask(&["open", "--print-url"]));
    let reads = "Cloudflare can read the traffic";

    let page = owner.get("/tunnel").body;

    assert!(
        page.find(reads).unwrap() < page.find("Switch on").unwrap(),
        "{page}"
    );
    assert!(
        page.contains("A quick tunnel is meant for trying things out"),
        "{page}"
    );
    let help = agent.ask(&["tunnel", "--help"]);
    assert!(
        help.contains("through Cloudflare, which can read the traffic"),
        "{help}"
    );
    let said = agent.ask(&["tunnel", "start"]);
    assert!(
        said.contains(reads) && said.contains("only your password"),
        "{said}"
    );
    assert!(!said.contains(PASSWORD));
    assert_eq!(tunnel(&agent.status())["state"], "connected");
    agent.quit();
}
