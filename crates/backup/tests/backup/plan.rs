//! What is due, by what was done and by the time.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use prepnexus_backup::{Due, Plan, RETRY};
use prepnexus_storage::backups::{Action, Latest, Run};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn plan(entries: &[(Action, &str)]) -> Plan {
    Plan::new(entries, SignedDuration::ZERO, "main").unwrap()
}

fn run(action: Action, started: &str, error: Option<&str>) -> Run {
    let started_at = at(started);
    Run {
        id: started.into(),
        action,
        runner: "a-1".into(),
        started_at,
        ended_at: started_at + SignedDuration::from_secs(30),
        error: error.map(str::to_owned),
        label: None,
        recovery_point_seconds: None,
        recovery_time_seconds: None,
        details: serde_json::Value::Null,
    }
}

/// The records after these runs, in this order.
fn after(runs: &[Run]) -> BTreeMap<Action, Latest> {
    let mut last = BTreeMap::<Action, Latest>::new();
    for run in runs {
        let latest = last.entry(run.action).or_default();
        latest.any = Some(run.clone());
        if run.error.is_none() {
            latest.success = Some(run.clone());
        }
    }
    last
}

fn due(action: Action, slots: u64) -> Option<Due> {
    Some(Due { action, slots })
}

#[test]
fn what_was_never_done_is_due_and_then_its_next_slot() {
    let plan = plan(&[(Action::Full, "0 1 * * *")]);
    let now = at("2026-03-01T12:00:00Z");
    assert_eq!(plan.due(&BTreeMap::new(), now), due(Action::Full, 0));
    let done = after(&[run(Action::Full, "2026-03-01T12:00:00Z", None)]);
    assert_eq!(plan.due(&done, at("2026-03-02T00:59:59Z")), None);
    assert_eq!(
        plan.due(&done, at("2026-03-02T01:00:00Z")),
        due(Action::Full, 1)
    );
    // All that were missed, by one run.
    assert_eq!(
        plan.due(&done, at("2026-03-05T09:00:00Z")),
        due(Action::Full, 4)
    );
}

#[test]
fn a_run_that_failed_is_tried_again_after_a_while() {
    let plan = plan(&[(Action::Verify, "0 4 * * *")]);
    let failed = run(Action::Verify, "2026-03-02T04:00:00Z", Some("no"));
    let ended = failed.ended_at;
    let last = after(&[run(Action::Verify, "2026-03-01T04:00:00Z", None), failed]);
    assert_eq!(
        plan.due(&last, ended + RETRY - SignedDuration::from_secs(1)),
        None
    );
    assert_eq!(plan.due(&last, ended + RETRY), due(Action::Verify, 1));
}

#[test]
fn a_full_backup_leaves_no_other_to_do_and_a_rehearsal_does() {
    let plan = plan(&[
        (Action::Drill, "0 1 * * *"),
        (Action::Incremental, "0 * * * *"),
        (Action::Differential, "0 1 * * *"),
        (Action::Full, "0 1 * * SUN"),
        (Action::Verify, ""),
    ]);
    // A Sunday.
    let now = at("2026-03-01T01:00:00Z");
    let before = Action::ALL.map(|action| run(action, "2026-02-28T20:00:00Z", None));
    assert_eq!(plan.due(&after(&before), now), due(Action::Full, 1));
    let mut runs = before.to_vec();
    runs.push(run(Action::Full, "2026-03-01T01:00:00Z", None));
    assert_eq!(plan.due(&after(&runs), now), due(Action::Drill, 1));
    runs.push(run(Action::Drill, "2026-03-01T01:01:00Z", None));
    assert_eq!(plan.due(&after(&runs), now), None);
    assert_eq!(
        plan.due(&after(&runs), at("2026-03-01T02:00:00Z")),
        due(Action::Incremental, 1)
    );
    // An incremental one does not stand for the differential one of Monday.
    runs.push(run(Action::Incremental, "2026-03-02T01:00:00Z", None));
    assert_eq!(
        plan.due(&after(&runs), at("2026-03-02T01:00:01Z")),
        due(Action::Differential, 1)
    );
}

#[test]
fn slots_are_spread_alike_for_all_who_keep_one_plan() {
    let jitter = SignedDuration::from_mins(10);
    let plan = |name| Plan::new(&[(Action::Full, "0 * * * *")], jitter, name).unwrap();
    // When the slots of a day begin, in seconds behind the hour.
    let begins = |plan: &Plan| {
        let mut seconds = Vec::new();
        for hour in 0..24 {
            let slot = at("2026-03-01T00:00:00Z") + SignedDuration::from_hours(hour);
            let before = slot - SignedDuration::from_secs(1);
            let last = after(&[run(Action::Full, &before.to_string(), None)]);
            let second = (0..).find(|second| {
                let now = slot + SignedDuration::from_secs(*second);
                plan.due(&last, now).is_some()
            });
            seconds.push(second.unwrap());
        }
        seconds
    };
    let main = begins(&plan("main"));
    assert_eq!(main, begins(&plan("main")));
    assert_ne!(main, begins(&plan("other")));
    assert!(main.iter().all(|second| *second <= 600), "{main:?}");
    let (least, most) = (main.iter().min().unwrap(), main.iter().max().unwrap());
    assert!(most - least > 300, "{main:?}");
}

#[test]
fn expressions_have_time_zones_and_bad_ones_are_named() {
    let plan = plan(&[(Action::Full, "30 3 * * * Europe/Berlin")]);
    let done = after(&[run(Action::Full, "2026-07-01T12:00:00Z", None)]);
    assert_eq!(plan.due(&done, at("2026-07-02T01:29:00Z")), None);
    assert_eq!(
        plan.due(&done, at("2026-07-02T01:30:00Z")),
        due(Action::Full, 1)
    );
    for text in [
        "every day",
        "61 * * * *",
        "* * * *",
        "0 1 * * * Nowhere/Town",
    ] {
        let error = Plan::new(&[(Action::Full, text)], SignedDuration::ZERO, "main").unwrap_err();
        assert!(error.to_string().contains("five fields"), "{error}");
        assert!(error.to_string().contains(text), "{error}");
    }
}
