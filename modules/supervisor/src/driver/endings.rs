//! Trees on their way out.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::{Drive, remains::Remains};
use crate::{Grace, Phase, Program, ending, machine::Event};

/// What is left of a crashed child is asked to end, and ended 2 s later.
pub(super) const REMAINS: Grace = Grace {
    wind_down: Duration::ZERO,
    term_again: Duration::from_secs(1),
    kill: Duration::from_secs(2),
    give_up: Duration::from_secs(4),
};

impl<P: Program> Drive<'_, P> {
    /// Ends the child, or hurries an end that is under way.
    pub(super) fn end(&mut self, grace: Grace) {
        if let Some(number) = self.awaited {
            if let Some(given) = self.graces.get(&number) {
                shorten(given, grace);
            }
            return;
        }
        let Some(child) = &mut self.child else {
            return;
        };
        let remains = Remains::taken_from(child);
        let (program, run) = (Arc::clone(&self.supervisor.program), child.run.clone());
        let is_responsive = matches!(self.machine_phase_before(), Phase::Healthy { .. });
        let wind_down: BoxFuture<'static, ()> = if is_responsive {
            Box::pin(async move { program.wind_down(&run).await })
        } else {
            Box::pin(std::future::ready(()))
        };
        self.awaited = Some(self.end_tree(remains, grace, wind_down));
    }

    /// The phase last published: the machine is already in the one that follows.
    pub(super) fn machine_phase_before(&self) -> Phase {
        self.supervisor.phase.borrow().clone()
    }

    pub(super) fn end_tree(
        &mut self,
        mut remains: Remains,
        grace: Grace,
        wind_down: BoxFuture<'static, ()>,
    ) -> u64 {
        self.endings_begun += 1;
        let number = self.endings_begun;
        let role = self.supervisor.program.role();
        let (sender, receiver) = watch::channel(grace);
        self.endings.spawn(async move {
            let ending = ending::end(remains.tree.clone(), receiver, wind_down);
            let (is_gone, ()) = tokio::join!(ending, remains.tell());
            remains.bury(role, is_gone).await;
            number
        });
        self.graces.insert(number, sender);
        number
    }

    pub(super) async fn ended(&mut self, number: u64) -> Vec<Event> {
        self.graces.remove(&number);
        if self.awaited != Some(number) {
            return vec![];
        }
        // The tree can be found gone before its root is known to have ended, and how that ended is still to be told.
        let status = self
            .child
            .as_mut()
            .and_then(|child| child.process.try_wait().transpose());
        let mut events = match status {
            Some(status) => self.exited(status).await,
            None => vec![],
        };
        self.awaited = None;
        // When even SIGKILL did not end the child, it is given up; its record stays for the next agent.
        self.child = None;
        events.push(Event::Gone);
        events
    }
}

/// Gives an ending less time, never more.
pub(super) fn shorten(given: &watch::Sender<Grace>, grace: Grace) {
    given.send_if_modified(|present| {
        let is_shorter = grace.give_up < present.give_up;
        if is_shorter {
            *present = grace;
        }
        is_shorter
    });
}
