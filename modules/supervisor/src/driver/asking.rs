//! The questions a program is asked, each with its limit.

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::time::timeout;

use crate::{
    Command, Gate, Probe, Program, Refusal,
    gate::{Fault, judge},
    tree::Tree,
};

/// A login shell may be asked for its environment, a binary for its version.
const PREPARE_MAX: Duration = Duration::from_secs(60);

/// The gate asks a server that just answered.
const VERIFY_MAX: Duration = Duration::from_secs(10);

/// What the program said.
pub(super) enum Answer<R> {
    Prepared(Result<(Command, R), Refusal>),
    Probed(Probe),
    Verified(Result<(), Fault>),
}

pub(super) fn prepare<P: Program>(program: Arc<P>) -> BoxFuture<'static, Answer<P::Run>> {
    async move {
        let prepared = timeout(PREPARE_MAX, program.prepare())
            .await
            .unwrap_or_else(|_late| {
                let role = program.role();
                Err(Refusal::Transient(format!(
                    "the start of {role} could not be prepared within {} s",
                    PREPARE_MAX.as_secs()
                )))
            });
        Answer::Prepared(prepared)
    }
    .boxed()
}

pub(super) fn probe<P: Program>(
    program: Arc<P>,
    run: P::Run,
    limit: Duration,
) -> BoxFuture<'static, Answer<P::Run>> {
    async move {
        let probe = timeout(limit, program.probe(&run)).await.unwrap_or(Probe::Bad);
        Answer::Probed(probe)
    }
    .boxed()
}

pub(super) fn verify<P: Program>(
    program: Arc<P>,
    run: P::Run,
    tree: Tree,
    port: Option<u16>,
) -> BoxFuture<'static, Answer<P::Run>> {
    async move {
        let role = program.role();
        let pid = tree.root.pid;
        let looked = tokio::task::spawn_blocking(move || {
            let pids: Vec<u32> = tree.glance_blocking().iter().map(|process| process.pid).collect();
            os::listening(&pids)
        })
        .await
        .unwrap_or_else(|error| Err(std::io::Error::other(error)));
        let listening = match judge(role, port, looked) {
            Ok(listening) => listening,
            Err(fault) => {
                if let Fault::Refused(refusal) = &fault {
                    program.distrusted(refusal);
                }
                return Answer::Verified(Err(fault));
            }
        };
        let gate = Gate { pid, listening };
        let verdict = timeout(VERIFY_MAX, program.verify(&run, &gate))
            .await
            .unwrap_or_else(|_late| {
                Err(Refusal::Transient(format!(
                    "{role} did not answer while it was checked"
                )))
            });
        Answer::Verified(verdict.map_err(Fault::Refused))
    }
    .boxed()
}
