//! What GitHub says of a release, and which of its files is for this machine. Pure.

use serde::Deserialize;

/// Larger than any cloudflared by far.
const BYTES_MAX: u64 = 256 * 1024 * 1024;

/// A file of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asset {
    pub(super) url: String,
    pub(super) size: u64,
    /// 64 hex digits in lower case.
    pub(super) sha256: String,
}

/// The name of this machine's file; `None` where Cloudflare publishes none.
pub(super) fn name() -> Option<&'static str> {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => Some("cloudflared-linux-amd64"),
        ("linux", "aarch64") => Some("cloudflared-linux-arm64"),
        ("macos", "x86_64") => Some("cloudflared-darwin-amd64.tgz"),
        ("macos", "aarch64") => Some("cloudflared-darwin-arm64.tgz"),
        ("windows", "x86_64") => Some("cloudflared-windows-amd64.exe"),
        _ => None,
    }
}

#[derive(Deserialize)]
struct Listed {
    assets: Vec<File>,
}

#[derive(Deserialize)]
struct File {
    name: String,
    size: u64,
    /// E.g. `sha256:0f…`.
    #[serde(default)]
    digest: Option<String>,
    browser_download_url: String,
}

/// The file `name` of a release; `None` where there is none, or none that can be checked.
pub(super) fn asset(listed: &[u8], name: &str) -> Option<Asset> {
    let listed: Listed = serde_json::from_slice(listed).ok()?;
    let file = listed.assets.into_iter().find(|file| file.name == name)?;
    let sha256 = file.digest?.strip_prefix("sha256:")?.to_ascii_lowercase();
    let is_digest = sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_digest && (1..=BYTES_MAX).contains(&file.size)).then_some(Asset {
        url: file.browser_download_url,
        size: file.size,
        sha256,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_file_without_a_digest_or_of_no_size_is_none() {
        let listed = |size: u64, digest: serde_json::Value| {
            let file =
                json!({"name": "a", "size": size, "digest": digest, "browser_download_url": "https://x/a"});
            asset(json!({"assets": [file]}).to_string().as_bytes(), "a")
        };
        let digest = format!("sha256:{}", "0F".repeat(32));

        let found = listed(7, json!(digest)).unwrap();
        assert_eq!((found.size, found.sha256), (7, "0f".repeat(32)));
        for (size, digest) in [
            (7, json!(null)),
            (7, json!("sha256:12")),
            (7, json!("md5:00")),
            (7, json!(format!("sha256:{}", "zz".repeat(32)))),
            (0, json!(digest)),
            (BYTES_MAX + 1, json!(digest)),
        ] {
            assert_eq!(listed(size, digest.clone()), None, "{size} {digest}");
        }
        assert_eq!(asset(b"nonsense", "a"), None);
        assert_eq!(asset(br#"{"assets":[]}"#, "a"), None);
    }
}
