//! Lines that hold each other: each is kept with a hash over the one before and itself.
//!
//! The hash of a line is the SHA-256 of the hash before it, as 64 hex digits, and the line's text. Before the first line
//! stand 64 zeros. Whoever has an export can check it with any SHA-256.
//!
//! There is no key in it: what is seen is a line that was changed, not a whole log that was written anew by somebody who
//! has the account. Whoever wants to notice that keeps an export elsewhere.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::hear::Heard;
use crate::token;

/// What stands before the first line.
pub const BEGINNING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A line as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Counts from 1, without gaps.
    pub seq: i64,
    /// JSON: `seq`, `at`, `event`, and what belongs to it.
    pub text: String,
    /// 64 hex digits.
    pub hash: String,
}

/// The first line that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// It was changed, or it was put there by somebody who does not know how.
    #[error("line {0} is not the one that was written")]
    Changed(i64),
    /// It is gone.
    #[error("line {0} is missing")]
    Missing(i64),
}

impl Line {
    /// The line that follows on `before`.
    pub fn after(before: &str, seq: i64, heard: &Heard) -> Self {
        let mut text = heard.fields.clone();
        text.insert("seq".to_owned(), json!(seq));
        text.insert("at".to_owned(), json!(kit::time::rfc3339(heard.at)));
        text.insert("event".to_owned(), json!(heard.event));
        let text = Value::Object(text).to_string();
        Self {
            seq,
            hash: hash(before, &text),
            text,
        }
    }

    /// Its members, for showing; `hash` among them. Whatever it was made to say by others is its `text`.
    pub fn members(&self) -> Map<String, Value> {
        let mut members = match serde_json::from_str(&self.text) {
            Ok(Value::Object(members)) => members,
            Ok(_) | Err(_) => Map::from_iter([("text".to_owned(), json!(self.text))]),
        };
        members.insert("hash".to_owned(), json!(self.hash));
        members
    }

    /// What it tells people.
    pub fn told(&self) -> Told {
        let mut members = self.members();
        let mut take = |name: &str| {
            members
                .remove(name)
                .map(|value| plain(&value))
                .unwrap_or_default()
        };
        let (at, event, text) = (take("at"), take("event"), take("text"));
        members.remove("seq");
        members.remove("hash");
        let others = members.into_iter().map(|(name, value)| (name, plain(&value)));
        Told {
            at,
            event,
            text,
            others: others.collect(),
        }
    }

    /// As it stands in an export, so that the hash can be computed from it: `hash`, and the text as it was hashed.
    pub fn exported(&self) -> Value {
        json!({"line": self.text, "hash": self.hash})
    }
}

/// A line in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// E.g. `2026-01-31T10:00:00Z`.
    pub at: String,
    /// E.g. `login`.
    pub event: String,
    /// A sentence.
    pub text: String,
    /// Name and value of what else belongs to it.
    pub others: Vec<(String, String)>,
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn hash(before: &str, text: &str) -> String {
    let digest = Sha256::new()
        .chain_update(before.as_bytes())
        .chain_update(text.as_bytes())
        .finalize();
    token::hex(&digest)
}

/// Goes along lines and stops at the first that does not fit.
pub struct Check {
    seq: i64,
    hash: String,
}

impl Check {
    /// Begins after the line `seq` with this hash.
    pub fn after(seq: i64, hash: String) -> Self {
        Self { seq, hash }
    }

    /// Takes the next line.
    pub fn next(&mut self, line: &Line) -> Result<(), Broken> {
        let expected = self.seq + 1;
        if line.seq != expected {
            return Err(Broken::Missing(expected));
        }
        let says = serde_json::from_str::<Value>(&line.text).ok();
        let is_own = says.is_some_and(|members| members["seq"] == json!(line.seq));
        if !is_own || hash(&self.hash, &line.text) != line.hash {
            return Err(Broken::Changed(line.seq));
        }
        self.seq = line.seq;
        self.hash.clone_from(&line.hash);
        Ok(())
    }

    /// The end, where `last` is the number of the last line that was ever written.
    pub fn end(&self, last: i64) -> Result<(), Broken> {
        if self.seq < last {
            return Err(Broken::Missing(self.seq + 1));
        }
        Ok(())
    }
}
