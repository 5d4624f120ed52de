mod order;

use opencode::wire::{Line, Millis};

use super::{anew::Changes, *};

fn session(id: &str, updated: u64) -> Session {
    Session {
        id: id.to_owned(),
        title: id.to_owned(),
        directory: "/p".to_owned(),
        time: opencode::wire::SessionTime {
            updated: Millis(updated),
            ..Default::default()
        },
        ..Session::default()
    }
}

fn tell(shelf: &mut Shelf, kind: &str, properties: &str) -> bool {
    let line =
        format!(r#"{{"directory":"/p","payload":{{"id":"e","type":"{kind}","properties":{properties}}}}}"#);
    shelf.apply("/p", &Line::parse(&line).unwrap().event, "/home/ann")
}

#[test]
fn what_waits_comes_first_then_what_is_pinned_then_what_is_new() {
    let mut shelf = Shelf::default();
    shelf.take_list(
        vec![
            session("ses_a", 1),
            session("ses_b", 2),
            session("ses_c", 3),
            session("ses_d", 4),
        ],
        Moment::default(),
    );
    shelf.pins.insert("ses_b".to_owned());
    tell(
        &mut shelf,
        "session.status",
        r#"{"sessionID":"ses_a","status":{"type":"busy"}}"#,
    );
    tell(
        &mut shelf,
        "permission.asked",
        r#"{"id":"per_1","sessionID":"ses_a","permission":"bash","metadata":{"command":"rm -rf x"}}"#,
    );

    let order: Vec<_> = shelf.cards().into_iter().map(|card| card.id).collect();

    assert_eq!(order, ["ses_a", "ses_b", "ses_d", "ses_c"]);
    assert_eq!(shelf.cards()[0].doing.as_deref(), Some("rm -rf x"));
}

#[test]
fn a_sub_agents_request_shows_on_its_root() {
    let mut shelf = Shelf::default();
    shelf.take_list(vec![session("ses_a", 1)], Moment::default());
    tell(
        &mut shelf,
        "session.created",
        r#"{"sessionID":"ses_x","info":{"id":"ses_x","parentID":"ses_a","title":"sub"}}"#,
    );
    tell(
        &mut shelf,
        "permission.asked",
        r#"{"id":"per_1","sessionID":"ses_x","permission":"bash","metadata":{}}"#,
    );

    let cards = shelf.cards();
    assert_eq!(cards.len(), 1);
    assert_eq!(cards[0].state, CardState::Waiting);

    assert!(tell(
        &mut shelf,
        "permission.replied",
        r#"{"sessionID":"ses_x","requestID":"per_1","reply":"once"}"#
    ));
    assert_eq!(shelf.cards()[0].state, CardState::Idle);
}

#[test]
fn a_turn_is_seen_from_outside() {
    let mut shelf = Shelf::default();
    shelf.take_list(vec![session("ses_a", 1)], Moment::default());
    assert!(tell(
        &mut shelf,
        "session.status",
        r#"{"sessionID":"ses_a","status":{"type":"busy"}}"#
    ));
    assert!(!tell(
        &mut shelf,
        "session.status",
        r#"{"sessionID":"ses_a","status":{"type":"busy"}}"#
    ));
    tell(
        &mut shelf,
        "message.part.updated",
        r#"{"part":{"id":"p","messageID":"m","sessionID":"ses_a","type":"tool","callID":"c","tool":"bash","state":{"status":"running","input":{"command":"cargo test"}}}}"#,
    );
    assert_eq!(shelf.cards()[0].doing.as_deref(), Some("running cargo test"));
    tell(
        &mut shelf,
        "message.part.updated",
        r#"{"part":{"id":"q","messageID":"m","sessionID":"ses_a","type":"text","text":"First.\n\nAll **green**.","time":{"start":1,"end":2}}}"#,
    );
    tell(&mut shelf, "session.idle", r#"{"sessionID":"ses_a"}"#);

    let card = &shelf.cards()[0];
    assert_eq!((card.state, card.words.as_str()), (CardState::Idle, "All green."));
}

#[test]
fn a_turn_the_server_died_in_is_cut() {
    let mut shelf = Shelf::default();
    shelf.take_list(vec![session("ses_a", 1)], Moment::default());
    tell(
        &mut shelf,
        "session.status",
        r#"{"sessionID":"ses_a","status":{"type":"busy"}}"#,
    );

    shelf.all_idle();

    assert_eq!(shelf.cards()[0].state, CardState::Cut);
}

fn asks(json: &str) -> Vec<Event> {
    let line = format!(
        r#"{{"directory":"/p","payload":{{"id":"e","type":"permission.asked","properties":{json}}}}}"#
    );
    vec![Line::parse(&line).unwrap().event]
}

const ASK: &str = r#"{"id":"per_1","sessionID":"ses_a","permission":"bash","metadata":{"command":"ls"}}"#;

fn busy(ids: &[&str]) -> BTreeMap<String, SessionStatus> {
    ids.iter()
        .map(|id| ((*id).to_owned(), SessionStatus::Busy))
        .collect()
}

#[test]
fn what_goes_on_over_a_gap_is_neither_cut_nor_done() {
    let mut shelf = Shelf::default();
    shelf.take_list(vec![session("ses_a", 1)], Moment::default());
    shelf.take_status("/p", &busy(&["ses_a"]), Moment::default());
    shelf.take_asks("/p", &asks(ASK), Moment::default());
    assert_eq!(shelf.folders_under_way(), BTreeSet::from(["/p".to_owned()]));

    let since = shelf.now();
    let ended = shelf.take_status("/p", &busy(&["ses_a"]), since);
    let Changes { closed, .. } = shelf.take_asks("/p", &asks(ASK), since);

    assert_eq!((ended, closed), (vec![], vec![]));
    assert_eq!(shelf.cards()[0].state, CardState::Waiting);
}

#[test]
fn what_ended_or_was_answered_in_a_gap_is_named() {
    let mut shelf = Shelf::default();
    shelf.take_list(vec![session("ses_a", 1)], Moment::default());
    shelf.take_status("/p", &busy(&["ses_a"]), Moment::default());
    shelf.take_asks("/p", &asks(ASK), Moment::default());

    let since = shelf.now();
    let ended = shelf.take_status("/p", &busy(&[]), since);
    let Changes { closed, .. } = shelf.take_asks("/p", &[], since);

    assert_eq!(ended, ["ses_a"]);
    assert_eq!(closed, ["per_1"]);
    assert_eq!(shelf.cards()[0].state, CardState::Idle);
    assert!(shelf.folders_under_way().is_empty());
}

#[test]
fn a_request_that_was_made_while_the_list_was_fetched_stays() {
    let mut shelf = Shelf::default();
    shelf.take_list(vec![session("ses_a", 1)], Moment::default());
    let since = shelf.now();
    tell(&mut shelf, "permission.asked", ASK);

    let Changes { closed, .. } = shelf.take_asks("/p", &[], since);

    assert!(closed.is_empty());
    assert_eq!(shelf.waiting().count(), 1);
}

#[test]
fn another_folder_is_left_alone() {
    let mut shelf = Shelf::default();
    shelf.take_list(vec![session("ses_a", 1)], Moment::default());
    shelf.take_status("/p", &busy(&["ses_a"]), Moment::default());
    tell(&mut shelf, "permission.asked", ASK);

    let since = shelf.now();
    let ended = shelf.take_status("/q", &busy(&[]), since);
    let Changes { closed, .. } = shelf.take_asks("/q", &[], since);

    assert_eq!((ended, closed), (vec![], vec![]));
    assert_eq!(shelf.cards()[0].state, CardState::Waiting);
}

#[test]
fn a_sub_agent_that_was_stopped_asks_nothing_any_more() {
    let mut shelf = Shelf::default();
    shelf.take_list(vec![session("ses_a", 1)], Moment::default());
    tell(&mut shelf, "permission.asked", &ASK.replace("ses_a", "ses_x"));

    assert!(tell(&mut shelf, "session.idle", r#"{"sessionID":"ses_x"}"#));

    assert_eq!(shelf.waiting().count(), 0);
}
