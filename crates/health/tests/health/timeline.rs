//! What changed in the last hour.

use std::{sync::Arc, time::Duration};

use prepnexus_health::{Timeline, timeline::MOST};

use crate::clock::{TestClock, at};

fn record(timeline: &Timeline, to: &str) {
    timeline.record("a:5432".to_owned(), None, to.to_owned(), None);
}

fn states(timeline: &Timeline) -> Vec<String> {
    let changes = timeline.list().into_iter();
    changes.map(|change| change.to).collect()
}

#[test]
fn the_newest_is_first_and_what_is_an_hour_old_is_forgotten() {
    let clock = Arc::new(TestClock::new());
    let timeline = Timeline::new(Arc::clone(&clock) as _);
    record(&timeline, "up");
    clock.advance(Duration::from_secs(1_800));
    record(&timeline, "down");
    assert_eq!(states(&timeline), ["down", "up"]);
    assert_eq!(timeline.list()[1].at, at(0));
    clock.advance(Duration::from_secs(1_801));
    assert_eq!(states(&timeline), ["down"]);
}

#[test]
fn there_is_a_most_of_it() {
    let timeline = Timeline::new(Arc::new(TestClock::new()));
    for number in 0..MOST + 10 {
        record(&timeline, &number.to_string());
    }
    let states = states(&timeline);
    assert_eq!(states.len(), MOST);
    assert_eq!(states[0], (MOST + 9).to_string());
}
