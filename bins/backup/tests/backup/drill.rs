//! The way of a backup from its making to its rehearsal.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use prepnexus_testkit::wait_until;
use serde_json::Value;

use crate::rig::{REHEARSED, Rig};

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_made_checked_and_rehearsed() {
    let rig = Rig::start().await;
    assert_eq!(rig.run(&["status"]).code, Some(1), "there is no backup");

    let init = rig.must(&["init"]);
    assert!(!init.contains("CHANGE"), "{init}");
    rig.must(&["run", "--type", "full"]);
    rig.must(&["run"]);
    rig.must(&["verify"]);
    let tag = "INSERT INTO tags (slug, name) VALUES ('graphs', 'Graphs')";
    rig.db.psql(tag).await;

    let drill = rig.json(&["drill", "--json"]);
    assert_eq!(drill["error"], Value::Null);
    assert!(
        drill["recovery_time_seconds"].as_f64().unwrap() > 0.1,
        "{drill:#}"
    );
    assert_eq!(
        drill["recovery_point_seconds"],
        Value::Null,
        "no schedule is kept"
    );
    assert!(
        drill["details"]["tables"].as_u64().unwrap() > 10,
        "{drill:#}"
    );
    assert!(
        drill["details"]["reads"].as_u64().unwrap() > 10,
        "{drill:#}"
    );

    let status = rig.json(&["status", "--json"]);
    assert_eq!(status["backups"].as_array().unwrap().len(), 2);
    assert_eq!(status["last_runs"].as_array().unwrap().len(), 4);
    let recorded =
        "SELECT string_agg(action, ' ' ORDER BY started_at) FROM backup_runs WHERE error IS NULL";
    assert_eq!(rig.db.psql(recorded).await, "full incr verify drill");
}

/// While many write, a snapshot and a position in the log do not belong together by themselves.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_compared_is_exact_while_many_write() {
    let rig = Rig::start().await;
    rig.must(&["init"]);
    rig.must(&["run", "--type", "full"]);
    rig.db
        .psql("CREATE TABLE ledger (id bigserial PRIMARY KEY, writer int, note text)")
        .await;
    rig.db
        .psql("ALTER TABLE ledger OWNER TO prepnexus_test_owner")
        .await;
    let writer = |number: usize, stop: &Arc<AtomicBool>| {
        let (node, database) = (rig.stack.primary().clone(), rig.db.database().to_owned());
        let stop = Arc::clone(stop);
        // One row for each commit; a few hundred for each call of the program. Each removes rows of its own alone: scans of
        // a large table begin anywhere in it, and so two that removed the same rows could wait for one another.
        let each = format!("INSERT INTO ledger (writer, note) VALUES ({number}, 'a row');\n");
        let remove = format!("DELETE FROM ledger WHERE writer = {number} AND id % 7 = 0;");
        let sql = each.repeat(300) + &remove;
        thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                node.psql_db(&database, &sql).expect("the server answers");
            }
        })
    };
    for _ in 0..3 {
        let stop = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = (0..4).map(|number| writer(number, &stop)).collect();
        let mut drill = rig.spawn(&["drill"]);
        wait_until("a restore", REHEARSED, async || {
            rig.is_restoring() || drill.has_ended()
        })
        .await;
        // What they write from here on is not compared, and would only have to be recovered.
        stop.store(true, Ordering::Relaxed);
        for writer in writers {
            writer.join().unwrap();
        }
        let code = drill.exit_code();
        let errors = "SELECT string_agg(error, '; ') FROM backup_runs";
        assert_eq!(rig.db.psql(errors).await, "");
        assert_eq!(code, Some(0));
    }
    let rows = rig.db.psql("SELECT count(*) > 1000 FROM ledger").await;
    assert_eq!(rows, "t", "there was something to compare");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_older_than_is_to_be_kept_is_removed_when_that_is_asked_for() {
    let rig = Rig::start().await;
    rig.must(&["init"]);
    rig.must(&["run", "--type", "full"]);
    rig.must(&["run", "--type", "full"]);
    let labels = || {
        // It says that nothing was rehearsed, and so fails.
        let status = rig.run(&["status", "--json"]).stdout;
        let status: Value = serde_json::from_str(&status).unwrap();
        let backups = status["backups"].as_array().unwrap().clone();
        let label = |backup: &Value| backup["label"].as_str().unwrap().to_owned();
        backups.iter().map(label).collect::<Vec<_>>()
    };
    let both = labels();
    assert_eq!(both.len(), 2);
    rig.must(&["expire"]);
    assert_eq!(labels(), both, "two are kept");
    rig.configure("repo1-retention-full=1");
    let said = rig.must(&["expire", "--dry-run"]);
    assert!(
        said.contains(&both[0]) && !said.contains(&both[1]),
        "{said}"
    );
    assert_eq!(labels(), both, "nothing is removed yet");
    rig.must(&["expire"]);
    assert_eq!(labels(), both[1..]);
}
