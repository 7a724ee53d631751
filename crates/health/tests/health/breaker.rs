//! The breaker's transitions, one at a time.

use std::thread;
use std::time::{Duration, Instant};

use prepnexus_health::{Breaker, BreakerConfig, BreakerState, SharedBreaker};

fn config() -> BreakerConfig {
    BreakerConfig {
        jitter_seed: Some(7),
        ..BreakerConfig::default()
    }
}

fn opened(now: Instant) -> Breaker {
    let mut breaker = Breaker::new(config());
    for _ in 0..3 {
        breaker.on_failure(now);
    }
    assert_eq!(breaker.state(), BreakerState::Open);
    breaker
}

const MS: Duration = Duration::from_millis(1);

#[test]
fn opens_on_failures_in_a_row_and_says_so_once() {
    let now = Instant::now();
    let mut breaker = Breaker::new(config());
    assert_eq!(breaker.on_failure(now), None);
    assert_eq!(breaker.on_failure(now), None);
    assert_eq!(
        breaker.on_success(now),
        None,
        "a success begins the row anew"
    );
    assert_eq!(breaker.on_failure(now), None);
    assert_eq!(breaker.on_failure(now), None);
    assert!(breaker.allows());
    assert_eq!(breaker.on_failure(now), Some(BreakerState::Open));
    assert!(!breaker.allows());
    assert_eq!(breaker.on_failure(now), None);
}

#[test]
fn opens_on_the_failure_rate_once_there_are_enough_calls() {
    let now = Instant::now();
    let mut breaker = Breaker::new(config());
    for _ in 0..9 {
        breaker.on_success(now);
        breaker.on_failure(now);
    }
    breaker.on_success(now);
    assert!(breaker.allows(), "19 calls are too few to judge by");
    assert_eq!(breaker.on_failure(now), Some(BreakerState::Open));
}

/// Half of the calls fail, one pair of calls per `pause`, for a hundred pairs.
fn allows_after_failing_by_half(pause: Duration) -> bool {
    let start = Instant::now();
    let mut breaker = Breaker::new(config());
    for pair in 0..100 {
        breaker.on_success(start + pair * pause);
        breaker.on_failure(start + pair * pause);
    }
    breaker.allows()
}

#[test]
fn the_rate_is_of_the_calls_within_the_window() {
    assert!(
        allows_after_failing_by_half(1_200 * MS),
        "18 calls share the window at most"
    );
    assert!(!allows_after_failing_by_half(900 * MS), "20 calls share it");
}

#[test]
fn an_open_one_waits_for_its_backoff_then_wants_a_probe() {
    let now = Instant::now();
    let breaker = opened(now);
    let wait = breaker.probe_in(now).unwrap();
    assert!(wait >= 125 * MS && wait <= 250 * MS, "{wait:?}");
    assert!(!breaker.wants_probe(now + wait - MS));
    assert!(breaker.wants_probe(now + wait));
    assert_eq!(
        breaker.state(),
        BreakerState::Open,
        "time alone moves nothing"
    );
    assert!(!breaker.allows());
}

#[test]
fn two_probes_close_it_and_the_first_only_half_opens() {
    let now = Instant::now();
    let mut breaker = opened(now);
    assert_eq!(breaker.on_probe_success(now), Some(BreakerState::HalfOpen));
    assert!(!breaker.allows(), "users never test a half-open breaker");
    assert!(breaker.wants_probe(now));
    assert_eq!(breaker.on_probe_success(now), Some(BreakerState::Closed));
    assert!(breaker.allows());
    assert_eq!(breaker.probe_in(now), None);
}

#[test]
fn failed_probes_double_the_backoff_even_across_a_half_open_moment() {
    let now = Instant::now();
    let mut breaker = opened(now);
    let first = breaker.probe_in(now).unwrap();
    assert_eq!(breaker.on_probe_failure(now), None);
    assert_eq!(breaker.on_probe_success(now), Some(BreakerState::HalfOpen));
    assert_eq!(breaker.on_probe_failure(now), Some(BreakerState::Open));
    let third = breaker.probe_in(now).unwrap();
    assert!(
        third >= 500 * MS && third <= 1_000 * MS,
        "{first:?}, then {third:?}"
    );
}

#[test]
fn results_that_come_late_do_not_move_an_open_one() {
    let now = Instant::now();
    let mut breaker = opened(now);
    let wait = breaker.probe_in(now);
    assert_eq!(breaker.on_success(now), None);
    assert_eq!(breaker.on_failure(now), None);
    assert_eq!(
        (breaker.state(), breaker.probe_in(now)),
        (BreakerState::Open, wait)
    );
}

#[test]
fn probes_alone_open_an_idle_one() {
    let now = Instant::now();
    let mut breaker = Breaker::new(config());
    breaker.on_probe_failure(now);
    breaker.on_probe_failure(now);
    breaker.on_probe_success(now);
    breaker.on_probe_failure(now);
    breaker.on_probe_failure(now);
    assert!(breaker.allows());
    assert_eq!(breaker.on_probe_failure(now), Some(BreakerState::Open));
}

#[test]
fn answered_probes_do_not_hide_failing_requests() {
    let now = Instant::now();
    let mut breaker = Breaker::new(config());
    for _ in 0..3 {
        breaker.on_failure(now);
        breaker.on_probe_success(now);
    }
    assert_eq!(
        breaker.state(),
        BreakerState::HalfOpen,
        "opened by the third, then probed"
    );
}

#[test]
fn states_have_their_words_and_numbers() {
    let shown = [
        BreakerState::Closed,
        BreakerState::HalfOpen,
        BreakerState::Open,
    ]
    .map(|state| (state.as_metric(), serde_json::to_string(&state).unwrap()));
    let expected = [
        (0.0, "\"closed\""),
        (1.0, "\"half_open\""),
        (2.0, "\"open\""),
    ];
    assert_eq!(
        shown,
        expected.map(|(number, word)| (number, word.to_owned()))
    );
}

#[test]
fn a_shared_one_opens_once_however_many_fail_at_once() {
    let now = Instant::now();
    let breaker = SharedBreaker::new(config());
    let opened: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    (0..100)
                        .filter(|_| breaker.on_failure(now).is_some())
                        .count()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    assert_eq!(opened, 1);
    assert!(!breaker.allows());
    assert_eq!(breaker.state(), BreakerState::Open);
}
