//! The way of a backup from its making to its rehearsal.

use crate::rig::Rig;

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_made_checked_and_rehearsed() {
    let rig = Rig::start().await;
    assert_eq!(rig.run(&["status"]).code, Some(1), "there is no backup");

    let init = rig.must(&["init"]);
    assert!(!init.contains("CHANGE"), "{init}");
    rig.must(&["run", "--type", "full"]);
    rig.must(&["run"]);
    rig.must(&["verify"]);
    rig.db
        .psql("INSERT INTO tags (slug, name) VALUES ('graphs', 'Graphs')")
        .await;

    let drill = rig.json(&["drill", "--json"]);
    assert_eq!(drill["error"], serde_json::Value::Null);
    assert!(
        drill["recovery_time_seconds"].as_f64().unwrap() > 0.1,
        "{drill:#}"
    );
    assert_eq!(
        drill["recovery_point_seconds"],
        serde_json::Value::Null,
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
    let recorded = rig.db.psql(
        "SELECT string_agg(action, ' ' ORDER BY started_at) FROM backup_runs WHERE error IS NULL",
    );
    assert_eq!(recorded.await, "full incr verify drill");
}
