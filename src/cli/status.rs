//! `nexus status`.

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{
    Cx,
    print::{self, Format},
};
use crate::control::{Client, Failure, Request};

/// How often a wait is counted.
const TICK: Duration = Duration::from_secs(1);

pub(super) fn show(cx: &Cx, watch: bool) -> Result<(), Failure> {
    let mut client = Client::require(&cx.dirs.run)?;
    if !watch {
        let status = client.ask(&Request::Status)?;
        tell(&status, cx.format);
        return Ok(());
    }
    client.send(&Request::Watch)?;
    if cx.format == Format::Text && print::is_terminal() {
        return count_down(client);
    }
    while let Some(status) = client.receive()? {
        if !tell(&status, cx.format) {
            break;
        }
    }
    Ok(())
}

/// Tells each change; in the last line runs the time to what is waited for. The agent tells changes only, and time that
/// passes is none.
fn count_down(mut client: Client) -> Result<(), Failure> {
    let (sender, told) = mpsc::channel();
    std::thread::spawn(move || {
        loop {
            let received = client.receive();
            let is_last = !matches!(received, Ok(Some(_)));
            if sender.send(received).is_err() || is_last {
                return;
            }
        }
    });
    let mut told_at = Instant::now();
    let mut waits = Vec::new();
    loop {
        let left = count(&waits, told_at.elapsed());
        if !print::running(&left) {
            return Ok(());
        }
        let received = if left.is_empty() {
            told.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            told.recv_timeout(TICK)
        };
        match received {
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Ok(received) => {
                let Some(status) = received? else {
                    return Ok(());
                };
                if !print::running("") || !tell(&status, Format::Text) {
                    return Ok(());
                }
                told_at = Instant::now();
                waits = next_attempts(&status);
            }
        }
    }
}

/// The parts that try again, and in how many seconds.
fn next_attempts(status: &Value) -> Vec<(String, f64)> {
    let modules = status["modules"].as_object();
    let waits = modules.into_iter().flatten().filter_map(|(id, module)| {
        let wait = module["next_attempt_in_s"].as_f64()?;
        Some((id.clone(), wait))
    });
    waits.collect()
}

/// What is left of the waits, in one line; empty when there are none.
fn count(waits: &[(String, f64)], passed: Duration) -> String {
    let left: Vec<String> = waits
        .iter()
        .map(|(id, wait)| (id, wait - passed.as_secs_f64()))
        .filter(|(_, left)| *left > 0.0)
        .map(|(id, left)| format!("{id}: next attempt in {}", duration(left.ceil())))
        .collect();
    left.join(" · ")
}

fn tell(status: &Value, format: Format) -> bool {
    match format {
        Format::Json => print::json(status),
        Format::Text => describe(status).iter().all(|line| print::line(line)),
    }
}

/// One line per part, its reason below it.
fn describe(status: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("unknown").to_owned();
    let agent = &status["agent"];
    let mut lines = vec![format!(
        "nexus {}, process {}, up {}, {}",
        text(&agent["version"]),
        agent["pid"],
        duration(agent["uptime_s"].as_f64().unwrap_or(0.0)),
        match status["gateway"]["local_url"].as_str() {
            Some(url) => format!("at {url}"),
            None => "not serving yet".to_owned(),
        },
    )];
    let modules = status["modules"].as_object();
    for (id, module) in modules.into_iter().flatten() {
        let facts: Vec<String> = module["facts"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|fact| format!("{}: {}", text(&fact[0]), text(&fact[1])))
            .collect();
        let state = text(&module["state"]).replace('_', " ");
        lines.push(
            format!("{id:<12}{state:<14}{}", facts.join(" · "))
                .trim_end()
                .to_owned(),
        );
        let next = module["next_attempt_in_s"]
            .as_f64()
            .map(|wait| format!("Next attempt in {}.", duration(wait)));
        let told: Vec<&str> = module["reason"]
            .as_str()
            .into_iter()
            .chain(next.as_deref())
            .collect();
        if !told.is_empty() {
            lines.push(format!("{:12}{}", "", told.join(" ")));
        }
    }
    lines
}

fn duration(seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an uptime is neither negative nor longer than the universe"
    )]
    let seconds = seconds.max(0.0) as u64;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_wait_is_counted_down_to_its_end() {
        let status = json!({"modules": {
            "opencode": {"state": "backoff", "next_attempt_in_s": 3.4},
            "chat": {"state": "running", "next_attempt_in_s": null},
        }});
        let waits = next_attempts(&status);
        let check = |passed_ms: u64, expected: &str| {
            assert_eq!(count(&waits, Duration::from_millis(passed_ms)), expected);
        };

        check(0, "opencode: next attempt in 4 s");
        check(1000, "opencode: next attempt in 3 s");
        check(3399, "opencode: next attempt in 1 s");
        check(3400, "");
    }

    #[test]
    fn a_status_reads_as_sentences() {
        let status = json!({
            "agent": {"version": "0.1.0", "pid": 7, "uptime_s": 3_725.0},
            "gateway": {"local_url": "http://127.0.0.1:4"},
            "modules": {
                "opencode": {"state": "needs_action", "reason": "It is missing.", "next_attempt_in_s": 4.0, "facts": []},
                "chat": {"state": "running", "reason": null, "facts": [["Sessions", "3"], ["Busy", "1"]]},
            },
        });

        let mut lines = describe(&status);
        lines[1..].sort();

        let expected = [
            "nexus 0.1.0, process 7, up 1 h 2 min, at http://127.0.0.1:4",
            "            It is missing. Next attempt in 4 s.",
            "chat        running       Sessions: 3 · Busy: 1",
            "opencode    needs action",
        ];
        assert_eq!(lines, expected);
    }
}
