//! What the tray shows, computed from the overview as a plain value.
//!
//! The structure is fixed: the same lines are there in every state, only their texts, marks and whether they can be
//! chosen change. Desktops number menu lines, and a line added while the menu is open would move the one under the
//! pointer.

use kit::{Action, Entry, ModuleId, ModuleView, Overview, State};

/// Longer texts are cut in the middle.
const CHARS_MAX: usize = 48;
/// Parts whose state has a line of its own.
const PARTS: [&str; 2] = ["opencode", "tunnel"];

/// Its lines (what waits, recent sessions) come first. It is a view of opencode: what ails that is said once.
const CHAT: ModuleId = ModuleId("chat");

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

/// The lines a module adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Which module.
    pub id: ModuleId,
    /// What it adds.
    pub entries: Vec<Entry>,
}

/// Computes the tray from everything's status and the lines the modules add.
pub fn compute(overview: &Overview, parts: Vec<Part>) -> Menu {
    let mut entries: Vec<Entry> = overview
        .modules
        .iter()
        .filter(|module| PARTS.contains(&module.id.0))
        .map(|module| Entry::Label(state_line(module)))
        .collect();
    entries.push(Entry::Label(rest_line(overview)));
    entries.push(Entry::Separator);
    entries.extend([
        item("Open chat", Action::Open("/chat".to_owned())),
        item("Open dashboard", Action::Open("/dashboard".to_owned())),
    ]);
    let (chat, rest): (Vec<Part>, Vec<Part>) = parts.into_iter().partition(|part| part.id == CHAT);
    entries.extend(chat.into_iter().flat_map(|part| part.entries));
    entries.push(Entry::Separator);
    entries.extend(rest.into_iter().flat_map(grouped));
    entries.push(Entry::Submenu {
        text: "More".to_owned(),
        entries: vec![
            item("Open in browser", Action::OpenInBrowser("/chat".to_owned())),
            item("Notices", Action::Open("/notices".to_owned())),
            item("Logs", Action::Open("/logs".to_owned())),
            item("Set up", Action::Open("/onboarding".to_owned())),
            item("Help", Action::Open("/dashboard/help".to_owned())),
        ],
    });
    entries.push(item("Quit", Action::Quit));
    Menu {
        icon: icon(overview),
        tooltip: match worst(overview) {
            Some(module) => cut(&state_line(module)),
            None => "OpenCode Nexus: everything is running".to_owned(),
        },
        entries: entries.into_iter().map(shorten).collect(),
    }
}

/// What a module adds is one line of the menu: several become a menu of their own.
fn grouped(part: Part) -> Vec<Entry> {
    if part.entries.len() < 2 {
        return part.entries;
    }
    let text = match part.id.0 {
        "opencode" => "Server",
        "tunnel" => "Remote",
        other => other,
    };
    vec![Entry::Submenu {
        text: text.to_owned(),
        entries: part.entries,
    }]
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
    troubled(overview)
        .filter(|module| !PARTS.contains(&module.id.0))
        .find(|module| shape(module.status.state) == Shape::Warning)
        .map_or_else(|| "Nothing else needs you".to_owned(), state_line)
}

fn worst(overview: &Overview) -> Option<&ModuleView> {
    troubled(overview).max_by_key(|module| shape(module.status.state))
}

/// Everything that is not as it should be, on its own account.
fn troubled(overview: &Overview) -> impl Iterator<Item = &ModuleView> {
    let has_server = overview
        .status("opencode")
        .is_none_or(|status| shape(status.state) == Shape::Running);
    overview
        .modules
        .iter()
        .filter(move |module| has_server || module.id != CHAT)
        .filter(|module| shape(module.status.state) > Shape::Running)
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
