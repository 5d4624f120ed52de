//! A backend that costs nothing: it stands where opencode would, answers 2 KiB to everything, and tells the time on
//! its event stream.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, bail};
use base64::Engine;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, Interval, interval_at},
};

/// What every ordinary answer holds.
const BODY_BYTES: usize = 2048;
/// How often the event stream tells the time: 300 times a second, as fast as answers have to be shown.
const TICK: Duration = Duration::from_micros(3_333);
/// No two streams tell the time at once, or the one would be late for the other's sake: each begins so much after the
/// one before, by more than the millisecond that timers here are exact to.
const APART: Duration = Duration::from_micros(1_111);
/// Makes the event stream slower and its events longer: milliseconds between two of them, 1 KiB each, numbered.
pub const PACE_VARIABLE: &str = "BENCH_EVERY_MS";
/// Says how many read the event stream.
pub const STREAMS_PATH: &str = "/bench/streams";
/// As much as a tool's output often is.
const EVENT_BYTES: usize = 1024;
/// Longest head.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// The user opencode expects.
const USER: &str = "opencode";

/// The header that lets in.
pub fn authorization(password: &str) -> String {
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{password}"));
    format!("Basic {pair}")
}

/// Nanoseconds since 1970.
pub fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Plays `opencode serve --hostname H --port N` until it is ended.
///
/// # Errors
/// When it is called otherwise or the port is taken.
pub async fn play(arguments: &[String]) -> anyhow::Result<()> {
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1)
    };
    let port: u16 = value("--port").context("no --port")?.parse()?;
    let password = std::env::var("OPENCODE_SERVER_PASSWORD").context("no password")?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    crate::say(&format!(
        "opencode server listening on http://{}",
        listener.local_addr()?
    ));
    serve(listener, password).await
}

/// Serves on a listener that is there.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, password: String) -> anyhow::Result<()> {
    let expected: &'static str = authorization(&password).leak();
    let mut visits = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        visits.spawn(async move {
            // A visitor that hangs up ends its own visit only.
            visit(stream, expected).await.ok();
        });
        while visits.try_join_next().is_some() {}
    }
}

async fn visit(mut stream: TcpStream, expected: &str) -> anyhow::Result<()> {
    let padding = "x".repeat(BODY_BYTES - 16);
    let ordinary = answer(200, &format!("[{{\"id\":\"{padding}\"}}]"));
    let mut buffer = Vec::with_capacity(4096);
    loop {
        let end = loop {
            if let Some(at) = find(&buffer, b"\r\n\r\n") {
                break at + 4;
            }
            if buffer.len() > HEAD_BYTES_MAX || stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
        let body = crate::load::header(&head, "content-length").map_or(0, |text| text.parse().unwrap_or(0));
        while buffer.len() < end + body {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
        buffer.drain(..end + body);
        let path = head.split(' ').nth(1).context("no path")?;
        if crate::load::header(&head, "authorization") != Some(expected) {
            stream.write_all(&answer(401, "{}")).await?;
        } else if path.starts_with("/global/health") {
            let health = answer(200, r#"{"healthy":true,"version":"1.18.33"}"#);
            stream.write_all(&health).await?;
        } else if path.starts_with("/global/event") {
            return match pace() {
                None => tell_time(stream).await,
                Some(every) => count(stream, every).await,
            };
        } else if path.starts_with(STREAMS_PATH) {
            let count = COUNTING.load(Ordering::Relaxed);
            stream.write_all(&answer(200, &count.to_string())).await?;
        } else {
            stream.write_all(&ordinary).await?;
        }
    }
}

/// Who reads the slower stream now.
static COUNTING: AtomicU32 = AtomicU32::new(0);

struct Counted;

impl Drop for Counted {
    fn drop(&mut self) {
        COUNTING.fetch_sub(1, Ordering::Relaxed);
    }
}

fn pace() -> Option<Duration> {
    let every = std::env::var(PACE_VARIABLE).ok()?.parse().ok()?;
    Some(Duration::from_millis(every))
}

/// Counts until the listener goes.
async fn count(mut stream: TcpStream, every: Duration) -> anyhow::Result<()> {
    COUNTING.fetch_add(1, Ordering::Relaxed);
    let _counted = Counted;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await?;
    let mut line = r#"{"payload":{"type":"server.connected","properties":{}}}"#.to_owned();
    let mut tick = tokio::time::interval(every);
    let padding = "x".repeat(EVENT_BYTES);
    for number in 0_u64.. {
        let text = format!("data: {line}\n\n");
        stream
            .write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes())
            .await?;
        tick.tick().await;
        line = format!(
            r#"{{"directory":"/bench","payload":{{"type":"bench.tick","properties":{{"number":{number},"at_ns":{},"padding":"{padding}"}}}}}}"#,
            now_ns()
        );
    }
    Ok(())
}

/// The whole events of [`count`] in `bytes`: number and time of each; and how many bytes are done with.
pub fn events(bytes: &[u8]) -> (Vec<(u64, u64)>, usize) {
    let (mut events, mut taken) = (Vec::new(), 0);
    let digits = |from: usize| {
        let end = from
            + bytes
                .get(from..)?
                .iter()
                .position(|byte| !byte.is_ascii_digit())?;
        Some((
            std::str::from_utf8(bytes.get(from..end)?)
                .ok()?
                .parse::<u64>()
                .ok()?,
            end,
        ))
    };
    let after = |from: usize, mark: &[u8]| Some(from + find(bytes.get(from..)?, mark)? + mark.len());
    let next = |from: usize| {
        let (number, end) = digits(after(from, b"\"number\":")?)?;
        let (at_ns, end) = digits(after(end, b"\"at_ns\":")?)?;
        Some(((number, at_ns), end))
    };
    while let Some((event, end)) = next(taken) {
        events.push(event);
        taken = end;
    }
    (events, taken)
}

/// Tells the time until the listener goes.
async fn tell_time(mut stream: TcpStream) -> anyhow::Result<()> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await?;
    let mut line = r#"{"payload":{"type":"server.connected","properties":{}}}"#.to_owned();
    let mut tick = ticks();
    loop {
        let text = format!("data: {line}\n\n");
        stream
            .write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes())
            .await?;
        tick.tick().await;
        line = format!(
            r#"{{"directory":"/bench","payload":{{"type":"bench.tick","properties":{{"at_ns":{}}}}}}}"#,
            now_ns()
        );
    }
}

/// The times of one more stream. The agent's own is the first and lasts; the others come in pairs.
fn ticks() -> Interval {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    static STREAMS: AtomicU32 = AtomicU32::new(0);
    let place = match STREAMS.fetch_add(1, Ordering::Relaxed) {
        0 => 0,
        other => 1 + other % 2,
    };
    let mut next = *BEGAN + APART * place;
    while next < Instant::now() {
        next += TICK;
    }
    interval_at(next, TICK)
}

fn answer(status: u16, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Where `part` begins in `all`.
pub fn find(all: &[u8], part: &[u8]) -> Option<usize> {
    all.windows(part.len()).position(|window| window == part)
}

/// Answers `--version` like the real one.
///
/// # Errors
/// Never called with anything else.
pub fn version(arguments: &[String]) -> anyhow::Result<()> {
    if arguments.first().map(String::as_str) != Some("--version") {
        bail!("nothing known of {arguments:?}");
    }
    crate::say("1.18.33");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::events;

    #[test]
    fn an_event_that_has_not_come_whole_is_waited_for() {
        let text = br#"data: {"number":7,"at_ns":123,"padding":"x"}"#;
        let more = br#"{"number":8,"at_ns":12"#;

        let (found, taken) = events(&[&text[..], more].concat());

        assert_eq!(found, [(7, 123)]);
        assert!(taken < text.len());
        assert_eq!(events(b"").0, []);
    }
}
