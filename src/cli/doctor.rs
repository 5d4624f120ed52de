//! `nexus doctor`: looks at everything the program needs and says what to do about what is missing.

mod look;

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{
    Cx,
    print::{self, Format},
};
use crate::control::{Code, Failure};

/// What one look found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// E.g. `"keyring"`.
    pub(crate) about: &'static str,
    pub(crate) verdict: Verdict,
    /// One or two sentences; what to do, where something is to be done.
    pub(crate) text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// As it should be.
    Well,
    /// Works without it.
    Lacking,
    /// A person has to do something.
    NeedsUser,
}

impl Verdict {
    fn as_str(self) -> &'static str {
        match self {
            Self::Well => "ok",
            Self::Lacking => "note",
            Self::NeedsUser => "needs you",
        }
    }
}

impl Finding {
    pub(crate) fn new(about: &'static str, verdict: Verdict, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { about, verdict, text }
    }
}

/// Looks at everything. The exit status tells whether the user has to do something.
pub(super) fn check(cx: &Cx) -> Result<ExitCode, Failure> {
    let findings = look::at_everything(cx)?;
    match cx.format {
        Format::Text => {
            let rows: Vec<Vec<String>> = findings.iter().map(row).collect();
            print::table(&rows);
        }
        Format::Json => {
            print::json(&json!({"checks": findings.iter().map(as_json).collect::<Vec<Value>>()}));
        }
    }
    let needs_user = findings
        .iter()
        .any(|finding| finding.verdict == Verdict::NeedsUser);
    Ok(if needs_user {
        ExitCode::from(Code::NeedsUser.exit_status())
    } else {
        ExitCode::SUCCESS
    })
}

fn row(finding: &Finding) -> Vec<String> {
    vec![
        finding.verdict.as_str().to_owned(),
        finding.about.to_owned(),
        finding.text.clone(),
    ]
}

fn as_json(finding: &Finding) -> Value {
    json!({"about": finding.about, "verdict": finding.verdict.as_str().replace(' ', "_"), "text": finding.text})
}
