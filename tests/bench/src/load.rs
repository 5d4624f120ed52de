//! Asking as fast as the answers come, over connections that stay open.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::backend::find;

/// What is asked of whom.
#[derive(Debug, Clone)]
pub struct Target {
    /// The server.
    pub address: SocketAddr,
    /// E.g. `"/session"`.
    pub path: String,
    /// Header lines, e.g. `"cookie: nexus=…"`.
    pub headers: Vec<String>,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Answers a second.
    pub rate: f64,
    /// The middle of all waiting times, in microseconds.
    pub p50_us: f64,
    /// What one in a hundred waits, in microseconds.
    pub p99_us: f64,
}

impl Target {
    /// The request as it is sent.
    pub fn request(&self) -> String {
        let headers: String = self.headers.iter().map(|line| format!("{line}\r\n")).collect();
        format!(
            "GET {} HTTP/1.1\r\nhost: {}\r\n{headers}\r\n",
            self.path, self.address
        )
    }

    /// Asks over `connections` for as long as `time`.
    ///
    /// # Errors
    /// On any answer that is not 200.
    pub async fn press(&self, connections: usize, time: Duration) -> anyhow::Result<Outcome> {
        let mut visits = tokio::task::JoinSet::new();
        let began = Instant::now();
        for _ in 0..connections {
            let target = self.clone();
            visits.spawn(async move { target.one(began + time).await });
        }
        let mut waits = Vec::new();
        while let Some(ended) = visits.join_next().await {
            waits.extend(ended??);
        }
        waits.sort_unstable();
        let count = u32::try_from(waits.len())?;
        let at = |percent: usize| {
            let wait = waits
                .get(waits.len() * percent / 100)
                .context("no answer at all")?;
            anyhow::Ok(wait.as_secs_f64() * 1e6)
        };
        Ok(Outcome {
            rate: f64::from(count) / began.elapsed().as_secs_f64(),
            p50_us: at(50)?,
            p99_us: at(99)?,
        })
    }

    /// Asks once, over a connection of its own.
    ///
    /// # Errors
    /// On any answer that is not 200.
    pub async fn once(&self) -> anyhow::Result<()> {
        let mut stream = TcpStream::connect(self.address).await?;
        stream.write_all(self.request().as_bytes()).await?;
        read_answer(&mut stream, &mut Vec::new()).await
    }

    async fn one(&self, until: Instant) -> anyhow::Result<Vec<Duration>> {
        let request = self.request();
        let mut stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let mut buffer = Vec::with_capacity(16 * 1024);
        let mut waits = Vec::new();
        while Instant::now() < until {
            let asked = Instant::now();
            stream.write_all(request.as_bytes()).await?;
            read_answer(&mut stream, &mut buffer).await?;
            waits.push(asked.elapsed());
        }
        Ok(waits)
    }

    /// Reads an event stream for as long as `time` and gives how late each time told arrived, in microseconds.
    ///
    /// # Errors
    /// When nothing is told.
    pub async fn listen(&self, time: Duration) -> anyhow::Result<f64> {
        let mut stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        stream.write_all(self.request().as_bytes()).await?;
        let mut late = Vec::new();
        let mut buffer = Vec::new();
        let mark = b"\"at_ns\":";
        let end = Instant::now() + time;
        while Instant::now() < end {
            let read = tokio::time::timeout(Duration::from_secs(5), stream.read_buf(&mut buffer));
            if read.await.context("the event stream is silent")?? == 0 {
                bail!("the event stream ended: {}", String::from_utf8_lossy(&buffer));
            }
            let arrived = crate::backend::now_ns();
            while let Some(at) = find(&buffer, mark) {
                let digits: String = buffer[at + mark.len()..]
                    .iter()
                    .take_while(|byte| byte.is_ascii_digit())
                    .map(|byte| char::from(*byte))
                    .collect();
                let told: u64 = digits.parse()?;
                late.push(arrived.saturating_sub(told));
                buffer.drain(..at + mark.len());
            }
        }
        late.sort_unstable();
        let middle = *late.get(late.len() / 2).context("no time was told")?;
        Ok(Duration::from_nanos(middle).as_secs_f64() * 1e6)
    }
}

async fn read_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<()> {
    loop {
        if let Some(at) = find(buffer, b"\r\n\r\n") {
            let head = std::str::from_utf8(&buffer[..at])?;
            if !head.starts_with("HTTP/1.1 200") {
                bail!("answered: {head}");
            }
            if let Some(length) = header(head, "content-length") {
                let whole = at + 4 + length.parse::<usize>()?;
                if buffer.len() >= whole {
                    buffer.drain(..whole);
                    return Ok(());
                }
            } else if buffer.ends_with(b"0\r\n\r\n") {
                buffer.clear();
                return Ok(());
            }
        }
        if stream.read_buf(buffer).await? == 0 {
            bail!("hung up in the middle of an answer");
        }
    }
}

/// One header of a head.
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
