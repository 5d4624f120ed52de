//! What the rest of the program sees.

use std::{sync::PoisonError, time::SystemTime};

use super::Drive;
use crate::{Phase, Program};

impl<P: Program> Drive<'_, P> {
    pub(super) fn publish(&mut self) {
        let phase = self.machine.phase().clone();
        let run = match (&phase, &self.child) {
            (Phase::Healthy { .. } | Phase::Unresponsive { .. }, Some(child)) => Some(child.run.clone()),
            _ => None,
        };
        let supervisor = &*self.supervisor;
        supervisor.run.send_if_modified(|present| {
            let is_new = present.is_some() != run.is_some();
            if is_new {
                *present = run;
            }
            is_new
        });
        let role = supervisor.program.role();
        supervisor.phase.send_if_modified(|present| {
            if *present == phase {
                return false;
            }
            if present.name() != phase.name() {
                *supervisor
                    .published
                    .since
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner) = SystemTime::now();
                log(role, present, &phase);
            }
            *present = phase;
            true
        });
    }
}

fn log(role: &str, before: &Phase, after: &Phase) {
    let (from, to, cause) = (before.name(), after.name(), after.cause());
    match after {
        Phase::Degraded { .. } | Phase::NeedsAction { .. } | Phase::Unresponsive { .. } => {
            tracing::warn!(role, from, to, cause, "changed state");
        }
        Phase::Backoff { failures: 1, .. } => tracing::warn!(role, from, to, cause, "changed state"),
        Phase::Backoff { failures, .. } => tracing::info!(role, from, to, cause, failures, "changed state"),
        Phase::Stopped | Phase::Starting { .. } | Phase::Healthy { .. } | Phase::Stopping => {
            tracing::info!(role, from, to, "changed state");
        }
    }
}
