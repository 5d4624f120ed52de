//! How remote access ends: nobody is answered from that instant, and the port stays ours until cloudflared is gone, so
//! that whoever takes it next is not led to from outside.

use kit::Outside;
use supervisor::{Phase, Request, StopKind};

use super::{Life, audit_off};
use crate::Wish;

impl Life<'_> {
    /// Ends cloudflared, and waits for nothing: that it ends is seen.
    pub(super) async fn end(&mut self, kind: StopKind) {
        self.forget_run();
        self.request(Request::Stop(kind)).await;
    }

    /// Closes the port in the same instant as the tunnel is told to end.
    pub(super) async fn close(&mut self, kind: StopKind) {
        self.off_at = None;
        self.marker.note(false);
        self.release_port();
        self.end(kind).await;
    }

    pub(super) async fn block(&mut self, reason: String) {
        tracing::warn!(reason, "remote access is shut");
        audit_off(&reason);
        self.module.notices.send(crate::told::shut(&reason));
        self.blocked = Some(reason);
        self.may_pass = false;
        self.module.wish.send_replace(Wish::Off);
        self.wish.mark_unchanged();
        self.close(StopKind::Now).await;
    }

    pub(super) async fn switch_off(&mut self, why: &str) {
        audit_off(why);
        self.module.notices.send(crate::told::shut(why));
        self.module.wish.send_replace(Wish::Off);
        self.wish.mark_unchanged();
        self.blocked = None;
        self.close(StopKind::User).await;
    }

    /// The gateway serves nobody there; it keeps the port while a cloudflared may still lead to it.
    pub(super) fn release_port(&self) {
        let is_led_to = *self.phase.borrow() != Phase::Stopped;
        self.module.outside.send_if_modified(|held| {
            let next = Outside {
                is_held: is_led_to && (held.is_wanted || held.is_held),
                ..Outside::default()
            };
            let is_new = *held != next;
            *held = next;
            is_new
        });
    }

    /// Whether the port is kept for a cloudflared that has been told to go.
    pub(super) fn is_held(&self) -> bool {
        self.module.outside.borrow().is_held
    }

    /// What was waited for until cloudflared is gone.
    pub(super) async fn on_phase(&mut self) {
        let is_gone = *self.phase.borrow_and_update() == Phase::Stopped;
        if !is_gone || !self.is_held() {
            return;
        }
        self.module.outside.send_replace(Outside::default());
        self.has_answer = false;
        if self.is_wanted() {
            self.ask_for_port();
            self.on_rules().await;
        }
    }
}
