//! Readers from an open loop: requests are due at fixed moments, whatever becomes of the earlier ones, and a latency counts from
//! the moment its request was due, not from when a connection was free for it (no coordinated omission).
//!
//! Connections are kept alive, and may come from any loopback address, so that the server sees several clients.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use prepnexus_chaos::latency::Latencies;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

/// The longest any answer is waited for.
const PATIENCE: Duration = Duration::from_secs(15);
/// The longest head of an answer.
const MAX_HEAD: usize = 8 * 1024;

/// Readers at one address.
#[derive(Clone)]
pub(super) struct Readers {
    /// Where they come from.
    pub(super) source: Ipv4Addr,
    /// Requests a second, all connections together; as fast as answers come where there is none.
    pub(super) rate: Option<f64>,
    pub(super) connections: usize,
    /// What is sent, by the number of the request: all of it, as [`get`] makes it.
    pub(super) request: Arc<dyn Fn(u64) -> String + Send + Sync>,
}

/// What they were told.
pub(super) struct Told {
    /// From when each was due: those that were served.
    pub(super) served: Latencies,
    /// From when each was sent: those that were told to come back (503).
    pub(super) refused: Latencies,
    /// Anything else.
    pub(super) errors: u64,
    /// The same by status; 0 is no answer.
    pub(super) statuses: BTreeMap<u16, u64>,
    /// When each that was served was due, and how long it took, in microseconds.
    pub(super) moments: Vec<(u64, u64)>,
}

impl Told {
    pub(super) fn nothing() -> Self {
        Self {
            served: Latencies::none(),
            refused: Latencies::none(),
            errors: 0,
            statuses: BTreeMap::new(),
            moments: Vec::new(),
        }
    }

    /// Adds what others were told meanwhile.
    pub(super) fn take_in(&mut self, other: &Self) {
        self.served.merge(&other.served);
        self.refused.merge(&other.refused);
        self.errors += other.errors;
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        self.moments.extend(&other.moments);
    }
}

/// Asks `server` for that long, and waits for what is still to come.
pub(super) async fn ask(server: SocketAddr, readers: &Readers, time: Duration) -> Result<Told> {
    let shared = Arc::new(Shared {
        server,
        readers: readers.clone(),
        next: AtomicU64::new(0),
        told: Mutex::new(Told::nothing()),
    });
    let mut connections = Vec::new();
    for _ in 0..readers.connections {
        connections.push(connect(server, readers.source).await?);
    }
    let start = Instant::now();
    let mut running = JoinSet::new();
    for connection in connections {
        running.spawn(Arc::clone(&shared).run(connection, start, time));
    }
    while let Some(ended) = running.join_next().await {
        ended.context("a reader panicked")?;
    }
    let shared = Arc::into_inner(shared).context("a reader is left")?;
    Ok(shared
        .told
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner))
}

struct Shared {
    server: SocketAddr,
    readers: Readers,
    next: AtomicU64,
    told: Mutex<Told>,
}

impl Shared {
    async fn run(self: Arc<Self>, mut connection: TcpStream, start: Instant, time: Duration) {
        let mut buffer = Vec::with_capacity(64 * 1024);
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let due = match self.readers.rate {
                Some(rate) => start + Duration::from_secs_f64(number as f64 / rate),
                None => Instant::now(),
            };
            if due >= start + time {
                return;
            }
            if self.readers.rate.is_some() {
                sleep_until(due).await;
            }
            let sent = Instant::now();
            let request = (self.readers.request)(number);
            let asking = exchange(&mut connection, &request, &mut buffer);
            let (status, is_open) = match timeout(PATIENCE, asking).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) | Err(_) => (0, false),
            };
            let now = Instant::now();
            if !is_open && let Ok(again) = connect(self.server, self.readers.source).await {
                connection = again;
            }
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            match status {
                200..=299 => {
                    let took = micros(now - due);
                    told.served.add(took);
                    told.moments.push((micros(due - start), took));
                }
                503 => told.refused.add(micros(now - sent)),
                other => {
                    told.errors += 1;
                    *told.statuses.entry(other).or_default() += 1;
                }
            }
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

pub(super) async fn connect(server: SocketAddr, source: Ipv4Addr) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    // To look for a free port of an address takes the kernel milliseconds where thousands were just used; of its own choice, it does not.
    if source != Ipv4Addr::LOCALHOST {
        socket
            .bind((source, 0).into())
            .context("a loopback address")?;
    }
    let connection = socket.connect(server).await.context("can't connect")?;
    connection.set_nodelay(true)?;
    Ok(connection)
}

/// A request for `target`.
pub(super) fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: bench\r\n\r\n")
}

/// One request and its answer: the status, and whether the connection is there for another.
pub(super) async fn exchange(
    connection: &mut TcpStream,
    request: &str,
    buffer: &mut Vec<u8>,
) -> Result<(u16, bool)> {
    connection.write_all(request.as_bytes()).await?;
    buffer.clear();
    let head_len = loop {
        if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if buffer.len() > MAX_HEAD || connection.read_buf(buffer).await? == 0 {
            bail!("no answer");
        }
    };
    let head = std::str::from_utf8(&buffer[..head_len])?;
    let status = head.get(9..12).context("no status")?.parse()?;
    let length = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(Ok(0), |(_, value)| value.parse::<usize>())?;
    let closes = head
        .lines()
        .any(|line| line.eq_ignore_ascii_case("connection: close"));
    while buffer.len() < head_len + length {
        if connection.read_buf(buffer).await? == 0 {
            bail!("cut short");
        }
    }
    Ok((status, !closes))
}
