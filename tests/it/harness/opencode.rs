//! The real opencode and the scripted model it speaks to.

use std::path::PathBuf;

use fakes::model::Model;

use super::block_on;

/// The release the stories run against.
const VERSION: &str = "1.18.33";

/// The real opencode: `NEXUS_TEST_OPENCODE`, else where `installers/dev` keeps it.
#[track_caller]
pub fn opencode() -> PathBuf {
    if let Some(named) = std::env::var_os("NEXUS_TEST_OPENCODE") {
        return named.into();
    }
    let caches = [
        std::env::var_os("NEXUS_DEV_CACHE").map(PathBuf::from),
        Some(PathBuf::from("/var/cache/opencode-nexus-dev")),
        std::env::var_os("XDG_CACHE_HOME").map(|cache| PathBuf::from(cache).join("opencode-nexus-dev")),
        std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/opencode-nexus-dev")),
    ];
    caches
        .into_iter()
        .flatten()
        .map(|cache| cache.join(format!("opencode-{VERSION}/bin/opencode")))
        .find(|path| path.exists())
        .expect("opencode is not installed: run `installers/dev setup`, or name it in NEXUS_TEST_OPENCODE")
}

/// A scripted model on a port of its own. Ends when dropped.
#[track_caller]
pub fn model() -> Model {
    block_on(Model::start(0)).unwrap()
}
