use super::*;
use crate::settings::TunnelSettings;

fn view() -> View {
    View {
        is_wanted: true,
        blocked: None,
        mode: Mode::Quick,
        origin: Origin::Open(4100),
        is_undecided: false,
        phase: Phase::Healthy { pid: 7 },
        connections: Some(1),
        was_connected: true,
        is_long_lost: false,
        trouble: None,
        names: TunnelSettings::default().names(),
        profile: String::new(),
        host: Some("a-b.trycloudflare.com".to_owned()),
        is_nameless: false,
        off_at: None,
        version: Some("2026.8.2".to_owned()),
        restarts: 0,
        reach: Reach::default(),
        download: None,
        is_missing: false,
    }
}

fn state_of(change: impl FnOnce(&mut View)) -> (State, Option<String>) {
    let mut view = view();
    change(&mut view);
    state(&view)
}

#[test]
fn connected_is_what_cloudflared_proves_and_an_address_is_not() {
    assert_eq!(state_of(|_| {}), (State::Connected, None));
    let (starting, reason) = state_of(|view| {
        view.connections = Some(0);
        view.was_connected = false;
    });
    assert_eq!(starting, State::Starting);
    assert!(reason.unwrap().contains("not reachable yet"));
    assert_eq!(state_of(|view| view.connections = Some(0)).0, State::Reconnecting);
    assert_eq!(state_of(|view| view.host = None).0, State::Starting);
    let (state, reason) = state_of(|view| {
        view.host = None;
        view.is_nameless = true;
    });
    assert_eq!(state, State::NeedsAction);
    assert!(reason.unwrap().contains("http://127.0.0.1:4100"));
    assert_eq!(
        state_of(|view| {
            view.connections = None;
            view.was_connected = false;
            view.host = None;
        }),
        (State::Starting, None)
    );
}

#[test]
fn what_is_not_wanted_or_not_allowed_is_off_whatever_runs() {
    assert_eq!(
        state_of(|view| {
            view.is_wanted = false;
            view.phase = Phase::Stopped;
        }),
        (State::Off, None)
    );
    assert_eq!(state_of(|view| view.is_wanted = false).0, State::Stopping);
    let why = "Set a password first.".to_owned();
    assert_eq!(
        state_of(|view| view.blocked = Some(why.clone())),
        (State::Blocked, Some(why.clone()))
    );
    assert_eq!(
        state_of(|view| view.origin = Origin::Refused(why.clone())),
        (State::Blocked, Some(why))
    );
}

#[test]
fn troubles_say_what_to_do() {
    let lost = |trouble, is_long_lost| {
        state_of(|view| {
            view.connections = Some(0);
            view.trouble = trouble;
            view.is_long_lost = is_long_lost;
        })
    };
    assert_eq!(lost(Some(Trouble::Refused), false).0, State::NeedsAction);
    assert_eq!(lost(Some(Trouble::Silent), false).0, State::Degraded);
    assert_eq!(lost(None, true).0, State::Degraded);
}

#[test]
fn without_a_network_nobody_is_told_that_udp_is_blocked_where_it_passed_before() {
    let blocked = |was_connected, is_long_lost| {
        state_of(|view| {
            view.connections = Some(0);
            view.trouble = Some(Trouble::Blocked);
            view.was_connected = was_connected;
            view.is_long_lost = is_long_lost;
        })
    };

    let (state, reason) = blocked(false, false);
    assert_eq!(state, State::Degraded);
    let reason = reason.unwrap();
    assert!(
        reason.contains("not reachable yet") && reason.contains("UDP port 7844"),
        "{reason}"
    );
    let (state, reason) = blocked(true, false);
    assert_eq!(state, State::Reconnecting);
    assert!(!reason.unwrap().contains("UDP"));
    let (state, reason) = blocked(true, true);
    assert_eq!(state, State::Degraded);
    assert!(reason.unwrap().contains("ten minutes"));
    assert!(blocked(false, true).1.unwrap().contains("not reachable yet"));
}

#[test]
fn scripts_see_an_address_only_while_it_is_on() {
    let on = status(&view(), SystemTime::UNIX_EPOCH);
    assert_eq!(on.details["public_url"], json!("https://a-b.trycloudflare.com"));
    assert_eq!(on.details["mode"], json!("quick"));
    let mut off = view();
    off.is_wanted = false;
    let off = status(&off, SystemTime::UNIX_EPOCH);
    assert_eq!(
        (&off.details["public_url"], &off.details["mode"]),
        (&Value::Null, &Value::Null)
    );
    assert!(off.facts.is_empty());
}

#[test]
fn a_phone_can_be_paired_from_the_menu_while_there_is_an_address() {
    let mut off = view();
    off.is_wanted = false;
    let entry = |view: &View| {
        menu(&status(view, SystemTime::UNIX_EPOCH))
            .into_iter()
            .find_map(|entry| match entry {
                Entry::Item {
                    action: Action::Open(page),
                    is_enabled,
                    ..
                } => Some((page, is_enabled)),
                Entry::Item { .. }
                | Entry::Check { .. }
                | Entry::Submenu { .. }
                | Entry::Label(_)
                | Entry::Separator => None,
            })
    };

    assert_eq!(entry(&view()), Some(("/devices".to_owned(), true)));
    assert_eq!(entry(&off), Some(("/devices".to_owned(), false)));
}
