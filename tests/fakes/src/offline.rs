//! What opencode is given so that it uses the scripted model and reaches nothing else.

use std::path::Path;

use serde_json::json;

/// The provider's id in opencode.
pub const PROVIDER: &str = "local";
/// The model every session begins with.
pub const MODEL: &str = "chat-1";
/// A second one, for switching; shows its thinking.
pub const OTHER_MODEL: &str = "think-1";

/// Nothing listens on the discard port of loopback, so whatever goes there fails at once.
const NOWHERE: &str = "http://127.0.0.1:9";

/// The value of `OPENCODE_CONFIG_CONTENT`: the scripted model at `base_url` (e.g. `"http://127.0.0.1:4711"`) is the
/// one provider there is.
pub fn provider_config(base_url: &str) -> String {
    let model = |name: &str, thinks: bool| {
        json!({
            "name": name, "tool_call": true, "reasoning": thinks, "attachment": true,
            "modalities": {"input": ["text", "image"], "output": ["text"]},
            "limit": {"context": 200_000, "output": 16_384},
        })
    };
    let config = json!({
        "$schema": "https://opencode.ai/config.json",
        "autoupdate": false,
        "share": "disabled",
        "enabled_providers": [PROVIDER],
        "model": format!("{PROVIDER}/{MODEL}"),
        "small_model": format!("{PROVIDER}/{MODEL}"),
        "provider": {PROVIDER: {
            "npm": "@ai-sdk/openai-compatible",
            "name": "Scripted model",
            "options": {"baseURL": format!("{base_url}/v1"), "apiKey": "none-needed"},
            "models": {MODEL: model("Chat One", false), OTHER_MODEL: model("Think One", true)},
        }},
    });
    config.to_string()
}

/// An environment for opencode with its own home folder below `home` and without a way out: no catalogue, no
/// updates, no downloads, no package registry, no proxy that works. `PATH` is left to the caller.
pub fn offline_env(home: &Path) -> Vec<(String, String)> {
    let below = |part: &str| home.join(part).to_string_lossy().into_owned();
    let mut env: Vec<(String, String)> = [
        ("HOME", below("")),
        ("XDG_CONFIG_HOME", below(".config")),
        ("XDG_DATA_HOME", below(".local/share")),
        ("XDG_STATE_HOME", below(".local/state")),
        ("XDG_CACHE_HOME", below(".cache")),
    ]
    .map(|(name, value)| (name.to_owned(), value.trim_end_matches('/').to_owned()))
    .to_vec();
    let switches = [
        "OPENCODE_DISABLE_MODELS_FETCH",
        "OPENCODE_DISABLE_AUTOUPDATE",
        "OPENCODE_DISABLE_LSP_DOWNLOAD",
        "OPENCODE_DISABLE_DEFAULT_PLUGINS",
        "OPENCODE_DISABLE_SHARE",
    ];
    env.extend(switches.map(|name| (name.to_owned(), "1".to_owned())));
    let nowhere = [
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "http_proxy",
        "https_proxy",
        "npm_config_registry",
        "BUN_CONFIG_REGISTRY",
    ];
    env.extend(nowhere.map(|name| (name.to_owned(), NOWHERE.to_owned())));
    env.extend(["NO_PROXY", "no_proxy"].map(|name| (name.to_owned(), "127.0.0.1,localhost".to_owned())));
    env
}
