use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::SystemTime,
};

use proptest::prelude::*;

use super::*;

#[derive(Default)]
struct Kept {
    lines: Mutex<Vec<String>>,
    bytes: AtomicU64,
    dropped_lines: AtomicU64,
    dropped_bytes: AtomicU64,
}

impl Sink for Kept {
    fn line(&self, _stream: Stream, line: &str) {
        self.bytes.fetch_add(line.len() as u64 + 1, Ordering::Relaxed);
        let mut lines = self.lines.lock().unwrap();
        if lines.len() < 10_000 {
            lines.push(line.to_owned());
        }
    }

    fn dropped(&self, lines: u64, bytes: u64) {
        self.dropped_lines.fetch_add(lines, Ordering::Relaxed);
        self.dropped_bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

fn drain_into(sink: &Arc<Kept>) -> Drain {
    Drain {
        sink: Arc::clone(sink) as Arc<dyn Sink>,
        published: Arc::new(Published {
            restarts: AtomicU32::new(0),
            since: Mutex::new(SystemTime::now()),
            ring: Mutex::default(),
            printed: AtomicU64::new(0),
        }),
        allowance: Arc::new(Mutex::new(Allowance::new(Instant::now()))),
    }
}

#[tokio::test]
async fn lines_are_handed_over_whole_cut_and_unfinished() {
    let sink = Arc::new(Kept::default());
    let drain = drain_into(&sink);
    let mut output = b"one\r\ntwo\n\n".to_vec();
    output.extend_from_slice(&vec![b'x'; LINE_BYTES_MAX + 10]);
    output.extend_from_slice(b"\nthree \xff\nlast words");

    drain.run(Stream::Out, output.as_slice()).await;

    let long = format!("{}…", "x".repeat(LINE_BYTES_MAX));
    assert_eq!(
        *sink.lines.lock().unwrap(),
        ["one", "two", "", &long, "three \u{fffd}", "last words"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_flood_is_read_and_counted_and_its_end_is_kept() {
    let sink = Arc::new(Kept::default());
    let drain = drain_into(&sink);
    let published = Arc::clone(&drain.published);
    let mut flood = Vec::new();
    let lines = 400_000_u64;
    for number in 0..lines {
        flood.extend_from_slice(format!("flood line {number:0>40}\n").as_bytes());
    }
    let written = flood.len() as u64;

    drain.run(Stream::Out, flood.as_slice()).await;

    let handed_over = sink.bytes.load(Ordering::Relaxed);
    assert!(handed_over <= u64::from(BYTES_PER_SECOND_MAX) + LINE_BYTES_MAX as u64);
    assert!(sink.dropped_bytes.load(Ordering::Relaxed) + handed_over >= written - LINE_BYTES_MAX as u64);
    assert!(sink.dropped_lines.load(Ordering::Relaxed) > lines / 2);
    assert_eq!(
        published.ring.lock().unwrap().tail(1),
        [format!("flood line {:0>40}", lines - 1)]
    );
}

#[tokio::test(start_paused = true)]
async fn the_allowance_refills_with_time() {
    let mut allowance = Allowance::new(Instant::now());

    assert!(allowance.take(5_000_000, Instant::now()));
    assert!(!allowance.take(1, Instant::now()));
    tokio::time::advance(Duration::from_millis(100)).await;
    assert!(allowance.take(500_000, Instant::now()));
    assert!(!allowance.take(1, Instant::now()));
    tokio::time::advance(Duration::from_secs(60)).await;
    assert!(allowance.take(5_000_000, Instant::now()));
    assert!(!allowance.take(1, Instant::now()));
}

proptest! {
    /// The same lines come out however the pipe cuts the output to pieces.
    #[test]
    fn pieces_do_not_matter(
        lines in prop::collection::vec("[a-zß ]{0,20}", 0..20),
        cuts in prop::collection::vec(1_usize..9, 1..50),
    ) {
        let output: Vec<u8> = lines.iter().flat_map(|line| format!("{line}\n").into_bytes()).collect();
        let mut line = Line::default();
        let mut found = vec![];
        let mut rest = output.as_slice();
        for cut in cuts.into_iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, later) = rest.split_at(cut.min(rest.len()));
            found.extend(line.feed(piece));
            rest = later;
        }

        prop_assert_eq!(found, lines);
    }
}
