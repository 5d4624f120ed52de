//! Holds the colours of both schemes to WCAG 2.2 AA.

use std::collections::BTreeMap;

use super::ASSETS;

/// The tokens of the light and of the dark scheme.
fn schemes() -> [BTreeMap<String, [f64; 3]>; 2] {
    let style = ASSETS.iter().find(|asset| asset.name == "nexus.css").unwrap();
    let style = std::str::from_utf8(style.bytes).unwrap();
    let (light, rest) = style.split_once("@media (prefers-color-scheme: dark)").unwrap();
    let dark = rest.split_once("\n}\n").unwrap().0;
    [light, dark].map(|text| text.lines().filter_map(token).collect())
}

fn token(line: &str) -> Option<(String, [f64; 3])> {
    let (name, value) = line.strip_prefix("--")?.split_once(':')?;
    let hex = value.trim().strip_prefix('#')?.strip_suffix(';')?;
    let part = |at: usize| Some(f64::from(u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()?) / 255.0);
    (hex.len() == 6).then_some(())?;
    Some((name.to_owned(), [part(0)?, part(2)?, part(4)?]))
}

fn luminance(colour: [f64; 3]) -> f64 {
    let [red, green, blue] = colour.map(|part| {
        if part <= 0.04045 {
            part / 12.92
        } else {
            ((part + 0.055) / 1.055).powf(2.4)
        }
    });
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn text_can_be_read_in_both_schemes() {
    /// For text of any size.
    const TEXT: f64 = 4.5;
    /// For borders of inputs and for shapes that carry meaning.
    const SHAPE: f64 = 3.0;
    let grounds = ["bg", "surface", "sunken", "tint"];
    let texts = ["text", "muted", "accent", "ok", "busy", "warn", "bad", "remote"];
    let codes = [
        "comment", "keyword", "string", "number", "function", "type", "name",
    ];

    for scheme in schemes() {
        let check = |front: &str, back: &str, least: f64| {
            let found = contrast(scheme[front], scheme[back]);
            assert!(found >= least, "{front} on {back}: {found:.2}");
        };
        for back in grounds {
            texts.iter().for_each(|front| check(front, back, TEXT));
            check("line-strong", back, SHAPE);
        }
        for code in codes {
            for back in ["surface", "sunken", "added", "removed"] {
                check(&format!("code-{code}"), back, TEXT);
            }
        }
        check("accent-text", "accent", TEXT);
        check("accent-text", "accent-strong", TEXT);
        check("bg", "text", TEXT);
        for back in ["added", "removed", "mark"] {
            check("text", back, TEXT);
        }
    }
}
