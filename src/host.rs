//! Runs the modules: merges what they say, starts a failed one again, stops them in reverse.

mod outage;

use std::{sync::Arc, time::Duration};

use futures_util::future::select_all;
use kit::{CancellationToken, Module, ModuleView, NoticeSender, Overview, Status};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};

use outage::Resident;

/// How long one module may keep the next from being told to stop. Stops overlap after it, so that a module that takes
/// its time (opencode gets five seconds) does not use up the others' share.
const STOP_STEP: Duration = Duration::from_millis(300);
/// When a module that has not stopped is abandoned. Below the seven seconds a quit may take in all.
const STOP_BUDGET: Duration = Duration::from_millis(6_500);

/// All modules and the overview made of them.
pub struct Host {
    modules: Vec<Arc<dyn Module>>,
    overview: watch::Sender<Arc<Overview>>,
    notices: NoticeSender,
}

impl Host {
    /// Takes the modules in the order they start, and the overview they were given the other end of.
    pub fn new(
        modules: Vec<Arc<dyn Module>>,
        overview: watch::Sender<Arc<Overview>>,
        notices: NoticeSender,
    ) -> Self {
        let host = Self {
            modules,
            overview,
            notices,
        };
        let outages = vec![None; host.modules.len()];
        merge(&host.overview, &host.modules, &outages);
        host
    }

    /// Runs every module until `stop`, then ends them in reverse order. Nothing of them is left when it returns,
    /// unless one did not stop within its budget.
    pub async fn run(self, stop: CancellationToken) {
        let outages = watch::Sender::new(vec![None::<Status>; self.modules.len()]);
        let mut running = Vec::new();
        for (index, module) in self.modules.iter().enumerate() {
            let own_stop = CancellationToken::new();
            let resident = Resident {
                module: Arc::clone(module),
                notices: self.notices.clone(),
                index,
                outages: outages.clone(),
            };
            let task = tokio::spawn(resident.run(own_stop.clone()));
            running.push((module.id(), own_stop, task));
        }
        let merge_stop = CancellationToken::new();
        let merging = tokio::spawn(keep_merged(
            self.overview.clone(),
            self.modules.clone(),
            outages.subscribe(),
            merge_stop.clone(),
        ));
        stop.cancelled().await;
        stop_in_reverse(running).await;
        merge_stop.cancel();
        if let Err(error) = merging.await {
            tracing::error!(%error, "the overview was no longer kept");
        }
    }
}

async fn stop_in_reverse(mut running: Vec<(kit::ModuleId, CancellationToken, JoinHandle<()>)>) {
    let deadline = Instant::now() + STOP_BUDGET;
    let mut late = Vec::new();
    while let Some((id, stop, mut task)) = running.pop() {
        stop.cancel();
        if timeout(STOP_STEP, &mut task).await.is_err() {
            late.push((id, task));
        }
    }
    for (id, mut task) in late {
        if timeout_at(deadline, &mut task).await.is_err() {
            tracing::error!(module = id.0, "a module did not stop in time and was abandoned");
            task.abort();
        }
    }
}

/// Publishes a new overview whenever a module says something new.
async fn keep_merged(
    overview: watch::Sender<Arc<Overview>>,
    modules: Vec<Arc<dyn Module>>,
    mut outages: watch::Receiver<Vec<Option<Status>>>,
    stop: CancellationToken,
) {
    let mut statuses: Vec<_> = modules.iter().map(|module| module.status()).collect();
    loop {
        let told = outages.borrow_and_update().clone();
        for status in &mut statuses {
            status.mark_unchanged();
        }
        merge(&overview, &modules, &told);
        let module_changed = async {
            let changes = statuses.iter_mut().map(|status| Box::pin(told_anew(status)));
            select_all(changes).await;
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = module_changed, if !modules.is_empty() => {}
            _ = outages.changed() => {}
        }
    }
}

/// A module whose sender is gone says nothing new any more.
async fn told_anew(status: &mut watch::Receiver<Status>) {
    if status.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn merge(overview: &watch::Sender<Arc<Overview>>, modules: &[Arc<dyn Module>], outages: &[Option<Status>]) {
    let views: Vec<ModuleView> = modules
        .iter()
        .zip(outages)
        .map(|(module, outage)| ModuleView {
            id: module.id(),
            title: module.title(),
            status: outage.clone().unwrap_or_else(|| module.status().borrow().clone()),
        })
        .collect();
    overview.send_if_modified(|held| {
        let is_new = held.modules != views;
        if is_new {
            *held = Arc::new(Overview {
                agent: held.agent.clone(),
                modules: views,
            });
        }
        is_new
    });
}

#[cfg(test)]
mod tests;
