//! What is being given to the server right now, so that a second try waits for the first.
//!
//! Kept in memory and nowhere else, and that is right: what is under way ends with this process. A try after its restart
//! finds the nonce in the notes and nobody at it; the server then tells whether the message exists, and only what never
//! arrived is sent again, under the id it had.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

/// The sends under way, by nonce. There are no more of them than requests and jobs, which are bounded.
#[derive(Debug, Default, Clone)]
pub struct Outbox(Arc<Mutex<BTreeMap<String, watch::Sender<Stage>>>>);

/// How far a send is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It can still fail in a way its sender hears of.
    Asking,
    /// The server has it, and answers when it is over.
    Running,
}

/// What a try finds.
#[derive(Debug)]
pub enum Claim {
    /// Nobody is at it: it is to be done, until the ticket is dropped.
    Ours(Ticket),
    /// An earlier try has it done already.
    Running,
}

/// The right to send under a nonce.
#[derive(Debug)]
pub struct Ticket {
    outbox: Outbox,
    nonce: String,
}

impl Outbox {
    /// Asks to send under `nonce`. Waits while an earlier try may still fail, because then this one has to do it.
    pub async fn claim(&self, nonce: &str) -> Claim {
        loop {
            let mut stage = {
                let mut under_way = self.lock();
                match under_way.get(nonce) {
                    Some(stage) => stage.subscribe(),
                    None => {
                        under_way.insert(nonce.to_owned(), watch::Sender::new(Stage::Asking));
                        return Claim::Ours(Ticket {
                            outbox: self.clone(),
                            nonce: nonce.to_owned(),
                        });
                    }
                }
            };
            // An error says that the earlier try is over, however it ended.
            if stage.wait_for(|stage| *stage == Stage::Running).await.is_ok() {
                return Claim::Running;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, watch::Sender<Stage>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// From now on a second try need not wait for the end.
    pub fn runs(&self) {
        if let Some(stage) = self.outbox.lock().get(&self.nonce) {
            stage.send_replace(Stage::Running);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.outbox.lock().remove(&self.nonce);
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::*;

    /// Whether a try is answered without anything else happening.
    async fn is_answered(work: impl Future<Output = Claim>) -> Option<Claim> {
        let mut work = std::pin::pin!(work);
        std::future::poll_fn(|cx| {
            Poll::Ready(match work.as_mut().poll(cx) {
                Poll::Ready(claim) => Some(claim),
                Poll::Pending => None,
            })
        })
        .await
    }

    #[tokio::test]
    async fn a_second_try_waits_and_takes_over_when_the_first_is_over() {
        let outbox = Outbox::default();
        let Claim::Ours(first) = outbox.claim("n").await else {
            panic!("nobody was at it")
        };
        assert!(is_answered(outbox.claim("n")).await.is_none());
        assert!(matches!(outbox.claim("other").await, Claim::Ours(_)));

        let second = tokio::spawn({
            let outbox = outbox.clone();
            async move { outbox.claim("n").await }
        });
        tokio::task::yield_now().await;
        drop(first);

        assert!(matches!(second.await.unwrap(), Claim::Ours(_)));
        assert!(outbox.lock().is_empty());
    }

    #[tokio::test]
    async fn what_runs_is_not_waited_for_and_not_done_again() {
        let outbox = Outbox::default();
        let Claim::Ours(first) = outbox.claim("n").await else {
            panic!("nobody was at it")
        };

        first.runs();

        assert!(matches!(
            is_answered(outbox.claim("n")).await,
            Some(Claim::Running)
        ));
        drop(first);
        assert!(matches!(outbox.claim("n").await, Claim::Ours(_)));
    }
}
