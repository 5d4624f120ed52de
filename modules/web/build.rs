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
    "base", "scroll", "patch", "times", "live", "actions", "passkey", "keys", "composer", "folder", "asks",
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

    let mut assets = Assets {
        table: String::from("&[\n"),
        out,
    };
    let mut shell = Vec::new();
    for (name, content_type, text) in [
        ("nexus.css", "text/css; charset=utf-8", without_comments(&style)),
        (
            "nexus.js",
            "text/javascript; charset=utf-8",
            minifier::js::minify(&script).to_string(),
        ),
        ("icons.svg", SVG, without_indents(&icons)),
        ("favicon.svg", SVG, without_indents(&favicon)),
    ] {
        shell.push(assets.add(name, content_type, text.as_bytes())?);
    }
    let (manifest, icon) = manifest(&mut assets, &root.join("../../../icons/app"))?;
    assets.add(
        "app.webmanifest",
        "application/manifest+json",
        manifest.as_bytes(),
    )?;
    let worker = fs::read_to_string(root.join("worker/sw.js"))?;
    let worker = minifier::js::minify(&worker)
        .to_string()
        .replace("\"SHELL\"", &quoted(&shell))
        .replace("ICON", &icon);
    assets.add("sw.js", "text/javascript; charset=utf-8", worker.as_bytes())?;
    assets.table.push_str("]\n");
    fs::write(assets.out.join("assets.rs"), &assets.table)?;
    Ok(())
}

/// What a phone needs to install the page as an app, and the path of its smaller icon.
fn manifest(assets: &mut Assets, icons: &Path) -> Result<(String, String), Box<dyn Error>> {
    let mut drawn = Vec::new();
    let mut icon = String::new();
    for size in [256, 512] {
        let picture = fs::read(icons.join(format!("{size}.png")))?;
        let path = assets.add(&format!("app{size}.png"), "image/png", &picture)?;
        drawn.push(format!(
            r#"{{"src":"{path}","sizes":"{size}x{size}","type":"image/png"}}"#
        ));
        if icon.is_empty() {
            icon = path;
        }
    }
    let manifest = format!(
        r##"{{"id":"/","name":"OpenCode Nexus","short_name":"Nexus","start_url":"/","scope":"/","display":"standalone","background_color":"#faf9f7","theme_color":"#faf9f7","icons":[{}]}}"##,
        drawn.join(",")
    );
    Ok((manifest, icon))
}

fn quoted(paths: &[String]) -> String {
    let quoted: Vec<String> = paths.iter().map(|path| format!("\"{path}\"")).collect();
    quoted.join(", ")
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

/// Drops whole-line comments, blank lines and indents of a stylesheet.
fn without_comments(text: &str) -> String {
    let mut kept = String::new();
    let mut is_comment = false;
    for line in text.lines().map(str::trim) {
        let begins = line.starts_with("/*") && line.find("*/").is_none_or(|end| end + 2 == line.len());
        if is_comment || begins {
            is_comment = !line.ends_with("*/");
        } else if !line.is_empty() {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

fn without_indents(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join("\n")
}

/// The files, and the table of them that is compiled in.
struct Assets {
    table: String,
    out: PathBuf,
}

impl Assets {
    /// Adds a file and gives the path it is served at.
    fn add(&mut self, name: &str, content_type: &str, bytes: &[u8]) -> Result<String, Box<dyn Error>> {
        let (stem, ending) = name.split_once('.').ok_or("an asset has an ending")?;
        let hash: String = Sha256::digest(bytes)
            .iter()
            .take(6)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let path = format!("/assets/{stem}-{hash}.{ending}");
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        packer.write_all(bytes)?;
        fs::write(self.out.join(name), bytes)?;
        fs::write(self.out.join(format!("{name}.gz")), packer.finish()?)?;
        writeln!(
            self.table,
            "Asset {{ name: \"{name}\", path: \"{path}\", content_type: \"{content_type}\",\n\
             bytes: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}\")),\n\
             gzip: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}.gz\")) }},"
        )?;
        Ok(path)
    }
}
