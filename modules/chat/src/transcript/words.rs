//! The words of parts: which grow, which are complete, which of two tellings is the newer one.

use opencode::wire::{Part, PartKind, ToolState};

/// The text of a part that is still being written; late deltas of finished parts count for nothing.
pub fn open_text(part: &mut Part) -> Option<&mut String> {
    match &mut part.kind {
        PartKind::Text { text, time, .. } | PartKind::Reasoning { text, time } => {
            let is_finished = time.is_some_and(|time| time.end.is_some());
            (!is_finished).then_some(text)
        }
        PartKind::Tool(_)
        | PartKind::File(_)
        | PartKind::StepStart { .. }
        | PartKind::StepFinish { .. }
        | PartKind::Patch { .. }
        | PartKind::Agent { .. }
        | PartKind::Subtask { .. }
        | PartKind::Snapshot { .. }
        | PartKind::Retry { .. }
        | PartKind::Compaction { .. }
        | PartKind::Other { .. } => None,
    }
}

/// The words of a text or reasoning part, and whether they are complete.
pub fn words(part: &Part) -> Option<(&str, bool)> {
    match &part.kind {
        PartKind::Text { text, time, .. } | PartKind::Reasoning { text, time } => {
            Some((text, time.is_none_or(|time| time.end.is_some())))
        }
        PartKind::Tool(_)
        | PartKind::File(_)
        | PartKind::StepStart { .. }
        | PartKind::StepFinish { .. }
        | PartKind::Patch { .. }
        | PartKind::Agent { .. }
        | PartKind::Subtask { .. }
        | PartKind::Snapshot { .. }
        | PartKind::Retry { .. }
        | PartKind::Compaction { .. }
        | PartKind::Other { .. } => None,
    }
}

/// Stored text of an unfinished part is older than what was streamed; a tool that ended does not run again.
pub fn has_seen_more(known: &Part, told: &Part) -> bool {
    if let (Some((known, _)), Some((told, false))) = (words(known), words(told)) {
        return known.len() > told.len() && known.starts_with(told);
    }
    let is_over = |part: &Part| {
        matches!(&part.kind, PartKind::Tool(call)
            if matches!(call.state, ToolState::Completed { .. } | ToolState::Error { .. }))
    };
    is_over(known) && matches!(told.kind, PartKind::Tool(_)) && !is_over(told)
}
