use futures_util::StreamExt;

use super::*;
use crate::wire::Delta;

fn delta(text: &str) -> Signal {
    Signal::Event {
        directory: Arc::from("/p"),
        event: Arc::new(Event::PartDelta(Delta {
            delta: text.to_owned(),
            ..Delta::default()
        })),
    }
}

#[test]
fn a_subscriber_hears_first_that_the_stream_is_open() {
    let hub = Hub::new();
    let mut early = hub.events();
    hub.connected();
    let mut late = hub.events();
    hub.tell(delta("a"));

    for events in [&mut early, &mut late] {
        assert_eq!(events.try_recv(), Some(Signal::Connected { epoch: 1 }));
        assert_eq!(events.try_recv(), Some(delta("a")));
        assert_eq!(events.try_recv(), None);
    }
}

#[test]
fn a_lost_stream_is_told_once_and_its_successor_has_the_next_epoch() {
    let hub = Hub::new();
    hub.connected();
    let mut events = hub.events();

    hub.down("it exited");
    hub.down("it is starting");
    hub.connected();

    assert_eq!(events.try_recv(), Some(Signal::Connected { epoch: 1 }));
    assert_eq!(events.try_recv(), Some(Signal::Lost));
    assert_eq!(events.try_recv(), Some(Signal::Connected { epoch: 2 }));
    assert_eq!(events.try_recv(), None);
}

#[test]
fn a_slow_subscriber_is_told_and_does_not_get_what_is_old() {
    let hub = Hub::new();
    hub.connected();
    let mut events = hub.events();
    assert_eq!(events.try_recv(), Some(Signal::Connected { epoch: 1 }));

    for _ in 0..=SIGNALS_MAX {
        hub.tell(delta("old"));
    }

    assert_eq!(events.try_recv(), Some(Signal::Lagged));
    assert_eq!(events.try_recv(), None);
    hub.tell(delta("new"));
    assert_eq!(events.try_recv(), Some(delta("new")));
}

#[tokio::test]
async fn a_tap_is_greeted_passes_lines_on_and_ends_with_the_stream() {
    let hub = Hub::new();
    assert_eq!(hub.tap()().collect::<Vec<_>>().await, Vec::<String>::new());
    hub.connected();
    let tap = hub.tap()();

    hub.pass("{\"a\":1}");
    hub.down("it exited");

    let lines: Vec<String> = tap.collect().await;
    assert_eq!(lines.len(), 2);
    assert!(lines[0].contains("server.connected"));
    assert_eq!(lines[1], "{\"a\":1}");
}
