//! What the memory tier takes of the machine's memory. A test of its own, so that nothing else in the process takes any.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

use std::{env, fs, process::Command, sync::Arc, time::Duration};

use prepnexus_cache::{Cache, CacheConfig, Fill, LoadError, Verdict};
use prepnexus_domain::SystemClock;

const WEIGHT: u64 = 16 * 1024 * 1024;
/// How many times its weight goes through it.
const CHURN: u64 = 10;
/// What is made of each entry, in bytes.
const MADE: usize = 512;
/// Who loads at the same time.
const READERS: u64 = 4;

#[derive(Debug)]
struct Never;

impl LoadError for Never {
    fn is_unavailable(&self) -> bool {
        false
    }
}

/// Of 64 bytes to 64 KiB, short ones as often as long ones, and of what no encoding shortens.
fn answer() -> Fill {
    let length = 64 << fastrand::u32(..=10);
    Fill {
        body: (0..length).map(|_| fastrand::u8(..)).collect(),
        fresh_for: Duration::from_mins(1),
        keep_for: Duration::from_hours(1),
        ..Fill::default()
    }
}

/// In bytes.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.unwrap().trim().trim_end_matches(" kB");
    kib.parse::<u64>().unwrap() * 1024
}

/// Has so many times its weight go through a cache of that weight; it, and the most that the process took meanwhile.
async fn churn(weight: u64, times: u64) -> (Cache<Never>, u64) {
    let config = CacheConfig {
        memory_bytes: weight,
        ..CacheConfig::default()
    };
    let cache = Cache::<Never>::new(config, None, Arc::new(SystemClock));
    let readers = (0..READERS).map(|reader| {
        let cache = cache.clone();
        tokio::spawn(async move {
            let (mut most, mut loaded, mut number) = (0, 0, 0_u64);
            while loaded < weight * times / READERS {
                let key = format!("post/{reader}/{number}");
                let load = || async { Ok(answer()) };
                let served = cache.get(&key, |_| Verdict::Fresh, load).await.unwrap();
                served.entry.made(|| [0_u8; MADE]);
                loaded += served.entry.bytes().len() as u64;
                number += 1;
                if number.is_multiple_of(64) {
                    most = most.max(resident());
                }
            }
            most
        })
    });
    let readers: Vec<_> = readers.collect();
    let mut most = 0;
    for reader in readers {
        most = most.max(reader.await.unwrap());
    }
    (cache, most)
}

/// As the `api` binary runs: where each thread has an arena of its own, what was freed in one is missing in another.
const ARENAS: (&str, &str) = ("MALLOC_ARENA_MAX", "2");
const NAME: &str = "under_churn_the_process_grows_by_the_weight_and_a_fifth_at_most";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_churn_the_process_grows_by_the_weight_and_a_fifth_at_most() {
    #[expect(clippy::disallowed_methods, reason = "the variable is the C library's")]
    let is_set = env::var_os(ARENAS.0).is_some_and(|arenas| arenas == ARENAS.1);
    if !is_set {
        // The allocator has read it when a program begins.
        let mut again = Command::new(env::current_exe().unwrap());
        again.args(["--exact", NAME, "--nocapture"]);
        let ran = again.env(ARENAS.0, ARENAS.1).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stdout);
        let errors = String::from_utf8_lossy(&ran.stderr);
        assert!(
            ran.status.success() && said.contains("1 passed"),
            "{said}{errors}"
        );
        return;
    }
    // What loading takes at all: threads, encoders.
    drop(churn(WEIGHT / 32, CHURN).await);
    let before = resident();
    let (cache, most) = churn(WEIGHT, CHURN).await;
    let (entries, weight) = cache.size();
    let grown = most - before;
    println!("{entries} entries of {weight} bytes; grown by {grown} bytes, of {WEIGHT}");
    assert!(weight > WEIGHT * 9 / 10, "it is full: {weight}");
    assert!(
        grown <= WEIGHT + WEIGHT / 5,
        "{grown} bytes for {weight} of entries"
    );
}
