//! What must hold for this machine to be reachable, as the parts that know it say.

use std::future::pending;

use tokio::sync::watch;

/// Everybody who has a say. Cheap to clone; each clone has seen what its original had.
#[derive(Debug, Clone)]
pub(crate) struct Objections(Vec<watch::Receiver<Option<String>>>);

impl Objections {
    pub(crate) fn of(all: Vec<watch::Receiver<Option<String>>>) -> Self {
        Self(all)
    }

    /// The first one that holds at this moment. Somebody who has gone without a word objects.
    pub(crate) fn first(&self) -> Option<String> {
        self.0.iter().find_map(|says| {
            let objection = says.borrow().clone();
            objection.or_else(|| {
                let is_gone = says.has_changed().is_err();
                is_gone.then(|| "A part of the program that guards remote access has failed.".to_owned())
            })
        })
    }

    /// Waits until somebody says something new, or goes.
    pub(crate) async fn changed(&mut self) {
        let mut waiting: Vec<_> = self.0.iter_mut().map(|says| Box::pin(says.changed())).collect();
        if waiting.is_empty() {
            return pending().await;
        }
        std::future::poll_fn(|cx| {
            let is_new = waiting.iter_mut().any(|waits| waits.as_mut().poll(cx).is_ready());
            if is_new {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_has_a_say_and_silence_counts_against() {
        let (first, first_said) = watch::channel(None);
        let (second, second_said) = watch::channel(None);
        let mut objections = Objections::of(vec![first_said, second_said]);
        assert_eq!(objections.first(), None);

        second.send_replace(Some("no".to_owned()));
        objections.changed().await;
        assert_eq!(objections.first(), Some("no".to_owned()));
        second.send_replace(None);
        objections.changed().await;
        assert_eq!(objections.first(), None);

        drop(first);
        objections.changed().await;
        assert!(objections.first().unwrap().contains("has failed"));
    }
}
