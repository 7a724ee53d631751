//! Readers over HTTP: one that asks, and a crowd that asks at a rate, and what they were told.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use ureq::{Agent, Body, http::Response};

use crate::{error::Error, history::Recorder, site::agent};

/// Longer than the API's own limit.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Of one crowd: as many can wait for an answer at a time.
const READERS: usize = 8;

/// One who asks.
pub(crate) struct Visitor {
    agent: Agent,
    key: String,
}

/// What was answered; all empty where nothing was.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    cache_status: String,
    body: Vec<u8>,
}

impl Visitor {
    /// With an API's key, for what needs one.
    pub(crate) fn new(key: &str) -> Self {
        Self {
            agent: agent(TIMEOUT),
            key: format!("Bearer {key}"),
        }
    }

    /// Asks as anybody may. Blocks.
    pub(crate) fn get(&self, url: &str) -> Answer {
        let answer = self.agent.get(url).call();
        answer.map(Answer::of).unwrap_or_default()
    }

    /// Makes a post; its number. Blocks.
    pub(crate) fn publish(&self, base: &str, title: &str) -> Result<usize, Error> {
        let post = json!({"title": title, "content": "x", "status": "published"});
        let asking = self.agent.post(format!("{base}/api/v1/posts"));
        let asking = asking.header("authorization", &self.key);
        let answer = asking.send_json(post).map(Answer::of).unwrap_or_default();
        let id = answer.json()["id"].as_u64();
        let id = id.and_then(|id| usize::try_from(id).ok());
        id.ok_or_else(|| odd("making a post", &answer))
    }

    /// Gives a post another title. Blocks.
    pub(crate) fn rename(&self, base: &str, id: usize, title: &str) -> Result<(), Error> {
        let asking = self.agent.patch(post_url(base, id));
        let asking = asking
            .header("authorization", &self.key)
            .header("if-match", "*");
        let answer = asking.send_json(json!({ "title": title }));
        let answer = answer.map(Answer::of).unwrap_or_default();
        if answer.is_well() {
            Ok(())
        } else {
            Err(odd("changing a post", &answer))
        }
    }
}

fn odd(what: &str, answer: &Answer) -> Error {
    Error::Answer {
        what: what.into(),
        answer: answer.status.to_string(),
    }
}

/// Reads each of them once, some at a time; the answers in their order. Blocks.
pub(crate) fn visit_all(urls: &[String]) -> Vec<Answer> {
    let part = urls.len().div_ceil(READERS).max(1);
    let visit = |part: &[String]| -> Vec<Answer> {
        let visitor = Visitor::new("");
        part.iter().map(|url| visitor.get(url)).collect()
    };
    thread::scope(|scope| {
        let visits: Vec<_> = urls
            .chunks(part)
            .map(|part| scope.spawn(move || visit(part)))
            .collect();
        let answers = visits.into_iter().map(thread::ScopedJoinHandle::join);
        answers.flat_map(Result::unwrap_or_default).collect()
    })
}

/// Where a post is read.
pub(crate) fn post_url(base: &str, id: usize) -> String {
    format!("{base}/api/v1/posts/{id}")
}

impl Answer {
    fn of(mut answer: Response<Body>) -> Self {
        let cache_status = answer.headers().get("cache-status");
        let cache_status = cache_status.and_then(|value| value.to_str().ok());
        let cache_status = cache_status.unwrap_or_default().to_owned();
        let status = answer.status().as_u16();
        // One that breaks off half way is none.
        match answer.body_mut().read_to_vec() {
            Ok(body) => Self {
                status,
                cache_status,
                body,
            },
            Err(_) => Self::default(),
        }
    }

    pub(crate) fn is_well(&self) -> bool {
        self.status == 200
    }

    /// Whether it says that it may be old.
    pub(crate) fn is_marked(&self) -> bool {
        self.cache_status.contains("fwd=stale")
    }

    /// Whether it is a copy that was shown to be right.
    pub(crate) fn is_hit(&self) -> bool {
        self.cache_status.contains("; hit; detail=")
    }

    /// Whether these words are in it.
    pub(crate) fn shows(&self, words: &str) -> bool {
        String::from_utf8_lossy(&self.body).contains(words)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The version a post is at, whose title says it: `v7`. 0 where it says none.
    pub(crate) fn version(&self) -> u32 {
        let document = self.json();
        let title = document["title"].as_str().unwrap_or_default();
        title
            .strip_prefix('v')
            .and_then(|version| version.parse().ok())
            .unwrap_or(0)
    }
}

/// One visit of a crowd.
#[derive(Debug)]
pub(crate) struct Visit {
    /// Which post was asked for.
    pub(crate) post: usize,
    pub(crate) sent_us: u64,
    pub(crate) took_us: u64,
    pub(crate) answer: Answer,
}

/// Readers who ask at a rate.
pub(crate) struct Crowd {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Vec<Visit>>>,
}

impl Crowd {
    /// Begins to ask `rate` times a second, the processes by turns, for the post that `choose` says for the turn.
    pub(crate) fn start(
        recorder: &Recorder,
        rate: u32,
        bases: &[String],
        choose: impl Fn(usize) -> usize + Send + Sync + 'static,
    ) -> Self {
        let (stop, turns) = (Arc::<AtomicBool>::default(), Arc::<AtomicU32>::default());
        let (choose, bases): (_, Arc<[String]>) = (Arc::new(choose), bases.into());
        let (began, apart) = (Instant::now(), Duration::from_secs(1) / rate);
        let threads = (0..READERS).map(|_| {
            let (stop, turns, choose) =
                (Arc::clone(&stop), Arc::clone(&turns), Arc::clone(&choose));
            let (bases, recorder) = (Arc::clone(&bases), recorder.clone());
            thread::spawn(move || {
                let (visitor, mut visits) = (Visitor::new(""), Vec::new());
                while !stop.load(Ordering::Relaxed) {
                    let turn = turns.fetch_add(1, Ordering::Relaxed);
                    let due = began + apart * turn;
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                    let turn = usize::try_from(turn).unwrap_or(0);
                    let post = choose(turn);
                    let url = post_url(&bases[turn % bases.len()], post);
                    let sent_us = recorder.now();
                    let answer = visitor.get(&url);
                    visits.push(Visit {
                        post,
                        sent_us,
                        took_us: recorder.now() - sent_us,
                        answer,
                    });
                }
                visits
            })
        });
        Self {
            threads: threads.collect(),
            stop,
        }
    }

    /// Ends it; all visits, in the order of their being sent. Blocks.
    pub(crate) fn stop(mut self) -> Vec<Visit> {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.threads.drain(..).map(JoinHandle::join);
        let mut visits: Vec<Visit> = ended.flat_map(Result::unwrap_or_default).collect();
        visits.sort_unstable_by_key(|visit| visit.sent_us);
        visits
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        // Also when nobody waits for what it saw.
        self.stop.store(true, Ordering::Relaxed);
    }
}
