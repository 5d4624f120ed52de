//! What has to be settled before anybody comes in from outside, and what is done for whoever has.

use std::sync::Arc;

use kit::{ActError, Context, Module};

/// Whoever opens this machine to the outside has to have said which folders are seen there, and what opencode asks
/// permission for.
pub(super) fn decisions(cx: &Context) -> tunnel::Decisions {
    let settings = Arc::clone(&cx.settings);
    let missing = move || {
        let all = settings.list();
        let is_chosen = |section: &str, key: &str| {
            all.iter()
                .any(|entry| entry.section == section && entry.field.key == key && entry.is_set)
        };
        if !is_chosen("chat", "projects") {
            return Some(
                "Name first the folders that may be seen from outside, with all that is below them: `nexus settings set \
                 chat.projects '[\"/path/of/a/project\"]'`."
                    .to_owned(),
            );
        }
        (!is_chosen(opencode::ID, "ask")).then(|| {
            "Choose first what opencode asks permission for: `nexus settings set opencode.ask commands_and_edits` has it ask \
             before every command and change, `as_configured` leaves it to its own configuration."
                .to_owned()
        })
    };
    tunnel::Decisions {
        missing: Arc::new(missing),
        revision: cx.settings.edits(),
    }
}

/// Asks something of one of `modules`.
pub(super) fn call(modules: Vec<Arc<dyn Module>>) -> notices::Call {
    Arc::new(move |id, verb| {
        let module = modules.iter().find(|module| module.id() == id).cloned();
        Box::pin(async move {
            match module {
                Some(module) => module.call(verb).await,
                None => Err(ActError::unknown_verb(&verb)),
            }
        })
    })
}
