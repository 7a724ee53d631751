//! Three programs that keep one schedule.

use prepnexus_testkit::wait_until;

use crate::rig::{REHEARSED, Rig};

#[tokio::test(flavor = "multi_thread")]
async fn of_three_programs_one_makes_the_first_backup_and_rehearses_it() {
    let rig = Rig::start().await;
    rig.must(&["init"]);
    let mut programs: Vec<_> = (0..3).map(|_| rig.spawn(&["schedule"])).collect();
    let done = "SELECT string_agg(action, ' ' ORDER BY started_at) FROM backup_runs";
    let is_done = async || rig.db.psql(done).await == "full verify drill";
    wait_until("a backup, a check and a rehearsal", REHEARSED, is_done).await;
    let errors = "SELECT string_agg(error, '; ') FROM backup_runs";
    assert_eq!(rig.db.psql(errors).await, "");
    // A schedule is kept, and so it is known what would have been lost.
    let point = "SELECT recovery_point_seconds FROM backup_runs WHERE action = 'drill'";
    let point: f64 = rig.db.psql(point).await.parse().unwrap();
    assert!(
        (0.0..10.0).contains(&point),
        "with archive_timeout = 1: {point} s"
    );
    assert_eq!(
        rig.json(&["status", "--json"])["backups"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    for program in &mut programs {
        program.end();
    }
}
