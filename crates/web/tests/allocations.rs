//! What a hot read allocates: a budget. In a program of its own, for the allocator is a program's.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

use std::{
    alloc::System,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::{Duration, Instant},
};

use prepnexus_content::{CacheConfig, Content};
use prepnexus_domain::{Clock, Role, SystemClock};
use prepnexus_health::Health;
use prepnexus_storage::{Cluster, ClusterConfig};
use prepnexus_testkit::TestDb;
use prepnexus_web::{AppState, Instruments, Server, Watchers, WebConfig};
use serde_json::{Value, json};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// Reads that are counted together.
const READS: u64 = 500;
/// Blocks that one hot read may allocate, in the HTTP library and in the service together: what it did when this was written.
const BLOCKS: u64 = 24;
/// Bytes that it may, whatever the length of its body: that is copied into the connection's buffer, which is there, and nowhere else.
const BYTES: u64 = 5_000;

/// One connection, whose side of it allocates nothing.
struct Reader {
    stream: TcpStream,
    request: Vec<u8>,
    buffer: Box<[u8]>,
    /// Head and body together.
    length: usize,
}

impl Reader {
    fn new(address: SocketAddr, target: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\nX-Request-Id: one\r\n\r\n");
        let mut reader = Self {
            stream,
            request: request.into_bytes(),
            buffer: vec![0; 1 << 20].into(),
            length: 0,
        };
        // As long as it is kept, it is always the same.
        reader.stream.write_all(&reader.request).unwrap();
        while !reader.is_whole() {
            let more = reader
                .stream
                .read(&mut reader.buffer[reader.length..])
                .unwrap();
            assert!(more > 0, "cut short");
            reader.length += more;
        }
        reader
    }

    fn is_whole(&self) -> bool {
        let read = &self.buffer[..self.length];
        let Some(head) = read.windows(4).position(|four| four == b"\r\n\r\n") else {
            return false;
        };
        let head = std::str::from_utf8(&read[..head])
            .unwrap()
            .to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 200"), "{head}");
        let length = head.split("content-length: ").nth(1).unwrap();
        let length: usize = length.lines().next().unwrap().parse().unwrap();
        read.len() >= head.len() + 4 + length
    }

    fn comes_from_memory(&self) -> bool {
        let words = b"detail=memory";
        let read = &self.buffer[..self.length];
        read.windows(words.len()).any(|part| part == words)
    }

    fn read_again(&mut self) {
        self.stream.write_all(&self.request).unwrap();
        self.stream
            .read_exact(&mut self.buffer[..self.length])
            .unwrap();
    }
}

/// Waits until it is answered from memory.
fn hot(address: SocketAddr, target: &str) -> Reader {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let reader = Reader::new(address, target);
        if reader.comes_from_memory() {
            return reader;
        }
        assert!(Instant::now() < deadline, "{target} is never kept");
    }
}

/// Blocks and bytes that one read allocates: the least of several counts, for the rest of the process works too.
fn cost(reader: &mut Reader) -> (u64, u64) {
    // The connection's buffer grows to what it needs.
    (0..10).for_each(|_| reader.read_again());
    let counts = (0..20).map(|_| {
        let region = Region::new(ALLOCATOR);
        (0..READS).for_each(|_| reader.read_again());
        let stats = region.change();
        let blocks = stats.allocations + stats.reallocations;
        (blocks as u64 / READS, stats.bytes_allocated as u64 / READS)
    });
    counts.min().unwrap()
}

#[test]
fn a_hot_read_keeps_to_its_budget_whatever_the_length_of_its_body() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (db, state, server, ids) = runtime.block_on(async {
        let db = TestDb::new().await;
        let Instruments {
            recorder,
            prometheus,
            recent,
        } = Instruments::default();
        metrics::set_global_recorder(recorder).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let cluster = Cluster::start(&ClusterConfig {
            probe_timeout: PATIENCE,
            default_deadline: PATIENCE,
            ..db.config()
        })
        .unwrap();
        let content = Content::new(cluster, None, Arc::clone(&clock), CacheConfig::default());
        let state = AppState {
            content: content.clone(),
            health: Health::new(&clock, recent),
            prometheus,
            version: "",
            started: Instant::now(),
            draining: Arc::default(),
            watchers: Watchers::default(),
            config: Arc::new(WebConfig {
                port: 0,
                workers: 1,
                ..WebConfig::default()
            }),
        };
        let server = Server::start(&state).unwrap();
        let key = content
            .keys()
            .create("Author", Role::Author, content.deadline())
            .await
            .unwrap();
        let ids = [1, 1_000].map(|times| post(server.address(), &key.text, times));
        (db, state, server, ids)
    });
    for (id, length) in ids {
        let mut reader = hot(server.address(), &format!("/api/v1/posts/{id}"));
        let (blocks, bytes) = cost(&mut reader);
        println!("a body of {length} bytes: {blocks} blocks, {bytes} bytes");
        assert!(
            blocks <= BLOCKS,
            "{blocks} blocks for a body of {length} bytes"
        );
        assert!(bytes <= BYTES, "{bytes} bytes for a body of {length}");
    }
    runtime.block_on(async {
        server.stop().await;
        state.content.close().await;
    });
    drop(db);
}

/// A published post whose content is as long as so many paragraphs: its number, and the length of its answer.
fn post(address: SocketAddr, key: &str, paragraphs: usize) -> (i64, usize) {
    let content = "Binary search halves what is left until nothing is.\n\n".repeat(paragraphs);
    let body = json!({"title": "A post", "content": content, "status": "published"});
    let url = format!("http://{address}/api/v1/posts");
    let request = ureq::post(&url).header("authorization", format!("Bearer {key}"));
    let mut answer = request.send_json(&body).unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    let post: Value = serde_json::from_str(&text).unwrap();
    (post["id"].as_i64().unwrap(), text.len())
}
