//! What somebody writes into a request, and how many there are of them.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{PASSWORD, set_password};
use crate::harness::{Agent, Cloudflare, Home, PATIENCE, Pid, until};

/// Connections at the machine's own port.
const CONNECTIONS_MAX: usize = 512;
const LOGINS_AT_ONCE: usize = 500;
/// What checking a password takes for a moment.
const HASH_KIB: u64 = 19 * 1024;
/// Long enough for an answer, had there been one.
const SOON: Duration = Duration::from_millis(300);

fn port(agent: &Agent) -> u16 {
    url::Url::parse(agent.base()).unwrap().port().unwrap()
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends bytes as they are, and gives the status.
fn status_of(port: u16, bytes: &[u8]) -> u16 {
    let mut stream = connect(port);
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    answer.split(' ').nth(1).unwrap_or("0").parse().unwrap_or(0)
}

/// What acts on a terminal or turns the order of letters around.
fn acts(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Every text in a line of the log.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::Object(fields) => {
            let of_field = |(name, value): (&String, &Value)| [vec![name.clone()], texts(value)].concat();
            fields.iter().flat_map(of_field).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

#[test]
fn a_login_is_one_line_of_plain_words_whatever_stands_in_it() {
    let home = Home::new();
    let cloudflare = Cloudflare::new(&home, "");
    let options = Agent::options().home(home).settings("[logs]\nlevel = \"trace\"");
    let agent = cloudflare.used_by(options).start();
    set_password(&agent);
    let port = port(&agent);
    let login = |target: &str, password: &str, more: &[u8]| {
        let form = format!("password={password}&next=/chat%0A%1B%5B2J%E2%80%AE");
        let mut request = format!(
            "POST {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nSec-Fetch-Site: same-origin\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n",
            form.len()
        )
        .into_bytes();
        request.extend_from_slice(more);
        request.extend_from_slice(b"\r\n");
        request.extend_from_slice(form.as_bytes());
        status_of(port, &request)
    };
    let right: String = url::form_urlencoded::byte_serialize(PASSWORD.as_bytes()).collect();
    let wrong = "x%0A%7B%22event%22%3A%22login%22%7D%1B%5D0%3Bx%07%E2%80%AE";
    let target = "/login?x=%0D%0A%1B%5B31m%E2%80%AE%C2%9B&next=%2Fchat%0Aaudit";
    // What a header may hold: bytes above ASCII, here the marks that turn letters around, and a control character of theirs.
    let marks = "User-Agent: Mozilla/5.0 (X11; \u{202e}x\u{2066}y\u{200f}) Firefox/1\u{9b}2J\r\nReferer: \u{feff}\u{2028}x\r\n";

    assert_eq!(login(target, wrong, marks.as_bytes()), 401);
    assert_eq!(login(target, &right, marks.as_bytes()), 303);
    // What none may hold.
    for forged in [
        b"User-Agent: x\x1b[2J\r\n".as_slice(),
        b"User-Agent: x\ny\r\n",
        b"User-Agent: x\r y\r\n",
        b"X\x1b: y\r\n",
        b"User-Agent: x\x07\x08\r\n",
    ] {
        assert_eq!(login(target, wrong, forged), 400, "{forged:?}");
    }
    for forged in ["/login\x1b[2J", "/login\x07", "/login\u{202e}", "/lo\tgin"] {
        assert_eq!(login(forged, wrong, b""), 400, "{forged:?}");
    }

    // What a device from outside is called is chosen there, and told to the owner.
    agent.healthy();
    agent.ask(&["tunnel", "start"]);
    let phone = cloudflare.visitor(&agent.ask(&["tunnel", "url"]));
    let link = agent.ask(&["devices", "pair"]);
    let code = link.lines().next().unwrap().split("code=").nth(1).unwrap();
    let name = "\u{202e}enohp\u{200d}\n\u{1b}]0;x\u{7}{\"event\":\"login\"}\u{2028}";
    assert_eq!(
        phone.post_form("/pair", &[("code", code), ("name", name)]).status,
        303
    );

    agent.wait_for_log("enohp");
    let shown = agent.ask(&["logs", "--json"]);
    let home = agent.quit();
    let mut logins = Vec::new();
    for entry in fs::read_dir(home.nexus().join("logs")).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        for line in String::from_utf8(bytes).unwrap().split_terminator('\n') {
            assert!(!line.contains(acts), "{line:?}");
            let read: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
            for text in texts(&read) {
                assert!(!text.contains(acts), "{text:?}");
            }
            if read["fields"]["event"] == "login" {
                logins.push(line.to_owned());
            }
        }
    }
    assert_eq!(logins.len(), 2, "{logins:#?}");
    assert!(logins[0].contains("\"result\":\"wrong\"") && logins[1].contains("\"result\":\"right\""));
    assert!(!shown.replace('\n', "").contains(acts));
}

#[test]
fn a_full_port_keeps_the_next_one_waiting_and_gives_a_free_place_again() {
    // As many files as systems give a program that does not ask for more.
    let agent = Agent::options().under(&["prlimit", "--nofile=1024:1024"]).start();
    let owner = agent.enter();
    let port = port(&agent);
    let ask = |path: &str| {
        let cookie = owner.cookie().unwrap();
        format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\n\r\n").into_bytes()
    };
    let is_answered = |stream: &mut TcpStream| {
        stream.set_read_timeout(Some(SOON * 10)).unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).is_ok() && &head == b"HTTP/1.1 200"
    };
    let page = ask("/api/status");
    // The first is the owner's own, which stays open between requests.
    let mut seated = Vec::new();
    for number in 1..CONNECTIONS_MAX {
        let mut stream = connect(port);
        stream.write_all(&page).unwrap();
        assert!(is_answered(&mut stream), "{number}");
        seated.push(stream);
    }
    assert_eq!(owner.get("/chat").status, 200);

    let mut next = connect(port);
    next.write_all(&page).unwrap();
    next.set_read_timeout(Some(SOON)).unwrap();
    let nothing = next.read(&mut [0; 1]).unwrap_err();
    assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    // Those who have a place are served, and nobody else is out of files.
    assert_eq!(owner.get("/chat").status, 200);
    agent.healthy();
    seated.swap_remove(100);

    assert!(is_answered(&mut next));
    drop((next, seated));
    // Nothing is left of them.
    let pid = agent.pid();
    until("the connections to be gone", PATIENCE, || {
        let open = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
        (open < 100).then_some(())
    });
    agent.quit();
}

/// The most memory of its own a process has had since it was last asked to forget it, in KiB.
fn peak_kib(pid: Pid) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.unwrap().trim().trim_end_matches(" kB");
    kib.parse().unwrap()
}

#[test]
fn a_storm_of_logins_costs_the_memory_of_two_and_holds_up_nobody() {
    let agent = Agent::options().start();
    set_password(&agent);
    agent.healthy();
    let owner = agent.enter();
    let port = port(&agent);
    let form = "password=not+the+password+at+all&next=/chat";
    let request = format!(
        "POST /login HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nSec-Fetch-Site: same-origin\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    let pid = agent.pid();
    // From here on the peak is counted anew.
    fs::write(format!("/proc/{pid}/clear_refs"), "5").expect("the kernel forgets a peak when asked to");
    let before_kib = peak_kib(pid);

    let storm: Vec<_> = (0..LOGINS_AT_ONCE)
        .map(|_| {
            let mut stream = connect(port);
            stream.write_all(request.as_bytes()).unwrap();
            stream
        })
        .collect();
    let begun = Instant::now();
    assert_eq!(owner.get("/chat").status, 200);
    let page = begun.elapsed();
    let mut statuses = Vec::new();
    for mut stream in storm {
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        statuses.push(String::from_utf8_lossy(&answer[9..12]).into_owned());
    }

    let grown_kib = peak_kib(pid).saturating_sub(before_kib);
    let count = |status: &str| statuses.iter().filter(|given| *given == status).count();
    // One source has five tries, which are more than are computed at once.
    assert_eq!((count("401"), count("429")), (5, LOGINS_AT_ONCE - 5));
    assert!(grown_kib <= 2 * HASH_KIB + 20 * 1024, "{grown_kib} KiB");
    assert!(grown_kib >= HASH_KIB / 2, "{grown_kib} KiB: nothing was computed");
    assert!(page <= Duration::from_secs(1), "{page:?}");
    agent.quit();
}
