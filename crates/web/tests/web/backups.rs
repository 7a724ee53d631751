//! What operators are told of backups.

use jiff::{SignedDuration, ToSpan as _};
use serde_json::{Value, json};

use crate::harness::{Api, block_on};

fn look(api: &Api) -> Value {
    block_on(api.content.look_at_backups(api.content.deadline())).unwrap();
    api.get("/api/monitoring/backups").expect(200).json()
}

/// Records a run that ended so long before the test's time.
fn record(api: &Api, action: &str, ago: SignedDuration, columns: &str, values: &str) {
    let ended = api.content.clock().now() - ago;
    let sql = format!(
        "INSERT INTO backup_runs (id, action, runner, started_at, ended_at{columns})
         VALUES ('{action}-{ended}', '{action}', 'a-1', '{started}', '{ended}'{values})",
        started = ended - 90.seconds(),
    );
    block_on(api.db().psql(&sql));
}

#[test]
fn nothing_is_said_where_nothing_is_recorded() {
    let api = Api::start();
    api.wait_until_healthy();
    let before = api.get("/api/monitoring/backups").expect(200).json();
    assert_eq!(before["status"], "unknown");
    assert_eq!(before["looked_at"], Value::Null);
    let told = look(&api);
    assert_eq!(told["status"], "unknown");
    assert!(told["looked_at"].is_string(), "{told}");
    for name in [
        "last_backup",
        "last_drill",
        "scheduler_age_seconds",
        "archive_failing",
    ] {
        assert_eq!(told[name], Value::Null, "{name}");
    }
}

#[test]
fn the_last_backup_and_the_last_rehearsal_are_told_with_what_they_measured() {
    let api = Api::start();
    api.wait_until_healthy();
    let hours = SignedDuration::from_hours;
    record(&api, "full", hours(30), ", label", ", 'older'");
    record(&api, "full", hours(3), ", label", ", '20260102-010003F'");
    let measured = ", 21.5, 8.25, '20260102-010003F'";
    let columns = ", recovery_point_seconds, recovery_time_seconds, label";
    record(&api, "drill", hours(2), columns, measured);
    let now = api.content.clock().now();
    let beat = now - 2.seconds();
    block_on(
        api.db()
            .psql(&format!("UPDATE backup_scheduler SET beat_at = '{beat}'")),
    );

    let told = look(&api);
    assert_eq!(told["status"], "healthy", "{told:#}");
    assert_eq!(told["last_backup"]["label"], "20260102-010003F");
    assert_eq!(told["last_backup"]["age_seconds"], 3.0 * 3600.0);
    assert_eq!(told["last_backup"]["seconds"], 90.0);
    assert_eq!(told["recovery_point_seconds"], 21.5);
    assert_eq!(told["recovery_time_seconds"], 8.25);
    assert_eq!(told["scheduler_age_seconds"], 2.0);

    let why = "what was restored differs";
    record(&api, "drill", hours(1), ", error", &format!(", '{why}'"));
    record(&api, "incr", hours(4), ", error", ", 'full since'");
    let told = look(&api);
    assert_eq!(told["status"], "degraded", "{told:#}");
    let failing = told["failing"].as_array().unwrap();
    assert_eq!(
        failing.len(),
        1,
        "a full backup has made up for the other: {told:#}"
    );
    assert_eq!(
        (&failing[0]["action"], &failing[0]["error"]),
        (&json!("drill"), &json!(why))
    );
    assert_eq!(
        told["recovery_point_seconds"], 21.5,
        "of the last that succeeded"
    );
}
