//! What the tray shows, computed from the overview as a plain value.
//!
//! The structure is fixed: the same lines are there in every state, only their texts, marks and whether they can be
//! chosen change. Desktops number menu lines, and a line added while the menu is open would move the one under the
//! pointer.

use kit::{Action, Entry, ModuleView, Overview, State};

/// Longer texts are cut in the middle.
const CHARS_MAX: usize = 48;
/// Parts whose state has a line of its own.
const PARTS: [&str; 2] = ["opencode", "tunnel"];

/// Icon, tooltip and lines of the tray.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Menu {
    /// What the icon says.
    pub icon: Icon,
    /// One sentence, shown when the pointer rests on the icon.
    pub tooltip: String,
    /// The lines, top to bottom.
    pub entries: Vec<Entry>,
}

/// The icon as layers: a shape for the state, an arc while remote access is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Icon {
    /// Told by shape, not by colour.
    pub shape: Shape,
    /// Whether the machine can be reached from outside.
    pub is_remote: bool,
}

/// The state of the whole, as a shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Shape {
    /// All is well.
    Running,
    /// Something starts, stops or restarts: hollow.
    Starting,
    /// opencode is off: a slash.
    Stopped,
    /// Something waits for the owner or works in part only: a triangle.
    Warning,
}

/// Computes the tray from everything's status and the lines the modules add.
pub fn compute(overview: &Overview, parts: Vec<Vec<Entry>>) -> Menu {
    let worst = worst(overview);
    let mut entries: Vec<Entry> = overview
        .modules
        .iter()
        .filter(|module| PARTS.contains(&module.id.0))
        .map(|module| Entry::Label(cut(&state_line(module))))
        .collect();
    entries.push(Entry::Label(cut(&rest_line(overview))));
    entries.push(Entry::Separator);
    entries.extend([
        item("Open chat", Action::Open("/chat".to_owned())),
        item("Open dashboard", Action::Open("/dashboard".to_owned())),
        item("Open in browser", Action::OpenInBrowser("/chat".to_owned())),
    ]);
    entries.push(Entry::Separator);
    entries.extend(parts.into_iter().flatten().map(shorten));
    entries.push(Entry::Submenu {
        text: "More".to_owned(),
        entries: vec![
            item("Logs", Action::Open("/logs".to_owned())),
            item("Set up", Action::Open("/onboarding".to_owned())),
        ],
    });
    entries.push(item("Quit", Action::Quit));
    Menu {
        icon: icon(overview),
        tooltip: match worst {
            Some(module) => cut(&state_line(module)),
            None => "OpenCode Nexus: everything is running".to_owned(),
        },
        entries,
    }
}

fn item(text: &str, action: Action) -> Entry {
    Entry::Item {
        text: text.to_owned(),
        action,
        is_enabled: true,
    }
}

fn state_line(module: &ModuleView) -> String {
    format!("{}: {}", module.title, module.status.state.words())
}

/// One line for all parts that have none of their own.
fn rest_line(overview: &Overview) -> String {
    overview
        .modules
        .iter()
        .filter(|module| !PARTS.contains(&module.id.0))
        .filter(|module| shape(module.status.state) == Shape::Warning)
        .map(state_line)
        .next()
        .unwrap_or_else(|| "Nothing else needs you".to_owned())
}

fn worst(overview: &Overview) -> Option<&ModuleView> {
    overview
        .modules
        .iter()
        .filter(|module| shape(module.status.state) > Shape::Running)
        .max_by_key(|module| shape(module.status.state))
}

fn icon(overview: &Overview) -> Icon {
    let remote = overview.status("tunnel").map(|status| status.state);
    Icon {
        shape: worst(overview).map_or(Shape::Running, |module| shape(module.status.state)),
        is_remote: remote.is_some_and(|state| matches!(state, State::Connected | State::Reconnecting)),
    }
}

fn shape(state: State) -> Shape {
    match state {
        State::Healthy | State::Running | State::Off | State::Connected => Shape::Running,
        State::Starting | State::Stopping | State::Reconnecting => Shape::Starting,
        State::Stopped => Shape::Stopped,
        State::Backoff | State::Unresponsive | State::Degraded | State::NeedsAction | State::Blocked => {
            Shape::Warning
        }
    }
}

fn shorten(entry: Entry) -> Entry {
    match entry {
        Entry::Label(text) => Entry::Label(cut(&text)),
        Entry::Item {
            text,
            action,
            is_enabled,
        } => Entry::Item {
            text: cut(&text),
            action,
            is_enabled,
        },
        Entry::Check { text, action, is_on } => Entry::Check {
            text: cut(&text),
            action,
            is_on,
        },
        Entry::Submenu { text, entries } => Entry::Submenu {
            text: cut(&text),
            entries: entries.into_iter().map(shorten).collect(),
        },
        Entry::Separator => Entry::Separator,
    }
}

/// Cuts in the middle: the beginning says what it is, the end tells like ones apart.
fn cut(text: &str) -> String {
    let count = text.chars().count();
    if count <= CHARS_MAX {
        return text.to_owned();
    }
    let kept = CHARS_MAX - 1;
    let head: String = text.chars().take(kept.div_ceil(2)).collect();
    let tail: String = text.chars().skip(count - kept / 2).collect();
    format!("{head}…{tail}")
}

#[cfg(test)]
mod tests;
