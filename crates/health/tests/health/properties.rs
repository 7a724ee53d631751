//! What holds of a breaker whatever happens to it, in whatever order, at whatever pace.

use std::time::{Duration, Instant};

use prepnexus_health::{Breaker, BreakerConfig, BreakerState, SharedBreaker};
use proptest::prelude::*;

#[derive(Debug, Clone, Copy)]
enum Event {
    Success,
    Failure,
    ProbeSuccess,
    ProbeFailure,
    Pass(Duration),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        3 => Just(Event::Success),
        4 => Just(Event::Failure),
        2 => Just(Event::ProbeSuccess),
        2 => Just(Event::ProbeFailure),
        2 => (0_u64..20_000).prop_map(|ms| Event::Pass(Duration::from_millis(ms))),
    ];
    prop::collection::vec(event, 0..200)
}

fn configs() -> impl Strategy<Value = BreakerConfig> {
    (
        1_u32..6,
        1_u32..40,
        0.05_f64..=1.0,
        1_u64..2_000,
        0_u64..20_000,
        1_u32..5,
        any::<u64>(),
    )
        .prop_map(
            |(
                consecutive_failures,
                window_min_calls,
                failure_rate,
                base_ms,
                above_base_ms,
                half_open_successes,
                seed,
            )| {
                BreakerConfig {
                    consecutive_failures,
                    window: Duration::from_secs(10),
                    window_min_calls,
                    failure_rate,
                    backoff_base: Duration::from_millis(base_ms),
                    backoff_cap: Duration::from_millis(base_ms + above_base_ms),
                    half_open_successes,
                    jitter_seed: Some(seed),
                }
            },
        )
}

/// Lets the events happen, and calls `check` with the breaker after each.
fn live_through(
    breaker: &mut Breaker,
    events: &[Event],
    mut check: impl FnMut(&Breaker, Event, Option<BreakerState>, Instant) -> Result<(), TestCaseError>,
) -> Result<Instant, TestCaseError> {
    let mut now = Instant::now();
    for &event in events {
        let changed = match event {
            Event::Success => breaker.on_success(now),
            Event::Failure => breaker.on_failure(now),
            Event::ProbeSuccess => breaker.on_probe_success(now),
            Event::ProbeFailure => breaker.on_probe_failure(now),
            Event::Pass(time) => {
                now += time;
                None
            }
        };
        check(breaker, event, changed, now)?;
    }
    Ok(now)
}

proptest! {
    #[test]
    fn users_pass_only_while_closed(config in configs(), events in events()) {
        let mut breaker = Breaker::new(config);
        live_through(&mut breaker, &events, |breaker, _, _, now| {
            prop_assert_eq!(breaker.allows(), breaker.state() == BreakerState::Closed);
            prop_assert!(!(breaker.allows() && breaker.wants_probe(now)));
            Ok(())
        })?;
    }

    #[test]
    fn a_change_is_told_exactly_when_there_is_one(config in configs(), events in events()) {
        let mut breaker = Breaker::new(config);
        let mut before = breaker.state();
        live_through(&mut breaker, &events, |breaker, _, changed, _| {
            prop_assert_eq!(changed, (breaker.state() != before).then(|| breaker.state()));
            before = breaker.state();
            Ok(())
        })?;
    }

    #[test]
    fn only_probes_move_one_that_is_not_closed(config in configs(), events in events()) {
        let mut breaker = Breaker::new(config);
        let mut before = breaker.state();
        live_through(&mut breaker, &events, |breaker, event, _, _| {
            let probed = matches!(event, Event::ProbeSuccess | Event::ProbeFailure);
            if before != BreakerState::Closed && !probed {
                prop_assert_eq!(breaker.state(), before);
            }
            before = breaker.state();
            Ok(())
        })?;
    }

    #[test]
    fn no_wait_exceeds_the_cap(config in configs(), events in events()) {
        let cap = config.backoff_cap;
        let mut breaker = Breaker::new(config);
        live_through(&mut breaker, &events, |breaker, _, _, now| {
            prop_assert!(breaker.probe_in(now).is_none_or(|wait| wait <= cap));
            Ok(())
        })?;
    }

    #[test]
    fn it_always_closes_once_probes_succeed(config in configs(), events in events()) {
        let enough = config.half_open_successes;
        let cap = config.backoff_cap;
        let mut breaker = Breaker::new(config);
        let now = live_through(&mut breaker, &events, |_, _, _, _| Ok(()))? + cap;
        for _ in 0..enough {
            prop_assert!(breaker.allows() || breaker.wants_probe(now));
            breaker.on_probe_success(now);
        }
        prop_assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn it_always_opens_once_enough_requests_fail(config in configs(), events in events()) {
        let enough = config.consecutive_failures;
        let mut breaker = Breaker::new(config);
        let now = live_through(&mut breaker, &events, |_, _, _, _| Ok(()))?;
        for _ in 0..enough {
            breaker.on_failure(now);
        }
        prop_assert!(!breaker.allows());
    }

    #[test]
    fn a_shared_one_agrees_with_a_plain_one(config in configs(), events in events()) {
        let shared = SharedBreaker::new(config.clone());
        let mut breaker = Breaker::new(config);
        live_through(&mut breaker, &events, |breaker, event, changed, now| {
            let told = match event {
                Event::Success => shared.on_success(now),
                Event::Failure => shared.on_failure(now),
                Event::ProbeSuccess => shared.on_probe_success(now),
                Event::ProbeFailure => shared.on_probe_failure(now),
                Event::Pass(_) => None,
            };
            prop_assert_eq!(told, changed);
            prop_assert_eq!(shared.state(), breaker.state());
            prop_assert_eq!(shared.allows(), breaker.allows());
            prop_assert_eq!(shared.wants_probe(now), breaker.wants_probe(now));
            prop_assert_eq!(shared.probe_in(now), breaker.probe_in(now));
            Ok(())
        })?;
    }
}
