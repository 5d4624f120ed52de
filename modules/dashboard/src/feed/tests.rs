use std::sync::{Arc, Mutex};

use kit::{AgentFacts, ModuleId, ModuleView, Overview, State, Status};
use tokio::sync::watch;

use super::*;
use crate::Tails;

fn overview(states: &[(&'static str, State)]) -> Arc<Overview> {
    let modules = states.iter().map(|(id, state)| ModuleView {
        id: ModuleId(id),
        title: id,
        status: Status::new(*state, SystemTime::UNIX_EPOCH),
    });
    Arc::new(Overview {
        agent: AgentFacts {
            version: "0.1.0",
            pid: 1,
            started_at: SystemTime::UNIX_EPOCH,
            is_headless: true,
            home: String::new(),
        },
        modules: modules.collect(),
    })
}

fn ids(frame: &Frame) -> Vec<&str> {
    let id = |patch: &'_ Patch| match patch {
        Patch::Set { id, .. } => Some(id.clone()),
        Patch::Append { .. } | Patch::AppendText { .. } | Patch::Insert { .. } | Patch::Remove { .. } => None,
    };
    let found: Vec<String> = frame.patches.iter().filter_map(id).collect();
    found.into_iter().map(|id| &*id.leak()).collect()
}

#[tokio::test(start_paused = true)]
async fn only_the_card_that_changed_is_sent() {
    let (sender, receiver) = watch::channel(overview(&[
        ("opencode", State::Healthy),
        ("gateway", State::Starting),
        ("set-up", State::Running),
    ]));
    let source = Source {
        has_controls: true,
        overview: receiver,
        verbs: Arc::new([]),
        tails: Tails::none(),
        ages: Arc::default(),
    };
    let mut feed = Cards::new(source);
    let first = feed.next().await.unwrap();
    assert_eq!(ids(&first), ["headline", "parts"]);

    sender.send_replace(overview(&[
        ("opencode", State::Backoff),
        ("gateway", State::Starting),
        ("set-up", State::Running),
    ]));
    let second = feed.next().await.unwrap();

    assert_eq!(ids(&second), ["headline", "card-opencode"]);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_output_is_shown_twice_a_second() {
    let lines = Arc::new(Mutex::new(Vec::<String>::new()));
    let (revision, changed) = watch::channel(0);
    let (_sender, receiver) = watch::channel(overview(&[("opencode", State::Healthy)]));
    let read = Arc::clone(&lines);
    let source = Source {
        has_controls: true,
        overview: receiver,
        verbs: Arc::new([]),
        tails: Tails {
            read: Arc::new(move |_| read.lock().unwrap().clone()),
            changed,
        },
        ages: Arc::default(),
    };
    let mut feed = Cards::new(source);
    feed.next().await.unwrap();
    let write = |count: usize| {
        lines
            .lock()
            .unwrap()
            .extend((0..count).map(|n| format!("line {n} <b>")));
        revision.send_modify(|revision| *revision += 1);
    };

    write(1);
    let began = Instant::now();
    feed.next().await.unwrap();
    write(1000);
    let frame = feed.next().await.unwrap();

    assert_eq!(began.elapsed(), OUTPUT_EVERY);
    let Patch::Set { html, .. } = &frame.patches[0] else {
        panic!("{frame:?}")
    };
    assert!(html.contains("line 999 &lt;b&gt;") && html.contains("line 994") && !html.contains("line 993"));
}

#[tokio::test(start_paused = true)]
async fn a_part_with_nothing_to_say_has_no_card_until_it_has() {
    let states = |set_up| overview(&[("opencode", State::Healthy), ("set-up", set_up)]);
    let (sender, receiver) = watch::channel(states(State::Running));
    let source = Source {
        has_controls: true,
        overview: receiver,
        verbs: Arc::new([]),
        tails: Tails::none(),
        ages: Arc::default(),
    };
    let mut feed = Cards::new(source);
    let grid = |frame: &Frame| match frame.patches.last() {
        Some(Patch::Set { id, html }) if id == "parts" => html.clone(),
        other => panic!("{other:?} is not the grid"),
    };
    let first = grid(&feed.next().await.unwrap());
    assert!(first.contains("card-opencode") && !first.contains("card-set-up"));

    sender.send_replace(states(State::Degraded));
    let second = grid(&feed.next().await.unwrap());

    assert!(second.contains("card-set-up"));
}
