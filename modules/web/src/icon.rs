//! Icons of the sprite.

use maud::{Markup, html};

use crate::asset_path;

/// The icon `name` at text size, for beside a word: screen readers skip it. A button that has no other content needs
/// an `aria-label`.
///
/// Names are the symbols of `assets/image/icons.svg`, e.g. `"send"`.
pub fn icon(name: &str) -> Markup {
    let address = format!("{}#{name}", asset_path("icons.svg"));
    html! {
        svg.icon aria-hidden="true" { use href=(address) {} }
    }
}

#[cfg(test)]
mod tests {
    use crate::assets;

    #[test]
    fn every_icon_is_a_symbol_on_the_same_grid() {
        let sprite = assets().iter().find(|asset| asset.name == "icons.svg").unwrap();
        let sprite = std::str::from_utf8(sprite.bytes).unwrap();
        let symbols = sprite.matches("<symbol ").count();

        assert!(symbols >= 30, "{symbols}");
        assert_eq!(sprite.matches("viewBox=\"0 0 16 16\"").count(), symbols);
        assert!(!sprite.contains("<script") && !sprite.contains("style="));
    }
}
