//! Restarts and changes that somebody or something asks for.

use supervisor::{Phase, Request, StopKind};
use tokio::time::Instant;

use super::Life;
use crate::{
    outage,
    planned::{Planned, Why, Wish},
    settings::OpencodeSettings,
};

/// Bytes.
pub(super) const MIB: u64 = 1024 * 1024;

impl Life<'_> {
    pub(super) fn since(&self) -> std::time::SystemTime {
        match &*self.outside.borrow() {
            Some(outside) => outside.since,
            None => self.module.handle.since(),
        }
    }

    pub(super) async fn on_settings(&mut self, settings: OpencodeSettings) {
        self.module.policy.send_replace(settings.policy());
        let was_external = self.used.external().is_some();
        if settings.external().is_some() {
            self.used = settings;
            self.planned = None;
            if !was_external {
                self.request(Request::Stop(StopKind::User)).await;
            }
            return;
        }
        if was_external {
            let starts = settings.autostart;
            self.used = settings;
            if starts {
                self.request(Request::Start).await;
            }
            return;
        }
        if !settings.starts_differently(&self.used) {
            if self.planned.is_some_and(|planned| planned.why == Why::Settings) {
                self.planned = None;
            }
            return;
        }
        let phase = self.phase.borrow().clone();
        match phase {
            Phase::Stopped | Phase::Stopping => self.used = settings,
            Phase::Healthy { .. } | Phase::Unresponsive { .. } if self.is_busy() => {
                tracing::info!("opencode restarts with new settings once its sessions are done");
                self.plan(Why::Settings);
            }
            Phase::Healthy { .. }
            | Phase::Unresponsive { .. }
            | Phase::Starting { .. }
            | Phase::Backoff { .. }
            | Phase::Degraded { .. }
            | Phase::NeedsAction { .. } => {
                self.used = settings;
                self.restart().await;
            }
        }
    }

    pub(super) fn on_wish(&mut self) {
        let wish = *self.wish.borrow_and_update();
        match wish {
            Some(Wish::Restart) => {
                self.module.program.forget_environment();
                self.plan(Why::Asked);
            }
            None => self.planned = None,
        }
    }

    pub(super) fn plan(&mut self, why: Why) {
        if !self.planned.is_some_and(|planned| planned.outranks(why)) {
            self.planned = Some(Planned::new(why, Instant::now()));
        }
    }

    /// A server that holds too much is begun anew, as soon as that costs nobody anything.
    pub(super) async fn on_memory(&mut self) {
        let held = self.memory.borrow_and_update().map(|bytes| bytes / MIB);
        let limit = u64::from(self.setting.get().memory_limit_mib);
        let Some(held) = held.filter(|held| limit > 0 && *held > limit) else {
            if self
                .planned
                .is_some_and(|planned| matches!(planned.why, Why::Memory(_)))
            {
                self.planned = None;
            }
            return;
        };
        if !self.is_busy() {
            tracing::info!(
                held_mib = held,
                limit_mib = limit,
                "opencode holds too much memory"
            );
            self.request(Request::Recycle).await;
            return;
        }
        let is_news = self.planned.is_none();
        self.plan(Why::Memory(held));
        if is_news {
            self.module.notices.send(outage::too_big(held, limit));
        }
    }

    pub(super) async fn restart(&mut self) {
        let is_for_memory = self
            .planned
            .take()
            .is_some_and(|planned| matches!(planned.why, Why::Memory(_)));
        self.request(if is_for_memory {
            Request::Recycle
        } else {
            Request::Restart
        })
        .await;
    }

    /// The supervisor being gone means that the agent is ending; then nothing is to be done any more.
    pub(super) async fn request(&self, request: Request) {
        self.module.handle.request(request).await.ok();
    }
}
