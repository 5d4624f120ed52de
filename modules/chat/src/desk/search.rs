//! Searching: the sessions in memory, and what the server has beyond them.

use std::{collections::BTreeSet, time::Duration};

use opencode::{
    ApiError,
    api::{SessionFilter, SessionPage},
    wire::Session,
};
use tokio::time::{Instant, timeout_at};

use super::Desk;
use crate::{
    shelf::Shelf,
    view::{Card, Found, Lack},
};

/// Sessions the server is asked for at once.
const PAGE_SESSIONS: usize = 200;
/// Times it is asked for one search.
const PAGES_MAX: usize = 5;
/// Sessions a search shows of what the server has.
const FOUND_MAX: usize = 100;
/// How long the server may take for all of a search. It was milliseconds a page; a person waits for what comes of it.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Sessions with these words, in small letters.
    Words(String),
    /// What was put away.
    Archived,
}

impl Wanted {
    fn is_card(&self, card: &Card) -> bool {
        let Self::Words(words) = self else { return false };
        let text = format!("{} {}", card.title, card.directory);
        text.to_lowercase().contains(words)
    }

    fn is_session(&self, session: &Session) -> bool {
        match self {
            Self::Words(words) => session.title.to_lowercase().contains(words),
            Self::Archived => session.time.archived.is_some(),
        }
    }

    /// What the server searches titles for, which may find more than is wanted. It takes `_` for any letter, and knows
    /// of no letters beyond ASCII that they can be small.
    fn pattern(&self) -> Option<String> {
        let Self::Words(words) = self else { return None };
        let letter = |char: char| if char.is_ascii() { char } else { '_' };
        Some(words.chars().map(letter).collect())
    }
}

impl Desk {
    /// Everything that is wanted. Without the server, what is in memory.
    pub async fn search(&self, wanted: &Wanted) -> Found {
        let mut found = Found {
            current: self.shelf(Shelf::cards),
            ..Found::default()
        };
        found.current.retain(|card| wanted.is_card(card));
        let answer = ask_for(
            wanted,
            |filter| async move { self.api.all_sessions(&filter).await },
        )
        .await;
        found.is_cut = answer.is_cut;
        found.lack = answer.lack;
        add(&mut found, answer.sessions);
        found
    }
}

/// What the server has.
#[derive(Debug, Default, PartialEq)]
struct Answer {
    /// Latest first.
    sessions: Vec<Session>,
    /// There are more of them.
    is_cut: bool,
    lack: Option<Lack>,
}

/// Asks page by page, for as long as somebody would wait.
async fn ask_for<F>(wanted: &Wanted, ask: impl Fn(SessionFilter) -> F) -> Answer
where
    F: Future<Output = Result<SessionPage, ApiError>>,
{
    let end = Instant::now() + ANSWER_WITHIN;
    let mut filter = SessionFilter {
        search: wanted.pattern(),
        limit: Some(PAGE_SESSIONS),
        includes_archived: true,
        ..SessionFilter::default()
    };
    let mut answer = Answer::default();
    for _ in 0..PAGES_MAX {
        let page = match timeout_at(end, ask(filter.clone())).await {
            Ok(Ok(page)) => page,
            Ok(Err(error)) => {
                tracing::debug!(%error, "the server could not be asked for sessions");
                answer.lack = Some(Lack::Refused);
                break;
            }
            Err(_elapsed) => {
                tracing::debug!("the server takes too long to list sessions");
                answer.lack = Some(Lack::Slow);
                break;
            }
        };
        let fit = page
            .sessions
            .into_iter()
            .filter(|session| wanted.is_session(session));
        answer.sessions.extend(fit);
        filter.cursor = page.next;
        if filter.cursor.is_none() || answer.sessions.len() > FOUND_MAX {
            break;
        }
    }
    let is_more = answer.lack.is_none() && filter.cursor.is_some();
    answer.is_cut = is_more || answer.sessions.len() > FOUND_MAX;
    answer.sessions.truncate(FOUND_MAX);
    answer
}

/// Adds what the server has to what is known already.
fn add(found: &mut Found, sessions: Vec<Session>) {
    let known: BTreeSet<String> = found.current.iter().map(|card| card.id.clone()).collect();
    for session in sessions.iter().filter(|session| !known.contains(&session.id)) {
        let card = Card::at_rest(session);
        match session.time.archived {
            Some(_) => found.archived.push(card),
            None => found.current.push(card),
        }
    }
}

#[cfg(test)]
mod tests {
    use opencode::wire::Millis;

    use super::*;

    fn session(id: &str, title: &str, archived: Option<u64>) -> Session {
        let mut session = Session {
            id: id.to_owned(),
            title: title.to_owned(),
            ..Session::default()
        };
        session.time.archived = archived.map(Millis);
        session
    }

    #[test]
    fn the_server_is_asked_for_more_and_only_what_is_wanted_is_taken() {
        let wanted = Wanted::Words("50% möwe".to_owned());

        assert_eq!(wanted.pattern().as_deref(), Some("50% m_we"));
        assert!(wanted.is_session(&session("a", "At 50% MÖWE", None)));
        assert!(!wanted.is_session(&session("a", "At 50 muwe", None)));
        assert_eq!(Wanted::Archived.pattern(), None);
        assert!(!Wanted::Archived.is_session(&session("a", "x", None)));
    }

    #[test]
    fn each_session_is_found_once_and_archived_ones_stand_apart() {
        let mut found = Found {
            current: vec![Card::at_rest(&session("a", "known", None))],
            ..Found::default()
        };

        add(
            &mut found,
            vec![
                session("a", "known", None),
                session("b", "old", None),
                session("c", "put away", Some(7)),
            ],
        );

        let ids = |cards: &[Card]| cards.iter().map(|card| card.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&found.current), ["a", "b"]);
        assert_eq!(ids(&found.archived), ["c"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_search_waits_three_seconds_for_all_pages_and_keeps_what_came() {
        let begin = Instant::now();
        let wanted = Wanted::Words("ho".to_owned());

        let answer = ask_for(&wanted, |filter| async move {
            // The first page comes late, the second one never.
            if filter.cursor.is_some() {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
            Ok(SessionPage {
                sessions: vec![session("a", "Home", None)],
                next: Some("more".to_owned()),
            })
        })
        .await;

        let expected = Answer {
            sessions: vec![session("a", "Home", None)],
            is_cut: false,
            lack: Some(Lack::Slow),
        };
        assert_eq!(answer, expected);
        assert_eq!(begin.elapsed(), Duration::from_secs(3));
    }
}
