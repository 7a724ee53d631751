//! A migration that can't get its lock: readers don't queue behind it for longer than its lock timeout.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::Stdio,
    time::Duration,
};

use prepnexus_storage::driver;
use prepnexus_testkit::{TestDb, stack};
use tokio::task::block_in_place;

use crate::migrator;

const LOCK_TIMEOUT: Duration = Duration::from_millis(500);
/// The old transaction ends after so many attempts: queueing behind the first would take all of that time.
const ATTEMPTS: usize = 3;
/// On a machine that does nothing else it is the lock timeout and 100 ms.
const SLOWEST: Duration = Duration::from_millis(1_200);

#[tokio::test(flavor = "multi_thread")]
async fn readers_wait_no_longer_than_the_lock_timeout_and_it_is_done_in_the_end() {
    let db = TestDb::empty().await;
    db.psql("CREATE TABLE things AS SELECT n AS id FROM generate_series(1, 1000) AS n")
        .await;
    let owner = db.owner_config();
    db.psql(&format!("ALTER TABLE things OWNER TO {}", owner.user))
        .await;
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    file(
        "0001_alter.sql",
        "-- migrate: lock-timeout 500ms\nALTER TABLE things ADD COLUMN word text;",
    );
    file("read.pgbench", "SELECT count(*) FROM things;\n");

    // An old transaction that has read the table.
    let limit = Duration::from_secs(10);
    let old = driver::connect_primary(&owner, "", limit).await.unwrap();
    let read = "BEGIN; SELECT count(*) FROM things";
    old.client().batch_execute(read).await.unwrap();

    let mut bench = block_in_place(|| stack().primary().client("pgbench"));
    bench.args(["-n", "-c", "4", "-T", "60", "-l", "--log-prefix"]);
    bench.arg(dir.path().join("log"));
    bench.arg("-f").arg(dir.path().join("read.pgbench"));
    bench.arg(db.database());
    let mut bench = bench.stdout(Stdio::null()).spawn().unwrap();

    let mut command = migrator(&db);
    command.args(["up", "--migrations"]).arg(dir.path());
    let mut runner = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(runner.stderr.take().unwrap()).lines();
    let mut is_told = |what: &str| {
        let line = block_in_place(|| told.find(|line| line.as_ref().unwrap().contains(what)));
        assert!(line.is_some(), "nothing said {what}");
    };
    is_told("0001_alter.sql, line 2, waits for server process");
    for _ in 0..ATTEMPTS {
        is_told("its locks did not come free");
    }
    old.client().batch_execute("COMMIT").await.unwrap();
    is_told("applied 0001_alter.sql");
    assert!(block_in_place(|| runner.wait()).unwrap().success());
    block_in_place(|| bench.kill().and_then(|()| bench.wait())).unwrap();

    let latencies = latencies(dir.path());
    let slowest = latencies.iter().max().copied().unwrap();
    println!(
        "{} reads, the slowest {} ms, with a lock timeout of {} ms",
        latencies.len(),
        slowest.as_millis(),
        LOCK_TIMEOUT.as_millis()
    );
    assert!(latencies.len() > 100);
    assert!(slowest >= LOCK_TIMEOUT / 2, "they met: {slowest:?}");
    assert!(slowest < SLOWEST, "{slowest:?}");
}

/// Of all transactions: pgbench's log has them in microseconds, in its third column.
fn latencies(dir: &Path) -> Vec<Duration> {
    let logs = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let logs = logs.filter(|path| {
        path.file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with("log")
    });
    let lines: Vec<String> = logs.map(|path| fs::read_to_string(path).unwrap()).collect();
    let lines = lines.iter().flat_map(|log| log.lines());
    // The last line may be cut off by the end.
    let latency = |line: &str| line.split(' ').nth(2)?.parse().ok();
    lines
        .filter_map(latency)
        .map(Duration::from_micros)
        .collect()
}
