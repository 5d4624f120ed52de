//! A turn as the rows of one column: what was asked, what was said and done, how it ended. Pure: conversation in,
//! rows out.

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash, Hasher},
};

use opencode::wire::{Assistant, Info, Part, PartKind, ToolCall, ToolState, User};

use super::{
    conversation::{Conversation, Entry, PartEntry},
    words::words,
};

/// One row. `version` changes when the row has to be drawn again.
#[derive(Debug)]
pub struct Row<'a> {
    /// What the row is named after: a part's or a message's id.
    pub key: String,
    pub version: u64,
    pub kind: RowKind<'a>,
}

/// What a row shows.
#[derive(Debug)]
pub enum RowKind<'a> {
    /// What the person wrote.
    Prompt(&'a User, Vec<&'a Part>),
    /// The model's words.
    Text { text: &'a str, is_open: bool },
    /// The model's thinking.
    Reasoning { text: &'a str, is_open: bool },
    /// One call of a tool; `asks` when it waits for the person.
    Tool {
        call: &'a ToolCall,
        waits: bool,
        is_cut: bool,
    },
    /// Several looks at files in a row.
    Looks(Vec<&'a ToolCall>),
    /// Anything else.
    Other(&'a Part),
    /// A step broke off.
    Broken(&'a Assistant),
    /// The turn is over.
    End(TurnEnd<'a>),
}

/// How a turn ended.
#[derive(Debug)]
pub struct TurnEnd<'a> {
    /// The last words, for readers who listen.
    pub last_words: Option<&'a str>,
    pub seconds: Option<u64>,
    pub cost: f64,
    pub tokens: u64,
    /// The server died in the middle of it.
    pub is_cut: bool,
}

/// The turns in order, by the id of their prompt.
pub fn turns(conversation: &Conversation) -> Vec<String> {
    let hidden_from = conversation
        .session
        .revert
        .as_ref()
        .map(|revert| revert.message_id.as_str());
    let mut seen = BTreeSet::new();
    let mut turns = Vec::new();
    for id in conversation.messages.keys() {
        if hidden_from.is_some_and(|from| id.as_str() >= from) {
            break;
        }
        let turn = conversation.turn_of(id);
        if seen.insert(turn.clone()) {
            turns.push(turn);
        }
    }
    turns
}

/// The rows of one turn.
pub fn rows<'a>(conversation: &'a Conversation, turn: &str) -> Vec<Row<'a>> {
    let mut rows = Vec::new();
    let mut steps: Vec<&Assistant> = Vec::new();
    let entries = conversation
        .messages
        .iter()
        .filter(|(id, entry)| id.as_str() == turn || is_step_of(entry, turn));
    for (_, entry) in entries {
        match &entry.info {
            Info::User(user) => prompt(&mut rows, user, entry),
            Info::Assistant(step) => {
                step_rows(&mut rows, conversation, step, entry);
                steps.push(step);
            }
            Info::Other(_) => {}
        }
    }
    let mut rows = folded(rows);
    if let Some(end) = end(conversation, turn, &steps, &rows) {
        let version = stamp(&(
            end.seconds,
            end.tokens,
            end.cost.to_bits(),
            end.is_cut,
            end.last_words.map(str::len),
        ));
        rows.push(Row {
            key: format!("end-{turn}"),
            version,
            kind: RowKind::End(end),
        });
    }
    rows
}

fn is_step_of(entry: &Entry, turn: &str) -> bool {
    matches!(&entry.info, Info::Assistant(step) if step.parent_id == turn)
}

fn prompt<'a>(rows: &mut Vec<Row<'a>>, user: &'a User, entry: &'a Entry) {
    let mut parts = Vec::new();
    for part in entry.parts.values() {
        match &part.part.kind {
            PartKind::Text {
                is_synthetic: true, ..
            } => {}
            PartKind::Compaction { .. } | PartKind::Subtask { .. } => rows.push(other(part)),
            PartKind::Text { .. } | PartKind::File(_) | PartKind::Agent { .. } => parts.push(&part.part),
            PartKind::Reasoning { .. }
            | PartKind::Tool(_)
            | PartKind::StepStart { .. }
            | PartKind::StepFinish { .. }
            | PartKind::Patch { .. }
            | PartKind::Snapshot { .. }
            | PartKind::Retry { .. }
            | PartKind::Other { .. } => {}
        }
    }
    if !parts.is_empty() {
        let version = stamp(&entry.parts.values().map(|part| part.version).collect::<Vec<_>>());
        rows.push(Row {
            key: user.id.clone(),
            version,
            kind: RowKind::Prompt(user, parts),
        });
    }
}

fn step_rows<'a>(
    rows: &mut Vec<Row<'a>>,
    conversation: &'a Conversation,
    step: &'a Assistant,
    entry: &'a Entry,
) {
    let dropped = abandoned(entry);
    let is_live = conversation.is_busy() && step.time.completed.is_none();
    for (id, part) in &entry.parts {
        if dropped.contains(id.as_str()) {
            continue;
        }
        match &part.part.kind {
            PartKind::Text { .. } | PartKind::Reasoning { .. } => {
                rows.extend(said(part, is_live));
            }
            PartKind::Tool(call) => rows.push(tool(conversation, part, call, is_live)),
            PartKind::File(_)
            | PartKind::Patch { .. }
            | PartKind::Compaction { .. }
            | PartKind::Subtask { .. }
            | PartKind::Other { .. } => {
                rows.push(other(part));
            }
            PartKind::Agent { .. }
            | PartKind::StepStart { .. }
            | PartKind::StepFinish { .. }
            | PartKind::Snapshot { .. }
            | PartKind::Retry { .. } => {}
        }
    }
    if let Some(error) = &step.error {
        rows.push(Row {
            key: format!("broken-{}", step.id),
            version: stamp(&(&error.name, error.message())),
            kind: RowKind::Broken(step),
        });
    }
}

fn said(part: &PartEntry, is_live: bool) -> Option<Row<'_>> {
    let (text, is_complete) = words(&part.part)?;
    let is_open = is_live && !is_complete;
    if text.trim().is_empty() && !is_open {
        return None;
    }
    let part_id = part.part.id.as_str();
    let is_reasoning = matches!(part.part.kind, PartKind::Reasoning { .. });
    let kind = if is_reasoning {
        RowKind::Reasoning { text, is_open }
    } else {
        RowKind::Text { text, is_open }
    };
    Some(Row {
        key: part_id.to_owned(),
        version: stamp(&(part.version, is_open)),
        kind,
    })
}

fn tool<'a>(conversation: &Conversation, part: &'a PartEntry, call: &'a ToolCall, is_live: bool) -> Row<'a> {
    let is_about = |tool: &Option<opencode::wire::ToolRef>| {
        tool.as_ref()
            .is_some_and(|tool| tool.call_id == call.call_id && tool.message_id == part.part.message_id)
    };
    let waits = conversation
        .permissions
        .values()
        .any(|asked| is_about(&asked.tool))
        || conversation.questions.values().any(|asked| is_about(&asked.tool));
    let is_over = matches!(call.state, ToolState::Completed { .. } | ToolState::Error { .. });
    let is_cut = !is_over && !is_live;
    Row {
        key: part.part.id.clone(),
        version: stamp(&(part.version, waits, is_cut)),
        kind: RowKind::Tool { call, waits, is_cut },
    }
}

fn other(part: &PartEntry) -> Row<'_> {
    Row {
        key: part.part.id.clone(),
        version: stamp(&part.version),
        kind: RowKind::Other(&part.part),
    }
}

/// Words of attempts that were given up: each new attempt of a step starts with a `step-start` and repeats them.
fn abandoned(entry: &Entry) -> BTreeSet<&str> {
    let mut dropped = BTreeSet::new();
    let mut attempt: Vec<&str> = Vec::new();
    for (id, part) in &entry.parts {
        match &part.part.kind {
            PartKind::StepStart { .. } => dropped.extend(attempt.drain(..)),
            PartKind::StepFinish { .. } => attempt.clear(),
            PartKind::Text { .. } | PartKind::Reasoning { .. } => attempt.push(id),
            PartKind::Tool(_)
            | PartKind::File(_)
            | PartKind::Patch { .. }
            | PartKind::Agent { .. }
            | PartKind::Subtask { .. }
            | PartKind::Snapshot { .. }
            | PartKind::Retry { .. }
            | PartKind::Compaction { .. }
            | PartKind::Other { .. } => {}
        }
    }
    dropped
}

/// Whether a call only looks at something and went well: such calls fold into one row.
fn is_look(call: &ToolCall) -> bool {
    matches!(call.tool.as_str(), "read" | "glob" | "grep" | "list")
        && matches!(call.state, ToolState::Completed { .. })
}

/// Folds runs of looks.
fn folded(rows: Vec<Row<'_>>) -> Vec<Row<'_>> {
    let mut folded: Vec<Row<'_>> = Vec::new();
    for row in rows {
        let RowKind::Tool { call, .. } = &row.kind else {
            folded.push(row);
            continue;
        };
        let call = *call;
        if !is_look(call) {
            folded.push(row);
            continue;
        }
        match folded.last_mut() {
            Some(Row {
                version,
                kind: RowKind::Looks(looks),
                ..
            }) => {
                looks.push(call);
                *version = stamp(&(*version, row.version));
            }
            Some(_) | None => folded.push(Row {
                key: format!("looks-{}", row.key),
                version: row.version,
                kind: RowKind::Looks(vec![call]),
            }),
        }
    }
    folded
}

fn end<'a>(
    conversation: &Conversation,
    turn: &str,
    steps: &[&'a Assistant],
    rows: &[Row<'a>],
) -> Option<TurnEnd<'a>> {
    let last = steps.last()?;
    let is_newest = conversation.last_step().is_some_and(|step| step.id == last.id);
    if is_newest && conversation.is_busy() {
        return None;
    }
    let is_cut = last.time.completed.is_none() && last.error.is_none();
    let asked_at = match conversation.messages.get(turn).map(|entry| &entry.info) {
        Some(Info::User(user)) => Some(user.time.created.0),
        Some(Info::Assistant(_) | Info::Other(_)) | None => steps.first().map(|step| step.time.created.0),
    };
    let last_words = rows.iter().rev().find_map(|row| {
        let RowKind::Text { text, .. } = &row.kind else {
            return None;
        };
        Some(*text)
    });
    Some(TurnEnd {
        last_words: if is_newest { last_words } else { None },
        seconds: asked_at
            .zip(last.time.completed)
            .map(|(from, to)| to.0.saturating_sub(from) / 1000),
        cost: steps.iter().map(|step| step.cost).sum(),
        tokens: last.tokens.context(),
        is_cut,
    })
}

fn stamp(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
