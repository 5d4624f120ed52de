//! The wiring: every module, in order. Read this first.
//!
//! A module can be removed by deleting its folder, its lines in `Cargo.toml` and its lines here.

use std::sync::Arc;

use kit::{Context, Module, ModuleId, SettingsFile, VerbSpec};

/// Everything that was built, before any of it runs.
pub struct Built {
    /// In the order they start; they stop in reverse.
    pub modules: Vec<Arc<dyn Module>>,
}

/// Builds every module. Starts nothing.
///
/// # Errors
/// What kept a module from being built.
pub fn build(_cx: &Context) -> anyhow::Result<Built> {
    Ok(Built { modules: Vec::new() })
}

/// Makes every section of the settings file known, for commands that work while no agent runs.
pub fn sections(settings: &SettingsFile) {
    settings.section::<crate::secrets::SecretsSettings>();
}

/// A module as the command line knows it.
#[derive(Debug, Clone, Copy)]
pub struct Noun {
    /// The word after `nexus`, e.g. `"server"`.
    pub word: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// The module behind it.
    pub id: ModuleId,
    /// What can be asked of it, as the module declares.
    pub verbs: &'static [VerbSpec],
}

/// The modules that can be spoken to on the command line.
pub const NOUNS: &[Noun] = &[];
