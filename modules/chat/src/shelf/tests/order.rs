//! Answers and events cross: whatever the order, in the end the shelf shows what the server has.

use std::collections::VecDeque;

use proptest::{prelude::*, sample::select};

use super::*;

/// The last one is a sub-agent's, which is not on the shelf.
const SESSIONS: [&str; 3] = ["ses_a", "ses_b", "ses_x"];

/// What happens next, anywhere.
#[derive(Debug, Clone)]
enum Step {
    /// A turn begins.
    Begin(&'static str),
    /// It ends or is broken off, with whatever it still asks.
    End(&'static str),
    /// A session at work asks something.
    Ask(&'static str),
    /// The oldest open request is answered.
    Answer,
    /// A session is put away or had back.
    Put(&'static str, bool),
    /// The next event arrives.
    Hear,
    /// The events on their way are lost; the stream is opened anew, and everything is asked for.
    Break,
    /// The server makes the next part of its answer: the list, status, requests.
    Make,
    /// The answer arrives, as far as it is made.
    Take,
}

/// The server as it is, and what is on its way from it.
#[derive(Default)]
struct World {
    busy: BTreeMap<String, SessionStatus>,
    /// Who asks, by request.
    asks: BTreeMap<String, &'static str>,
    /// Requests of turns that were broken off: still listed.
    void: BTreeMap<String, &'static str>,
    away: BTreeSet<&'static str>,
    events: VecDeque<Event>,
    answer: Option<Answer>,
    count: u64,
    shelf: Shelf,
}

/// One round of questions: the list is taken over before the rest is asked for.
enum Answer {
    List {
        since: Moment,
        made: Option<Vec<Session>>,
    },
    UnderWay {
        since: Moment,
        status: Option<BTreeMap<String, SessionStatus>>,
        asks: Option<Vec<Event>>,
    },
}

fn event(kind: &str, properties: &str) -> Event {
    let line =
        format!(r#"{{"directory":"/p","payload":{{"id":"e","type":"{kind}","properties":{properties}}}}}"#);
    Line::parse(&line).unwrap().event
}

fn asked_by(request: &str, asker: &str) -> Event {
    let properties =
        format!(r#"{{"id":"{request}","sessionID":"{asker}","permission":"bash","metadata":{{}}}}"#);
    event("permission.asked", &properties)
}

impl World {
    fn new() -> Self {
        let mut world = Self::default();
        world.events.push_back(event(
            "session.created",
            r#"{"sessionID":"ses_x","info":{"id":"ses_x","parentID":"ses_a"}}"#,
        ));
        world.hear();
        world.ask();
        world
    }

    fn session(&self, id: &str) -> Session {
        let mut session = session(id, 1);
        session.time.archived = self.away.contains(id).then_some(Millis(1));
        session
    }

    fn say(&mut self, kind: &str, properties: &str) {
        self.events.push_back(event(kind, properties));
    }

    fn hear(&mut self) {
        if let Some(event) = self.events.pop_front() {
            self.shelf.apply("/p", &event, "/home/ann");
        }
    }

    fn ask(&mut self) {
        let since = self.shelf.now();
        self.answer = Some(Answer::List { since, made: None });
    }

    fn make(&mut self) {
        let listed = self.asks.iter().chain(&self.void);
        let open = listed.map(|(request, asker)| asked_by(request, asker)).collect();
        let list = SESSIONS[..2].iter().map(|id| self.session(id)).collect();
        match &mut self.answer {
            Some(Answer::List { made, .. }) if made.is_none() => *made = Some(list),
            Some(Answer::UnderWay { status, .. }) if status.is_none() => *status = Some(self.busy.clone()),
            Some(Answer::UnderWay { asks, .. }) if asks.is_none() => *asks = Some(open),
            Some(_) | None => {}
        }
    }

    fn take(&mut self) {
        match self.answer.take() {
            Some(Answer::List {
                since,
                made: Some(list),
            }) => {
                self.shelf.take_list(list, since);
                self.answer = Some(Answer::UnderWay {
                    since: self.shelf.now(),
                    status: None,
                    asks: None,
                });
            }
            Some(Answer::UnderWay {
                since,
                status: Some(status),
                asks: Some(mut asks),
            }) => {
                asks.retain(|event| event.session_id().is_some_and(|id| status.contains_key(id)));
                self.shelf.take_status("/p", &status, since);
                self.shelf.take_asks("/p", &asks, since);
            }
            unfinished => self.answer = unfinished,
        }
    }

    fn step(&mut self, step: &Step) {
        self.count += 1;
        match step {
            Step::Begin(id) if !self.busy.contains_key(*id) => {
                self.busy.insert((*id).to_owned(), SessionStatus::Busy);
                // The server forgets them with the next turn at the latest.
                self.void.retain(|_, asker| asker != id);
                self.say(
                    "session.status",
                    &format!(r#"{{"sessionID":"{id}","status":{{"type":"busy"}}}}"#),
                );
            }
            Step::End(id) if self.busy.remove(*id).is_some() => {
                let (void, asks) = std::mem::take(&mut self.asks)
                    .into_iter()
                    .partition(|(_, asker)| asker == id);
                self.asks = asks;
                self.void.extend::<BTreeMap<_, _>>(void);
                self.say("session.idle", &format!(r#"{{"sessionID":"{id}"}}"#));
            }
            Step::Ask(id) if self.busy.contains_key(*id) => {
                let request = format!("per_{:03}", self.count);
                self.events.push_back(asked_by(&request, id));
                self.asks.insert(request, id);
            }
            Step::Answer => {
                if let Some((request, asker)) = self.asks.pop_first() {
                    self.say(
                        "permission.replied",
                        &format!(r#"{{"sessionID":"{asker}","requestID":"{request}","reply":"once"}}"#),
                    );
                }
            }
            Step::Put(id, is_away) => {
                if *is_away {
                    self.away.insert(id);
                } else {
                    self.away.remove(id);
                }
                let session = Box::new(self.session(id));
                self.events.push_back(Event::SessionUpdated(session));
            }
            Step::Hear => self.hear(),
            Step::Break => {
                self.events.clear();
                self.ask();
            }
            Step::Make => self.make(),
            Step::Take => self.take(),
            Step::Begin(_) | Step::End(_) | Step::Ask(_) => {}
        }
    }

    /// Everything that is on its way arrives.
    fn settle(&mut self) {
        for _ in 0..3 {
            self.make();
            self.take();
        }
        self.make();
        self.take();
        while !self.events.is_empty() {
            self.hear();
        }
    }

    fn told(&self) -> (Vec<&str>, Vec<&str>) {
        let on_shelf = SESSIONS[..2].iter().filter(|id| !self.away.contains(*id));
        let busy = on_shelf.filter(|id| self.busy.contains_key(**id)).copied();
        (busy.collect(), self.asks.keys().map(String::as_str).collect())
    }

    fn shown(&self) -> (Vec<&str>, Vec<&str>) {
        let busy = SESSIONS.into_iter().filter(|id| self.shelf.is_busy(id)).collect();
        (busy, self.shelf.waiting().map(|(request, _)| request).collect())
    }
}

fn step() -> impl Strategy<Value = Step> {
    let id = || select(&SESSIONS[..]);
    prop_oneof![
        3 => id().prop_map(Step::Begin),
        2 => id().prop_map(Step::End),
        3 => id().prop_map(Step::Ask),
        2 => Just(Step::Answer),
        8 => Just(Step::Hear),
        1 => Just(Step::Break),
        4 => Just(Step::Make),
        2 => Just(Step::Take),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn whatever_crosses_the_shelf_ends_up_with_what_the_server_has(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }

        world.settle();

        prop_assert_eq!(world.shown(), world.told());
    }
}

/// A world whose shelf knows everything, and in which the server has made an answer that has not arrived.
fn asked_again() -> World {
    let mut world = World::new();
    world.settle();
    world.ask();
    world.make();
    world.take();
    world.make();
    world.make();
    world
}

#[test]
fn a_turn_that_was_told_during_the_fetch_goes_on() {
    let mut world = asked_again();
    for step in [Step::Begin("ses_a"), Step::Ask("ses_a"), Step::Hear, Step::Hear] {
        world.step(&step);
    }

    world.take();

    assert_eq!(world.shown(), (vec!["ses_a"], vec!["per_002"]));
}

#[test]
fn a_session_that_was_put_away_during_the_fetch_stays_away() {
    let mut world = World::new();
    world.settle();
    world.ask();
    world.make();
    world.step(&Step::Put("ses_a", true));
    world.hear();

    world.take();

    assert!(world.shelf.session("ses_a").is_none());
    assert!(world.shelf.session("ses_b").is_some());
}

#[test]
fn an_answer_of_a_server_that_is_gone_says_nothing_of_the_new_one() {
    let mut world = World::new();
    world.settle();
    world.step(&Step::Begin("ses_a"));
    world.step(&Step::Ask("ses_a"));
    world.ask();
    world.make();
    world.take();
    world.make();
    world.make();

    world.shelf.all_idle();
    world.take();

    assert_eq!(world.shown(), (vec![], vec![]));
}

#[test]
fn an_answer_that_is_overtaken_by_too_much_is_not_taken() {
    let mut world = World::new();
    world.settle();
    world.step(&Step::Begin("ses_a"));
    world.step(&Step::Hear);
    let since = world.shelf.now();
    for at in 0..5000 {
        world
            .shelf
            .apply("/p", &asked_by(&format!("per_{at}"), "ses_b"), "/home/ann");
    }

    assert!(!world.shelf.told.reaches(since));
    assert!(world.shelf.take_status("/p", &BTreeMap::new(), since).is_empty());
    assert!(world.shelf.is_busy("ses_a"));
}
