//! When an entry is refreshed: at the end of its time as new, and by chance a little before.

use std::time::{Duration, Instant};

use crate::entry::Entry;

/// How much earlier than its cost suggests; 1 is the choice that the authors show to be optimal.
const BETA: f64 = 1.0;

/// `time`, shortened by up to a tenth: entries that were filled together must not age together.
pub(crate) fn jittered(time: Duration, chance: f64) -> Duration {
    time.mul_f64(1.0 - 0.1 * chance)
}

/// Whether it is to be refreshed now. `chance` is evenly between 0 and 1.
///
/// The nearer its end and the more it costs, the likelier: of many readers one refreshes it before all of them would have
/// to ("optimal probabilistic cache stampede prevention", Vattani, Chierichetti, Lowenstein 2015: XFetch).
pub(crate) fn is_due(entry: &Entry, now: Instant, chance: f64) -> bool {
    let ahead = entry.cost().as_secs_f64() * BETA * -chance.max(f64::MIN_POSITIVE).ln();
    entry.age(now).as_secs_f64() + ahead >= entry.fresh_for().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{is_due, jittered};
    use crate::entry::{Entry, Fill};

    #[test]
    fn an_entry_is_due_at_its_end_and_by_chance_a_few_costs_before() {
        let fill = Fill {
            fresh_for: Duration::from_secs(60),
            keep_for: Duration::from_secs(600),
            ..Fill::default()
        };
        // Its load took 100 ms.
        let born = Instant::now()
            .checked_sub(Duration::from_millis(100))
            .unwrap();
        let entry = Entry::new(&fill, born, 0).unwrap();
        let at = |ms: u64| born + Duration::from_millis(ms);
        assert!(is_due(&entry, at(60_000), 1.0), "aged");
        assert!(!is_due(&entry, at(10_000), 0.000_1), "new");
        assert!(!is_due(&entry, at(59_800), 0.5));
        assert!(is_due(&entry, at(59_800), 0.05));
    }

    #[test]
    fn lifetimes_differ_by_a_tenth() {
        let minute = Duration::from_secs(60);
        assert_eq!(jittered(minute, 0.0), minute);
        assert_eq!(jittered(minute, 1.0), Duration::from_secs(54));
    }
}
