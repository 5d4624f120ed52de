//! Codes a camera reads.

use maud::{Markup, PreEscaped, html};
use qrcode::{
    EcLevel, QrCode,
    render::{svg, unicode::Dense1x2},
};

/// Smallest side of the picture, in CSS pixels: at arm's length a camera tells the modules of a long link apart.
const SIDE_PX: u32 = 240;

/// A picture of `text`, dark on white in either colour scheme, because readers expect that; `label` says what it is.
/// `None` when the text is too long for a code, at some 2,300 bytes.
pub fn picture(text: &str, label: &str) -> Option<Markup> {
    let drawn = code(text)?
        .render::<svg::Color<'_>>()
        .min_dimensions(SIDE_PX, SIDE_PX)
        .dark_color(svg::Color("#000"))
        .light_color(svg::Color("#fff"))
        .build();
    // Within a page it is an element, not a document.
    let element = drawn.find("<svg").map_or("", |at| &drawn[at..]);
    Some(html! { div.qr role="img" aria-label=(label) { (PreEscaped(element)) } })
}

/// The same in characters, for a terminal with light letters on dark. `None` as for [`picture`].
pub fn characters(text: &str) -> Option<String> {
    let drawn = code(text)?
        .render::<Dense1x2>()
        .dark_color(Dense1x2::Light)
        .light_color(Dense1x2::Dark)
        .build();
    Some(drawn)
}

fn code(text: &str) -> Option<QrCode> {
    QrCode::with_error_correction_level(text, EcLevel::M).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: &str = "https://grove-amber-heron-a12d.trycloudflare.com/pair?code=0123456789abcdef";

    #[test]
    fn a_picture_is_one_element_that_says_what_it_is() {
        let picture = picture(LINK, "Code for <a> device").unwrap().into_string();

        assert!(picture.starts_with("<div class=\"qr\" role=\"img\""), "{picture}");
        assert!(picture.contains("Code for &lt;a&gt; device"));
        assert!(picture.ends_with("</svg></div>"));
        assert!(!picture.contains("<?xml") && !picture.contains("style="));
    }

    #[test]
    fn what_is_too_long_for_a_code_is_none() {
        let long = "x".repeat(5_000);

        assert!(picture(&long, "").is_none());
        assert!(characters(&long).is_none());
        assert!(characters(LINK).unwrap().lines().count() > 15);
    }
}
