//! What was recorded lately: windows to the tick, all since the beginning, and nothing lost on its way to who exports.

use std::time::{Duration, Instant};

use metrics::{counter, histogram, with_local_recorder};
use metrics_exporter_prometheus::PrometheusBuilder;
use prepnexus_health::recent::KEPT;
use prepnexus_health::{Recent, Window};
use proptest::prelude::*;

const NAMES: &[&str] = &["asked", "took"];
const MINUTE: Duration = Duration::from_secs(60);
const TICK: Duration = Duration::from_secs(5);

/// How often it was asked within `window`, all labels together.
fn asked(recent: &Recent, window: Window, now: Instant) -> u64 {
    let counters = recent.counters("asked", window, now);
    counters.iter().map(|(_, grown)| grown).sum()
}

#[test]
fn what_is_kept_is_exported_as_well_and_what_is_not_is_only_exported() {
    let now = Instant::now();
    let recent = Recent::new(NAMES, now);
    let exported = PrometheusBuilder::new().build_recorder();
    let handle = exported.handle();
    with_local_recorder(&recent.beside(exported), || {
        counter!("asked", "of" => "a").increment(2);
        counter!("asked", "of" => "b").absolute(7);
        counter!("other").increment(5);
        histogram!("took").record(0.25);
        histogram!("took").record_many(0.5, 3);
        metrics::gauge!("level").set(4.0);
        metrics::describe_counter!("asked", "How often");
    });
    let rendered = handle.render();
    for line in [
        "# HELP asked How often",
        "asked{of=\"a\"} 2",
        "asked{of=\"b\"} 7",
        "other 5",
        "took_count 4",
        "level 4",
    ] {
        assert!(rendered.contains(line), "{line}: {rendered}");
    }
    let mut counters = recent.counters("asked", Window::All, now);
    counters.sort_by_key(|(labels, _)| labels.get("of").to_owned());
    let counters: Vec<_> = counters
        .iter()
        .map(|(labels, grown)| (labels.get("of"), labels.get("none"), *grown))
        .collect();
    assert_eq!(counters, [("a", "", 2), ("b", "", 7)]);
    assert!(recent.counters("other", Window::All, now).is_empty());
    let times = recent.times("took", Window::All, now);
    assert_eq!(times[0].1.count(), 4);
    assert!(times[0].1.quantile(0.5).unwrap() >= Duration::from_millis(500));
    assert!(times[0].1.quantile(0.25).unwrap() < Duration::from_millis(270));
    let total = times[0].1.total().as_secs_f64();
    assert!((1.75..=1.75 * 17.0 / 16.0).contains(&total), "{total}");
}

#[test]
fn a_window_forgets_what_is_older() {
    let began = Instant::now();
    let recent = Recent::new(NAMES, began);
    let recorder = recent.beside(PrometheusBuilder::new().build_recorder());
    let (mut now, mut time) = (began, Duration::ZERO);
    with_local_recorder(&recorder, || {
        counter!("asked").increment(1);
        histogram!("took").record(1.0);
        while time < 3 * MINUTE {
            time += TICK;
            now = began + time;
            recent.tick(now);
        }
        counter!("asked").increment(10);
        histogram!("took").record(0.001);
    });
    assert_eq!(asked(&recent, Window::Last(MINUTE), now), 10);
    assert_eq!(asked(&recent, Window::Last(5 * MINUTE), now), 11);
    assert_eq!(asked(&recent, Window::All, now), 11);
    let slowest = |window| {
        let times = recent.times("took", window, now);
        times[0].1.quantile(1.0).unwrap()
    };
    assert!(slowest(Window::Last(MINUTE)) < Duration::from_millis(2));
    assert!(slowest(Window::Last(5 * MINUTE)) >= Duration::from_secs(1));
    assert_eq!(recent.covered(Window::Last(MINUTE), now), MINUTE);
    assert_eq!(recent.covered(Window::Last(5 * MINUTE), now), 3 * MINUTE);
}

#[test]
fn a_process_that_stood_still_tells_of_what_it_saw_since() {
    let began = Instant::now();
    let recent = Recent::new(NAMES, began);
    let recorder = recent.beside(PrometheusBuilder::new().build_recorder());
    let thawed = began + 2 * KEPT;
    with_local_recorder(&recorder, || {
        counter!("asked").increment(1);
        recent.tick(thawed);
        counter!("asked").increment(2);
    });
    let now = thawed + TICK;
    assert_eq!(asked(&recent, Window::Last(MINUTE), now), 2);
    assert_eq!(recent.covered(Window::Last(MINUTE), now), TICK);
    assert_eq!(asked(&recent, Window::All, now), 3);
}

proptest! {
    /// Against a list of all that was ever counted.
    #[test]
    fn a_window_holds_what_came_since_its_first_tick(
        steps in prop::collection::vec((1u64..400, 0u64..5), 1..80),
        minutes in 1u32..=15,
    ) {
        let began = Instant::now();
        let recent = Recent::new(NAMES, began);
        let recorder = recent.beside(PrometheusBuilder::new().build_recorder());
        let mut now = began;
        let mut counted = Vec::new();
        with_local_recorder(&recorder, || {
            for (seconds, count) in &steps {
                counter!("asked").increment(*count);
                now += Duration::from_secs(*seconds);
                counted.push((now, *count));
                recent.tick(now);
            }
        });
        let window = minutes * MINUTE;
        let covered = recent.covered(Window::Last(window), now);
        prop_assert!(covered <= window);
        let begin = now - covered;
        let since: u64 = counted.iter().filter(|(at, _)| *at > begin).map(|(_, count)| count).sum();
        prop_assert_eq!(asked(&recent, Window::Last(window), now), since);
        prop_assert_eq!(asked(&recent, Window::All, now), counted.iter().map(|(_, count)| count).sum::<u64>());
    }
}
