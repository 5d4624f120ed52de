//! The files a page loads, embedded and named by their content.

/// One embedded file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asset {
    /// What code calls it, e.g. `"nexus.css"`.
    pub name: &'static str,
    /// Where it is served, e.g. `/assets/nexus-1f2e3d4c5b6a.css`. The content behind a path never changes.
    pub path: &'static str,
    /// Value of the `Content-Type` header.
    pub content_type: &'static str,
    /// The file.
    pub bytes: &'static [u8],
    /// The same, gzip-compressed.
    pub gzip: &'static [u8],
}

static ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// Every file a page may load.
pub fn assets() -> &'static [Asset] {
    ASSETS
}

/// Where the file called `name` is served. A name that does not exist leads to a path that is not served.
pub fn asset_path(name: &str) -> &'static str {
    ASSETS
        .iter()
        .find(|asset| asset.name == name)
        .map_or("/assets/none", |asset| asset.path)
}

#[cfg(test)]
mod contrast;
#[cfg(test)]
mod tests {
    use super::*;

    const KIB: usize = 1024;

    fn text(name: &str) -> &'static str {
        let asset = ASSETS.iter().find(|asset| asset.name == name).unwrap();
        std::str::from_utf8(asset.bytes).unwrap()
    }

    fn packed(name: &str) -> usize {
        ASSETS.iter().find(|asset| asset.name == name).unwrap().gzip.len()
    }

    #[test]
    fn the_page_stays_light() {
        assert!(text("nexus.js").len() <= 30 * 1000, "{}", text("nexus.js").len());
        assert!(packed("nexus.js") <= 10 * 1000, "{}", packed("nexus.js"));
        let all: usize = ASSETS.iter().map(|asset| asset.gzip.len()).sum();
        assert!(all <= 100 * KIB, "{all}");
    }

    #[test]
    fn the_script_asks_for_nothing_the_content_policy_forbids() {
        let script = text("nexus.js");

        for forbidden in [
            "eval(",
            "new Function",
            "http://",
            "https://",
            "import(",
            "document.write",
        ] {
            assert!(!script.contains(forbidden), "{forbidden}");
        }
        // One place makes HTML from text, through the one policy.
        assert_eq!(script.matches("innerHTML").count(), 1);
        assert_eq!(script.matches("createPolicy(\"nexus\"").count(), 1);
    }

    #[test]
    fn the_stylesheet_loads_nothing() {
        let style = text("nexus.css");

        assert!(!style.contains("url("));
        assert!(!style.contains("@import"));
    }

    #[test]
    fn a_path_changes_with_its_content() {
        for asset in ASSETS {
            let (stem, ending) = asset.name.split_once('.').unwrap();
            let hash = asset
                .path
                .strip_prefix(&format!("/assets/{stem}-"))
                .and_then(|rest| rest.strip_suffix(&format!(".{ending}")))
                .unwrap();
            assert_eq!(hash.len(), 12);
        }
        assert_eq!(asset_path("missing.css"), "/assets/none");
    }
}
