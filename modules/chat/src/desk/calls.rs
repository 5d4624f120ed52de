//! What a tool was called with that permission is asked for. The request names the call and says little of it: not the
//! folder a command runs in, and nothing at all of a tool without words of its own.

use std::{sync::Arc, time::Duration};

use opencode::wire::{Message, PartKind, Permission};
use serde_json::{Map, Value};
use tokio::time::{sleep, timeout};

use super::Desk;

/// How soon a call is known. It was milliseconds: its part may be told a moment after the request.
const KNOWN_WITHIN: Duration = Duration::from_secs(2);
/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

impl Desk {
    /// Finds out what is asked for, then tells it.
    pub(super) async fn tell_asked(self: Arc<Self>, permission: Permission) {
        self.learn_call(&permission).await;
        self.tell_waiting(&permission.id);
    }

    /// Finds out what is asked for, for everybody who shows it. What cannot be found out is asked for without it.
    pub(super) async fn learn_call(&self, permission: &Permission) {
        let Some(input) = self.call_of(permission).await else {
            return;
        };
        let shown: Vec<_> = {
            let mut live = self.lock();
            live.shelf.learn(permission, &input);
            let root = live.shelf.root_of(&permission.session_id);
            let pages = [root, permission.session_id.as_str()];
            let slots = pages.iter().filter_map(|id| live.slots.get(*id));
            slots.filter_map(|slot| slot.transcript.clone()).collect()
        };
        for transcript in shown {
            transcript.learn(&permission.id, &input);
        }
        self.tell_shelf();
    }

    /// What the tool was called with; `None` when nothing tells it in time.
    pub(super) async fn call_of(&self, permission: &Permission) -> Option<Map<String, Value>> {
        let tool = permission.tool.as_ref()?;
        let known = self.shelf(|shelf| shelf.ask(&permission.id).and_then(|ask| ask.input.clone()));
        if known.is_some() {
            return known;
        }
        let look = async {
            loop {
                let told = self
                    .api
                    .message("", &permission.session_id, &tool.message_id)
                    .await;
                if let Some(input) = told.ok().and_then(|message| input_in(message, &tool.call_id)) {
                    return input;
                }
                sleep(LOOK_EVERY).await;
            }
        };
        timeout(KNOWN_WITHIN, look).await.ok()
    }
}

fn input_in(message: Message, call_id: &str) -> Option<Map<String, Value>> {
    message.parts.into_iter().find_map(|part| {
        if let PartKind::Tool(call) = &part.kind
            && call.call_id == call_id
        {
            return call.state.input().cloned();
        }
        None
    })
}
