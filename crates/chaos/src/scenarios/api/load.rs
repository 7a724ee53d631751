//! Clients over HTTP, behind a load balancer: it asks each API whether it is ready, as often as they
//! usually do, and sends new requests only to those that are. Nobody retries anything.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::time::sleep;
use ureq::Agent;

use crate::{
    history::Recorder,
    site::{agent, is_ready},
};

/// Threads that read, and that write.
const READERS: usize = 6;
const WRITERS: usize = 4;
/// How often each of them asks.
const PERIOD: Duration = Duration::from_millis(25);
/// How often the balancer asks whether an API is ready.
const CHECK_PERIOD: Duration = Duration::from_millis(100);
/// Longer than the API's own limit.
const TIMEOUT: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(5);

/// What came back for one request.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) asked_us: u64,
    pub(super) ended_us: u64,
    pub(super) is_write: bool,
    /// `None` where there was no answer.
    pub(super) status: Option<u16>,
    pub(super) has_retry_after: bool,
    pub(super) error: String,
}

impl Answer {
    /// 503, with a time after which to try again.
    pub(super) fn is_refused(&self) -> bool {
        self.status == Some(503) && self.has_retry_after
    }

    /// Whether the user got what was asked for.
    pub(super) fn is_well(&self) -> bool {
        matches!(self.status, Some(200 | 201))
    }

    pub(super) fn words(&self) -> String {
        let status = self.status.map(|status| status.to_string());
        status.unwrap_or_else(|| self.error.clone())
    }
}

/// What the threads share.
struct Shared {
    recorder: Recorder,
    bases: Vec<String>,
    in_rotation: Vec<AtomicBool>,
    key: String,
    turn: AtomicU64,
    stop: AtomicBool,
    answers: Mutex<Vec<Answer>>,
}

/// A load that goes on until it is stopped.
pub(super) struct HttpLoad {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl HttpLoad {
    pub(super) fn start(recorder: &Recorder, bases: &[String], key: &str) -> Self {
        let shared = Arc::new(Shared {
            recorder: recorder.clone(),
            bases: bases.to_vec(),
            in_rotation: bases.iter().map(|_| AtomicBool::new(true)).collect(),
            key: key.to_owned(),
            turn: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            answers: Mutex::default(),
        });
        let checks = (0..bases.len()).map(|index| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || check(&shared, index))
        });
        let clients = (0..READERS + WRITERS).map(|number| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || ask(&shared, number >= READERS))
        });
        let threads = checks.chain(clients).collect();
        Self { shared, threads }
    }

    /// Waits for the first write that was asked for after `since` and is done; when it was.
    pub(super) async fn until_written(&self, since: u64, limit: Duration) -> Option<u64> {
        let deadline = Instant::now() + limit;
        loop {
            let written = {
                let answers = self.shared.answers.lock();
                let answers = answers.unwrap_or_else(PoisonError::into_inner);
                let later = answers.iter().filter(|answer| answer.asked_us > since);
                later
                    .filter(|answer| answer.status == Some(201))
                    .map(|answer| answer.ended_us)
                    .min()
            };
            if written.is_some() || Instant::now() > deadline {
                return written;
            }
            sleep(POLL).await;
        }
    }

    /// Ends it; all answers. Blocks.
    pub(super) fn stop(mut self) -> Vec<Answer> {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ended = thread.join();
        }
        let answers = self.shared.answers.lock();
        answers.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for HttpLoad {
    fn drop(&mut self) {
        // Also when nobody waits for the answers any more.
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

fn check(shared: &Shared, index: usize) {
    while !shared.stop.load(Ordering::Relaxed) {
        let ready = is_ready(&shared.bases[index]);
        shared.in_rotation[index].store(ready, Ordering::Relaxed);
        thread::sleep(CHECK_PERIOD);
    }
}

fn ask(shared: &Shared, is_write: bool) {
    let agent = agent(TIMEOUT);
    while !shared.stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        if let Some((turn, base)) = target(shared) {
            let asked_us = shared.recorder.now();
            let answer = if is_write {
                write(&agent, base, &shared.key, turn)
            } else {
                // Lists of every length: no cache has them all.
                agent
                    .get(format!("{base}/api/v1/posts?limit={}", turn % 50 + 1))
                    .call()
            };
            let mut noted = Answer {
                asked_us,
                ended_us: 0,
                is_write,
                status: None,
                has_retry_after: false,
                error: String::new(),
            };
            match answer {
                Ok(mut answer) => {
                    noted.has_retry_after = answer.headers().contains_key("retry-after");
                    // An answer that breaks off half way is none.
                    match answer.body_mut().read_to_vec() {
                        Ok(_) => noted.status = Some(answer.status().as_u16()),
                        Err(error) => noted.error = error.to_string(),
                    }
                }
                Err(error) => noted.error = error.to_string(),
            }
            noted.ended_us = shared.recorder.now();
            let answers = shared.answers.lock();
            answers.unwrap_or_else(PoisonError::into_inner).push(noted);
        }
        thread::sleep(PERIOD.saturating_sub(began.elapsed()));
    }
}

/// The next API in rotation.
fn target(shared: &Shared) -> Option<(u64, &str)> {
    let turn = shared.turn.fetch_add(1, Ordering::Relaxed);
    let count = shared.bases.len();
    let start = usize::try_from(turn).unwrap_or(0);
    let mut indices = (0..count).map(|offset| (start + offset) % count);
    let index = indices.find(|index| shared.in_rotation[*index].load(Ordering::Relaxed))?;
    Some((turn, &shared.bases[index]))
}

fn write(
    agent: &Agent,
    base: &str,
    key: &str,
    turn: u64,
) -> Result<ureq::http::Response<ureq::Body>, ureq::Error> {
    let post = serde_json::json!({
        "title": format!("Chaos {turn}"),
        "content": "Written while servers fail.",
        "status": "published",
    });
    let request = agent.post(format!("{base}/api/v1/posts"));
    request
        .header("Authorization", format!("Bearer {key}"))
        .header("Idempotency-Key", format!("chaos-{turn}"))
        .send_json(post)
}
