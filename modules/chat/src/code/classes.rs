//! Scopes of the grammars, reduced to the few kinds a reader tells apart.

use std::sync::LazyLock;

use syntect::parsing::{Scope, ScopeStack};

/// First match of the innermost scope wins. The classes are those of the stylesheet.
const KINDS: &[(&str, Option<&str>)] = &[
    ("comment", Some("c")),
    ("string", Some("s")),
    ("constant.character.escape", Some("e")),
    ("constant.numeric", Some("n")),
    ("constant", Some("n")),
    ("keyword.operator", None),
    ("keyword", Some("k")),
    ("storage.type.numeric", Some("n")),
    ("storage", Some("k")),
    ("entity.name.function", Some("f")),
    ("support.function", Some("f")),
    ("variable.function", Some("f")),
    ("entity.name.tag", Some("k")),
    ("entity.other.attribute-name", Some("a")),
    ("entity.name", Some("t")),
    ("entity.other.inherited-class", Some("t")),
    ("support", Some("t")),
    ("variable.language", Some("k")),
    ("markup.inserted", Some("i")),
    ("markup.deleted", Some("d")),
    ("markup.heading", Some("t")),
    ("meta.diff.header", Some("c")),
    ("meta.diff.range", Some("t")),
];

static PREFIXES: LazyLock<Vec<(Scope, Option<&'static str>)>> = LazyLock::new(|| {
    KINDS
        .iter()
        .filter_map(|(prefix, class)| Some((Scope::new(prefix).ok()?, *class)))
        .collect()
});

/// The class of text in these scopes; `None` for plain text.
pub fn of(scopes: &ScopeStack) -> Option<&'static str> {
    let prefixes = &*PREFIXES;
    scopes.scopes.iter().rev().find_map(|scope| {
        prefixes
            .iter()
            .find(|(prefix, _)| prefix.is_prefix_of(*scope))
            .map(|(_, class)| *class)
    })?
}
