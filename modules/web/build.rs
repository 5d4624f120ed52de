//! Puts the page's assets together: one stylesheet and one script from their parts, named by content, compressed.
//!
//! Doing it here rather than at run time keeps start-up free of work and the resident program free of copies.

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};

/// In the order of the cascade.
const STYLE: &[&str] = &[
    "base",
    "parts",
    "layout",
    "chat",
    "dashboard",
    "devices",
    "logs",
    "notices",
    "login",
    "setup",
];
/// In the order of use: later parts call earlier ones.
const SCRIPT: &[&str] = &[
    "base", "scroll", "patch", "times", "live", "actions", "keys", "composer", "folder", "asks",
];
const SVG: &str = "image/svg+xml";

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("assets");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let style = joined(&root.join("style"), STYLE, "css")?;
    let script = joined(&root.join("script"), SCRIPT, "js")?;
    let script = format!("\"use strict\";(() => {{\n{script}}})();\n");
    let icons = fs::read_to_string(root.join("image/icons.svg"))?;
    let favicon = fs::read_to_string(root.join("image/favicon.svg"))?;

    let mut table = String::from("&[\n");
    for (name, content_type, text) in [
        ("nexus.css", "text/css; charset=utf-8", without_comments(&style)),
        (
            "nexus.js",
            "text/javascript; charset=utf-8",
            without_comments(&script),
        ),
        ("icons.svg", SVG, without_indents(&icons)),
        ("favicon.svg", SVG, without_indents(&favicon)),
    ] {
        write_asset(&out, &mut table, name, content_type, &text)?;
    }
    table.push_str("]\n");
    fs::write(out.join("assets.rs"), table)?;
    Ok(())
}

fn joined(folder: &Path, parts: &[&str], ending: &str) -> Result<String, Box<dyn Error>> {
    let mut whole = String::new();
    for part in parts {
        let path = folder.join(format!("{part}.{ending}"));
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        whole.push_str(&text);
        whole.push('\n');
    }
    Ok(whole)
}

/// Drops whole-line comments, notes on types inside lines, blank lines and indents. That needs no parser, and the
/// parts keep their comments for whoever reads them.
fn without_comments(text: &str) -> String {
    let mut kept = String::new();
    let mut is_comment = false;
    for line in text.lines().map(str::trim) {
        let begins = line.starts_with("/*") && line.find("*/").is_none_or(|end| end + 2 == line.len());
        if is_comment || begins {
            is_comment = !line.ends_with("*/");
        } else if !line.is_empty() && !line.starts_with("//") {
            kept.push_str(&without_types(line));
            kept.push('\n');
        }
    }
    kept
}

/// Takes `/** @type {…} */` and its like out of a line.
fn without_types(line: &str) -> String {
    let mut rest = line;
    let mut kept = String::new();
    while let Some((before, note)) = rest.split_once("/** @") {
        kept.push_str(before);
        rest = note.split_once("*/").map_or("", |(_, after)| after.trim_start());
    }
    kept + rest
}

fn without_indents(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join("\n")
}

fn write_asset(
    out: &Path,
    table: &mut String,
    name: &str,
    content_type: &str,
    text: &str,
) -> Result<(), Box<dyn Error>> {
    let (stem, ending) = name.split_once('.').ok_or("an asset has an ending")?;
    let hash: String = Sha256::digest(text.as_bytes())
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(text.as_bytes())?;
    fs::write(out.join(name), text)?;
    fs::write(out.join(format!("{name}.gz")), packer.finish()?)?;
    writeln!(
        table,
        "Asset {{ name: \"{name}\", path: \"/assets/{stem}-{hash}.{ending}\", content_type: \"{content_type}\",\n\
         bytes: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}\")),\n\
         gzip: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}.gz\")) }},"
    )?;
    Ok(())
}
