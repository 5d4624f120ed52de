//! `nexus status`.

use serde_json::Value;

use super::{
    Cx,
    print::{self, Format},
};
use crate::control::{Client, Failure, Request};

pub(super) fn show(cx: &Cx, watch: bool) -> Result<(), Failure> {
    let mut client = Client::require(&cx.dirs.run)?;
    if !watch {
        let status = client.ask(&Request::Status)?;
        tell(&status, cx.format);
        return Ok(());
    }
    client.send(&Request::Watch)?;
    while let Some(status) = client.receive()? {
        if !tell(&status, cx.format) {
            break;
        }
    }
    Ok(())
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
