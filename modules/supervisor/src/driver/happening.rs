//! What becomes of the child: its start, its answers, its end, a look at it now and then.

use std::{process::ExitStatus, sync::atomic::Ordering};

use tokio::time::Instant;

use super::{
    Drive,
    asking::Answer,
    child::{Child, LINES_REMEMBERED, describe},
    endings::REMAINS,
    remains::Remains,
};
use crate::{End, Phase, Program, gate::Fault, machine::Event, output::ring::Heard};

impl<P: Program> Drive<'_, P> {
    pub(super) fn spawn(&mut self, is_restart: bool) -> Event {
        let Some((command, run)) = self.prepared.take() else {
            return Event::NotSpawned(crate::Refusal::Transient("nothing was prepared".to_owned()));
        };
        let role = self.supervisor.program.role();
        let records = self.supervisor.setup.records.clone();
        match Child::spawn(role, command, run, self.drain.clone(), records) {
            Ok(child) => {
                let pid = child.pid();
                tracing::info!(role, pid, port = child.port, "started");
                self.child = Some(child);
                if is_restart {
                    self.supervisor.published.restarts.fetch_add(1, Ordering::Relaxed);
                }
                Event::Spawned(pid)
            }
            Err(refusal) => Event::NotSpawned(refusal),
        }
    }

    pub(super) fn answered(&mut self, answer: Answer<P::Run>) -> Vec<Event> {
        self.asking = None;
        self.answer_due = None;
        vec![match answer {
            Answer::Prepared(Ok(prepared)) => {
                self.prepared = Some(prepared);
                Event::Prepared(Ok(()))
            }
            Answer::Prepared(Err(refusal)) => Event::Prepared(Err(refusal)),
            Answer::Probed(probe) => Event::Probed(probe),
            Answer::Verified(Ok(())) => Event::Verified(Ok(())),
            Answer::Verified(Err(Fault::Refused(refusal))) => Event::Verified(Err(refusal)),
            Answer::Verified(Err(Fault::PortLost)) => Event::PortLost,
        }]
    }

    pub(super) async fn exited(&mut self, status: std::io::Result<ExitStatus>) -> Vec<Event> {
        let role = self.supervisor.program.role();
        self.asking = None;
        self.answer_due = None;
        let Some(mut child) = self.child.take() else {
            return vec![];
        };
        let is_starting = matches!(self.machine.phase(), Phase::Starting { .. });
        let policy = self.supervisor.setup.policy.borrow().clone();
        let now = Instant::now().into_std();
        let heard = if is_starting {
            Heard::Everything
        } else {
            Heard::Errors
        };
        // Nothing may stand between the end of a child that worked and its next start.
        let cause = if self.awaited.is_some() || self.machine.restarts_at_once(now, &policy) {
            describe(role, &status)
        } else {
            child.cause(role, &status, heard).await
        };
        let port_lost = is_starting && child.has_lost_port_blocking();
        tracing::info!(role, pid = child.pid(), %cause, "ended");
        self.supervisor.memory.send_replace(None);
        let end = child.end_of(role, &status);
        let last_output = child.last_words(LINES_REMEMBERED);
        let judged = self.supervisor.program.judge(end.exit, &last_output);
        if self.awaited.is_none() {
            let remains = Remains::of(child, end, self.supervisor.setup.ends.clone());
            self.end_tree(remains, REMAINS, Box::pin(std::future::ready(())));
        } else if let Some(reason) = self.machine.end_reason() {
            let cause = reason.to_owned();
            self.supervisor.remember(End {
                cause,
                last_output,
                ..end
            });
        }
        vec![Event::Exited {
            cause,
            port_lost,
            judged,
        }]
    }

    /// Now and then, while all is well: remembers the tree and takes note of adopted processes that ended.
    pub(super) fn look_around(&mut self) {
        let Some(child) = &self.child else { return };
        self.looked_around = Instant::now();
        let processes = child.tree.glance_blocking();
        let resident = processes
            .iter()
            .filter_map(|process| os::usage(process.pid))
            .map(|usage| usage.resident_bytes)
            .sum();
        self.supervisor.memory.send_replace(Some(resident));
        os::reap_adopted(&[child.pid()], &mut self.ended_zombies);
    }
}
