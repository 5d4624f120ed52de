//! Searching: the sessions in memory, and what the server has beyond them.

use std::collections::BTreeSet;

use opencode::{ApiError, api::SessionFilter, wire::Session};

use super::Desk;
use crate::{
    shelf::Shelf,
    view::{Card, Found},
};

/// Sessions the server is asked for at once.
const PAGE_SESSIONS: usize = 200;
/// Times it is asked for one search.
const PAGES_MAX: usize = 5;
/// Sessions a search shows of what the server has.
const FOUND_MAX: usize = 100;

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
        match self.ask_for(wanted).await {
            Ok((sessions, is_cut)) => {
                found.is_cut = is_cut;
                add(&mut found, sessions);
            }
            Err(error) => {
                tracing::debug!(%error, "the server could not be asked for sessions");
                found.is_partial = true;
            }
        }
        found
    }

    /// The sessions of the server, latest first, and whether there are more of them.
    async fn ask_for(&self, wanted: &Wanted) -> Result<(Vec<Session>, bool), ApiError> {
        let mut filter = SessionFilter {
            search: wanted.pattern(),
            limit: Some(PAGE_SESSIONS),
            includes_archived: true,
            ..SessionFilter::default()
        };
        let mut sessions = Vec::new();
        for _ in 0..PAGES_MAX {
            let page = self.api.all_sessions(&filter).await?;
            sessions.extend(
                page.sessions
                    .into_iter()
                    .filter(|session| wanted.is_session(session)),
            );
            filter.cursor = page.next;
            if filter.cursor.is_none() || sessions.len() > FOUND_MAX {
                break;
            }
        }
        let is_cut = filter.cursor.is_some() || sessions.len() > FOUND_MAX;
        sessions.truncate(FOUND_MAX);
        Ok((sessions, is_cut))
    }
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
}
