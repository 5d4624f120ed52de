//! What must hold for this machine to be reachable, as the parts that know it say.

use std::{pin::Pin, sync::Arc, task::Poll};

use tokio::sync::watch;

/// What the owner has to have decided for this machine to be reachable.
#[derive(Clone)]
pub struct Decisions {
    /// A sentence with what to do, while something is left to decide.
    pub missing: Arc<dyn Fn() -> Option<String> + Send + Sync>,
    /// Changes whenever `missing` may answer something else.
    pub revision: watch::Receiver<u64>,
}

/// Everybody who has a say. Cheap to clone; each clone has seen what its original had.
#[derive(Clone)]
pub(crate) struct Objections {
    parts: Vec<Part>,
    is_undecided: watch::Receiver<bool>,
    owner: Decisions,
    has_owner: bool,
}

#[derive(Clone)]
struct Part {
    says: watch::Receiver<Option<String>>,
    /// Whether it was noticed that it has gone.
    has_gone: bool,
}

impl Objections {
    pub(crate) fn of(
        parts: Vec<watch::Receiver<Option<String>>>,
        is_undecided: watch::Receiver<bool>,
        owner: Decisions,
    ) -> Self {
        let part = |says| Part {
            says,
            has_gone: false,
        };
        Self {
            parts: parts.into_iter().map(part).collect(),
            is_undecided,
            owner,
            has_owner: true,
        }
    }

    /// The first one that holds at this moment. Somebody who has gone without a word objects.
    pub(crate) fn first(&self) -> Option<String> {
        let of_part = self.parts.iter().find_map(|Part { says, .. }| {
            let objection = says.borrow().clone();
            objection.or_else(|| {
                let is_gone = says.has_changed().is_err();
                is_gone.then(|| "A part of the program that guards remote access has failed.".to_owned())
            })
        });
        of_part.or_else(|| (self.owner.missing)())
    }

    /// Whether somebody is still finding out if there is an objection. Who has gone finds out nothing.
    pub(crate) fn are_undecided(&self) -> bool {
        *self.is_undecided.borrow() && self.is_undecided.has_changed().is_ok()
    }

    /// Waits until somebody says something new, or goes. Who has gone is not waited for again.
    pub(crate) async fn changed(&mut self) {
        let mut waiting: Vec<Pin<Box<dyn Future<Output = ()> + Send + '_>>> = Vec::new();
        for part in self.parts.iter_mut().filter(|part| !part.has_gone) {
            waiting.push(Box::pin(async {
                part.has_gone = part.says.changed().await.is_err()
            }));
        }
        if self.is_undecided.has_changed().is_ok() {
            let is_undecided = &mut self.is_undecided;
            waiting.push(Box::pin(async { drop(is_undecided.changed().await) }));
        }
        if self.has_owner {
            let (revision, has_owner) = (&mut self.owner.revision, &mut self.has_owner);
            waiting.push(Box::pin(async { *has_owner = revision.changed().await.is_ok() }));
        }
        std::future::poll_fn(|cx| {
            let is_new = waiting.iter_mut().any(|waits| waits.as_mut().poll(cx).is_ready());
            if is_new { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicBool, Ordering},
        time::Duration,
    };

    use super::*;

    #[tokio::test]
    async fn each_has_a_say_and_silence_counts_against() {
        let (first, first_said) = watch::channel(None);
        let (second, second_said) = watch::channel(None);
        let (undecided, is_undecided) = watch::channel(true);
        let (edits, revision) = watch::channel(0);
        let is_decided = Arc::new(AtomicBool::new(true));
        let asked = Arc::clone(&is_decided);
        let missing = move || (!asked.load(Ordering::Relaxed)).then(|| "decide".to_owned());
        let owner = Decisions {
            missing: Arc::new(missing),
            revision,
        };
        let mut objections = Objections::of(vec![first_said, second_said], is_undecided, owner);
        assert_eq!(objections.first(), None);
        assert!(objections.are_undecided());

        undecided.send_replace(false);
        objections.changed().await;
        assert!(!objections.are_undecided());

        second.send_replace(Some("no".to_owned()));
        objections.changed().await;
        assert_eq!(objections.first(), Some("no".to_owned()));
        second.send_replace(None);
        objections.changed().await;
        assert_eq!(objections.first(), None);

        is_decided.store(false, Ordering::Relaxed);
        edits.send_modify(|count| *count += 1);
        objections.changed().await;
        assert_eq!(objections.first(), Some("decide".to_owned()));

        drop(first);
        objections.changed().await;
        assert!(objections.first().unwrap().contains("has failed"));
        // It is said once: nobody is woken by it for ever.
        let again = tokio::time::timeout(Duration::from_millis(20), objections.changed()).await;
        assert!(again.is_err());
    }
}
