//! Who writes and who reads, over HTTP, each request through any process.
//!
//! Of each post one thread is the writer. It sends the ETag it knows, so that a write whose outcome it was not told can't be done
//! late, after the next one.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use serde_json::{Value, json};
use ureq::{Agent, Body, http::Response};

use crate::{
    coherence::{Read, Write},
    error::Error,
    history::Recorder,
    site::{Api, agent},
};

const WRITERS: usize = 3;
const READERS: usize = 6;
const POSTS: usize = 10;
/// Those that the threads write; another program writes the last one.
const WRITTEN: usize = POSTS - 1;
/// Between two writes of one writer.
const PAUSE: Duration = Duration::from_millis(40);
/// Beyond what a frozen process is waited for.
const TIMEOUT: Duration = Duration::from_secs(3);
const TOKEN: &str = "consistency-token";

/// All that the clients saw.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) writes: Vec<Write>,
    pub(super) reads: Vec<Read>,
    /// Reads that were answered from memory or Redis.
    pub(super) hits: u64,
    /// Reads without an answer, or with an error.
    pub(super) unserved: u64,
}

/// A post that is written again and again.
struct Post {
    id: i64,
    /// The last version that was acknowledged, and its token.
    acknowledged: Mutex<(u32, String)>,
}

struct Shared {
    apis: RwLock<Vec<Arc<Api>>>,
    key: String,
    recorder: Recorder,
    posts: Vec<Post>,
    seen: Mutex<Seen>,
    hits: AtomicU64,
    unserved: AtomicU64,
    stop: AtomicBool,
}

/// The threads.
pub(super) struct Clients {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Clients {
    /// Makes the posts, and begins to write and to read them. Blocks.
    pub(super) fn start(apis: Vec<Arc<Api>>, key: &str, recorder: Recorder) -> Result<Self, Error> {
        let agent = agent(Duration::from_secs(30));
        let mut seen = Seen::default();
        let mut posts = Vec::new();
        for number in 0..POSTS {
            let post = json!({"title": "v1", "slug": format!("post-{number}"), "content": "x", "status": "published",
                              "tags": ["Coherence"]});
            let sent_us = recorder.now();
            let made = agent
                .post(format!("{}/api/v1/posts", apis[0].base()))
                .header("authorization", format!("Bearer {key}"))
                .send_json(post);
            let mut made = made.map_err(|error| odd(&error.to_string()))?;
            let token = header(&made, TOKEN).to_owned();
            let id = body(&mut made)["id"].as_i64();
            seen.writes.push(Write {
                value: u32::try_from(number).unwrap_or(0),
                version: 1,
                sent_us,
                acknowledged_us: Some(recorder.now()),
            });
            posts.push(Post {
                id: id.ok_or_else(|| odd("no id"))?,
                acknowledged: Mutex::new((1, token)),
            });
        }
        let shared = Arc::new(Shared {
            apis: RwLock::new(apis),
            key: key.to_owned(),
            recorder,
            posts,
            seen: Mutex::new(seen),
            hits: AtomicU64::new(0),
            unserved: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        });
        let threads = (0..WRITERS + READERS).map(|number| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                if number < WRITERS {
                    shared.write_on(number);
                } else {
                    shared.read_on();
                }
            })
        });
        Ok(Self {
            threads: threads.collect(),
            shared,
        })
    }

    pub(super) fn api(&self, index: usize) -> Arc<Api> {
        Arc::clone(&self.shared.apis()[index])
    }

    /// The post that the clients only read: which value, and its number.
    pub(super) fn slow_post(&self) -> (usize, i64) {
        (WRITTEN, self.shared.posts[WRITTEN].id)
    }

    pub(super) fn note_sent(&self, post: usize, version: u32) {
        self.shared.note_sent(post, version);
    }

    pub(super) fn acknowledge(&self, post: usize, version: u32, token: Option<String>) {
        self.shared.acknowledge(post, version, token);
    }

    /// Another process in place of one that was killed.
    pub(super) fn replace(&self, index: usize, api: Arc<Api>) {
        let mut apis = self
            .shared
            .apis
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        apis[index] = api;
    }

    /// Ends all; what they saw. Blocks.
    pub(super) fn stop(mut self) -> Seen {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ended = thread.join();
        }
        let mut seen = std::mem::take(&mut *self.shared.seen());
        seen.hits = self.shared.hits.load(Ordering::Relaxed);
        seen.unserved = self.shared.unserved.load(Ordering::Relaxed);
        seen
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        // Also when nobody waits for what they saw.
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn apis(&self) -> Vec<Arc<Api>> {
        self.apis
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Any process.
    fn any(&self) -> (u32, String) {
        let apis = self.apis();
        let node = fastrand::usize(..apis.len());
        (u32::try_from(node).unwrap_or(0), apis[node].base())
    }

    fn write_on(&self, writer: usize) {
        let agent = agent(TIMEOUT);
        let mine: Vec<usize> = (0..WRITTEN)
            .filter(|post| post % WRITERS == writer)
            .collect();
        let mut states = vec![(1, None::<String>); POSTS];
        while !self.is_over() {
            thread::sleep(PAUSE.mul_f64(2.0 * fastrand::f64()));
            let post = mine[fastrand::usize(..mine.len())];
            let (version, etag) = &mut states[post];
            match etag {
                // What it is at now, after a write whose outcome is not known.
                None => {
                    if let Some((found, tag, token)) = self.look(&agent, post) {
                        self.acknowledge(post, found, Some(token));
                        *version = (*version).max(found);
                        *etag = Some(tag);
                    }
                }
                Some(tag) => {
                    *version += 1;
                    *etag = self.write(&agent, post, *version, tag);
                }
            }
        }
    }

    /// The version, the ETag and the token of a post, from the database.
    fn look(&self, agent: &Agent, post: usize) -> Option<(u32, String, String)> {
        let target = format!("{}/api/v1/posts/{}", self.any().1, self.posts[post].id);
        let asked = agent
            .get(target)
            .header("authorization", format!("Bearer {}", self.key));
        let mut answer = asked.call().ok().filter(|answer| answer.status() == 200)?;
        let (tag, token) = (
            header(&answer, "etag").to_owned(),
            header(&answer, TOKEN).to_owned(),
        );
        Some((version_of(&body(&mut answer))?, tag, token))
    }

    /// The new ETag, if it is known to be done.
    fn write(&self, agent: &Agent, post: usize, version: u32, tag: &str) -> Option<String> {
        let target = format!("{}/api/v1/posts/{}", self.any().1, self.posts[post].id);
        self.note_sent(post, version);
        let asked = agent
            .patch(target)
            .header("authorization", format!("Bearer {}", self.key))
            .header("if-match", tag);
        let answer = asked.send_json(json!({"title": format!("v{version}")}));
        let answer = answer.ok().filter(|answer| answer.status() == 200)?;
        self.acknowledge(post, version, Some(header(&answer, TOKEN).to_owned()));
        Some(header(&answer, "etag").to_owned())
    }

    fn note_sent(&self, post: usize, version: u32) {
        self.seen().writes.push(Write {
            value: u32::try_from(post).unwrap_or(0),
            version,
            sent_us: self.recorder.now(),
            acknowledged_us: None,
        });
    }

    fn acknowledge(&self, post: usize, version: u32, token: Option<String>) {
        let now = self.recorder.now();
        let value = u32::try_from(post).unwrap_or(0);
        let mut seen = self.seen();
        let write = seen.writes.iter_mut().rev();
        let mut write = write.filter(|write| (write.value, write.version) == (value, version));
        if let Some(write) = write.next() {
            write.acknowledged_us.get_or_insert(now);
        }
        drop(seen);
        if let Some(token) = token {
            let acknowledged = self.posts[post].acknowledged.lock();
            *acknowledged.unwrap_or_else(PoisonError::into_inner) = (version, token);
        }
    }

    fn read_on(&self) {
        let agent = agent(TIMEOUT);
        let mut reads = Vec::new();
        while !self.is_over() {
            let post = fastrand::usize(..POSTS);
            let target = match fastrand::u8(..10) {
                0 => "/api/v1/posts?tag=coherence".to_owned(),
                1 | 2 => format!("/api/v1/posts/slug/post-{post}"),
                _ => format!("/api/v1/posts/{}", self.posts[post].id),
            };
            let token = (fastrand::u8(..5) == 0).then(|| {
                let acknowledged = self.posts[post].acknowledged.lock();
                acknowledged.unwrap_or_else(PoisonError::into_inner).clone()
            });
            self.read(&agent, post, &target, token.as_ref(), &mut reads);
        }
        self.seen().reads.append(&mut reads);
    }

    fn read(
        &self,
        agent: &Agent,
        post: usize,
        target: &str,
        token: Option<&(u32, String)>,
        reads: &mut Vec<Read>,
    ) {
        let (node, base) = self.any();
        let asked_us = self.recorder.now();
        let mut asking = agent.get(format!("{base}{target}"));
        if let Some((_, token)) = token {
            asking = asking.header(TOKEN, token);
        }
        let Some(mut answer) = asking.call().ok().filter(|answer| answer.status() == 200) else {
            self.unserved.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let status = header(&answer, "cache-status");
        let is_marked = status.contains("fwd=stale");
        if status.contains("detail=memory") || status.contains("detail=redis") {
            self.hits.fetch_add(1, Ordering::Relaxed);
        }
        let document = body(&mut answer);
        let answered_us = self.recorder.now();
        let mut note = |value: usize, shown: &Value, in_list: bool| {
            let Some(version) = version_of(shown) else {
                return;
            };
            reads.push(Read {
                value: u32::try_from(value).unwrap_or(0),
                version,
                asked_us,
                answered_us,
                node,
                is_marked,
                // It stands for a version of this post alone.
                token_of: token
                    .filter(|_| value == post)
                    .map_or(0, |(version, _)| *version),
                in_list,
            });
        };
        match document["data"].as_array() {
            Some(items) => {
                for item in items {
                    let id = item["id"].as_i64();
                    let value = self.posts.iter().position(|post| Some(post.id) == id);
                    if let Some(value) = value {
                        note(value, item, true);
                    }
                }
            }
            None => note(post, &document, false),
        }
    }
}

fn version_of(post: &Value) -> Option<u32> {
    post["title"].as_str()?.strip_prefix('v')?.parse().ok()
}

fn header<'a>(answer: &'a Response<Body>, name: &str) -> &'a str {
    let value = answer.headers().get(name);
    value.and_then(|value| value.to_str().ok()).unwrap_or("")
}

fn body(answer: &mut Response<Body>) -> Value {
    answer.body_mut().read_json().unwrap_or_default()
}

fn odd(answer: &str) -> Error {
    Error::Answer {
        what: "making a post".into(),
        answer: answer.into(),
    }
}
