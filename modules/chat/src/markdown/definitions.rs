//! Links whose destination is said elsewhere in the text.

use std::collections::HashMap;

use pulldown_cmark::Parser;

use super::build::options;

/// Destinations and titles defined in earlier blocks, by folded label.
pub type Definitions = HashMap<String, (String, String)>;

/// The link definitions of `text`, added to what is known. The first definition of a label wins.
pub fn define(text: &str, known: &mut Definitions) {
    if !text.contains("]:") {
        return;
    }
    let parser = Parser::new_ext(text, options());
    for (label, definition) in parser.reference_definitions().iter() {
        let title = definition.title.as_deref().unwrap_or_default().to_owned();
        known
            .entry(folded(label))
            .or_insert_with(|| (definition.dest.to_string(), title));
    }
}

/// A label as it is compared: case and runs of blanks do not count.
pub fn folded(label: &str) -> String {
    label
        .split_whitespace()
        .map(str::to_lowercase)
        .collect::<Vec<_>>()
        .join(" ")
}
