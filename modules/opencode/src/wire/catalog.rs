//! What can be chosen: `GET /config/providers`, `GET /agent`, `GET /command`.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::number::whole;

/// The providers that can be used now. Their keys are left where they are.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct Providers {
    /// Each with its models.
    pub providers: Vec<Provider>,
    /// Provider to default model.
    #[serde(rename = "default")]
    pub defaults: BTreeMap<String, String>,
}

/// A vendor of models.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct Provider {
    /// E.g. `"anthropic"`.
    pub id: String,
    /// E.g. `"Anthropic"`.
    pub name: String,
    /// By id.
    pub models: BTreeMap<String, Model>,
}

/// A model.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct Model {
    /// E.g. `"chat-1"`.
    pub id: String,
    /// E.g. `"Chat One"`.
    pub name: String,
    /// What it can do.
    pub capabilities: Capabilities,
    /// US dollars per million tokens.
    pub cost: ModelCost,
    /// How much it takes and gives.
    pub limit: ModelLimit,
    /// `active`, `beta`, `deprecated`, …
    pub status: String,
    /// How hard it can be asked to think, e.g. `low`, `high`.
    #[serde(deserialize_with = "names")]
    pub variants: Vec<String>,
}

fn names<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Vec<String>, D::Error> {
    let variants = Option::<BTreeMap<String, Value>>::deserialize(input)?;
    Ok(variants.unwrap_or_default().into_keys().collect())
}

/// What a model can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct Capabilities {
    /// Shows its thinking.
    pub reasoning: bool,
    /// Takes files.
    pub attachment: bool,
    /// Calls tools.
    pub toolcall: bool,
    /// What it takes.
    pub input: Modalities,
}

/// Kinds of input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct Modalities {
    /// Words.
    pub text: bool,
    /// Pictures.
    pub image: bool,
    /// PDF files.
    pub pdf: bool,
}

/// US dollars per million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct ModelCost {
    /// Read.
    pub input: f64,
    /// Written.
    pub output: f64,
}

/// Tokens a model takes and gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct ModelLimit {
    /// In all.
    #[serde(deserialize_with = "whole")]
    pub context: u64,
    /// In one answer.
    #[serde(deserialize_with = "whole")]
    pub output: u64,
}

/// An agent: a way of working, such as `build` or `plan`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct Agent {
    /// E.g. `"build"`.
    pub name: String,
    /// What it is good for.
    pub description: Option<String>,
    /// Who may call it.
    pub mode: AgentMode,
    /// Works behind the scenes.
    #[serde(rename = "hidden", deserialize_with = "or_false")]
    pub is_hidden: bool,
}

/// Agents that a person wrote have `null` for what they say nothing about.
fn or_false<'de, D: Deserializer<'de>>(input: D) -> Result<bool, D::Error> {
    Ok(Option::<bool>::deserialize(input)?.unwrap_or_default())
}

impl Agent {
    /// Whether a person may choose it for a prompt.
    pub fn is_choosable(&self) -> bool {
        !self.is_hidden && self.mode != AgentMode::Subagent
    }
}

/// Who may call an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AgentMode {
    /// A person.
    Primary,
    /// Another agent.
    Subagent,
    /// Both, and what this program does not know.
    #[default]
    #[serde(other)]
    All,
}

/// A prepared prompt, called as `/name`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct Command {
    /// E.g. `"init"`.
    pub name: String,
    /// What it does.
    pub description: Option<String>,
    /// `command`, `mcp` or `skill`.
    pub source: Option<String>,
    /// Placeholders, e.g. `"$ARGUMENTS"`.
    pub hints: Vec<String>,
}
