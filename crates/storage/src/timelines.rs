//! Where each timeline left its parent, as far as was seen: what is known of the cluster's histories.
//!
//! A promotion begins a timeline. What its parent had up to that position is in it, and what the
//! parent got after that is lost to it. The server keeps the position where replay ended, which is
//! where the timeline began, and tells it until its next restart; which timeline it had followed
//! before, the monitor remembers. A switch that nobody watched stays unknown, and a token from before
//! it is refused: never silently fresh.

use std::collections::BTreeMap;

/// Where a timeline began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Origin {
    parent: u32,
    position: u64,
}

/// The switches that were seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Timelines(BTreeMap<u32, Origin>);

impl Timelines {
    /// Notes that `timeline` left `parent` at `position`. The first word stands.
    pub(crate) fn note(&mut self, timeline: u32, parent: u32, position: u64) {
        if parent < timeline {
            let origin = Origin { parent, position };
            self.0.entry(timeline).or_insert(origin);
        }
    }

    /// Whether the history that ends in `current` holds all that `timeline` had at `position`.
    #[must_use]
    pub fn holds(&self, current: u32, timeline: u32, position: u64) -> bool {
        let mut at = current;
        while at > timeline {
            match self.0.get(&at) {
                Some(origin) if position <= origin.position => at = origin.parent,
                _ => return false,
            }
        }
        at == timeline
    }
}

#[cfg(test)]
mod tests {
    use super::Timelines;

    fn two_switches() -> Timelines {
        let mut timelines = Timelines::default();
        timelines.note(2, 1, 500);
        timelines.note(3, 2, 900);
        timelines
    }

    #[test]
    fn what_a_timeline_had_before_the_switch_is_in_the_next() {
        let timelines = two_switches();
        assert!(timelines.holds(1, 1, 10_000));
        assert!(timelines.holds(2, 1, 500) && timelines.holds(3, 1, 500));
        assert!(timelines.holds(3, 2, 900));
    }

    #[test]
    fn what_it_got_after_the_switch_is_lost() {
        let timelines = two_switches();
        assert!(!timelines.holds(2, 1, 501) && !timelines.holds(3, 1, 600));
        assert!(!timelines.holds(3, 2, 901));
    }

    #[test]
    fn a_timeline_of_the_future_or_of_an_unseen_switch_is_not_held() {
        let timelines = two_switches();
        assert!(!timelines.holds(2, 3, 1));
        assert!(!timelines.holds(4, 3, 1));
        assert!(!Timelines::default().holds(2, 1, 1));
    }

    #[test]
    fn a_timeline_that_another_was_not_made_from_is_not_held() {
        let mut timelines = Timelines::default();
        timelines.note(2, 1, 500);
        timelines.note(3, 1, 700);
        assert!(timelines.holds(3, 1, 600) && !timelines.holds(3, 2, 510));
    }

    #[test]
    fn a_switch_is_learned_once() {
        let mut timelines = two_switches();
        timelines.note(2, 1, 9_999);
        timelines.note(2, 2, 9_999);
        assert!(!timelines.holds(2, 1, 501));
    }
}
