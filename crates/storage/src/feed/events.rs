//! The changes of late, by what they changed.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use smallvec::SmallVec;

use super::{Tag, snapshot::Snapshot};

/// What is known of changes. Those that are forgotten leave a floor behind: nothing that may lack one of them
/// is called fresh.
#[derive(Debug, Default)]
pub(super) struct Events {
    by_tag: HashMap<Tag, SmallVec<[u64; 2]>>,
    /// In the order in which they were heard of.
    heard: VecDeque<(Instant, u64, Tag)>,
    floor: u64,
}

impl Events {
    /// Those of a history of which nothing up to the transaction `floor` is known.
    pub(super) fn since(floor: u64) -> Self {
        Self {
            floor,
            ..Self::default()
        }
    }

    /// Notes that the transaction `xid` changed what is under `tags`; again is not twice. Whether any of it is new.
    pub(super) fn note(
        &mut self,
        xid: u64,
        tags: impl IntoIterator<Item = Tag>,
        now: Instant,
    ) -> bool {
        let known = self.heard.len();
        for tag in tags {
            let xids = self.by_tag.entry(tag).or_default();
            if !xids.contains(&xid) {
                xids.push(xid);
                self.heard.push_back((now, xid, tag));
            }
        }
        self.heard.len() > known
    }

    /// Forgets what was heard of longer than `retention` ago, and the oldest beyond `most`. Whether that was anything.
    pub(super) fn forget(&mut self, retention: Duration, most: usize, now: Instant) -> bool {
        let known = self.heard.len();
        while let Some(&(at, xid, tag)) = self.heard.front() {
            let is_old = now.saturating_duration_since(at) > retention;
            if !is_old && self.heard.len() <= most {
                break;
            }
            self.heard.pop_front();
            self.floor = self.floor.max(xid);
            if let Some(xids) = self.by_tag.get_mut(&tag) {
                xids.retain(|known| *known != xid);
                if xids.is_empty() {
                    self.by_tag.remove(&tag);
                }
            }
        }
        self.heard.len() < known
    }

    /// Whether a value under `tags` contains every change of them that is known, or was forgotten.
    pub(super) fn are_seen_by(
        &self,
        snapshot: &Snapshot,
        tags: impl IntoIterator<Item = Tag>,
    ) -> bool {
        let seen = |tag: Tag| {
            let xids = self.by_tag.get(&tag);
            xids.is_none_or(|xids| xids.iter().all(|xid| snapshot.sees(*xid)))
        };
        snapshot.xmin() > self.floor && tags.into_iter().all(seen)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.heard.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Events, Snapshot, Tag};

    fn tags(names: &[&str]) -> Vec<Tag> {
        names.iter().map(|name| Tag::new(name)).collect()
    }

    fn snapshot(text: &str) -> Snapshot {
        text.parse().unwrap()
    }

    #[test]
    fn a_change_outdates_what_has_its_tag_and_does_not_see_it() {
        let (mut events, now) = (Events::default(), Instant::now());
        events.note(15, tags(&["post:1", "posts"]), now);
        let fresh = |text: &str, names: &[&str]| events.are_seen_by(&snapshot(text), tags(names));
        assert!(!fresh("10:20:15", &["post:1"]), "it ran");
        assert!(!fresh("10:15:", &["posts", "x"]), "it had not begun");
        assert!(fresh("10:20:11", &["post:1"]), "it had ended");
        assert!(fresh("10:15:", &["post:2"]), "another's");
        assert!(fresh("16:16:", &[]));
    }

    #[test]
    fn of_several_changes_each_must_be_seen() {
        let (mut events, now) = (Events::default(), Instant::now());
        for xid in [17, 12, 15, 12] {
            events.note(xid, tags(&["a"]), now);
        }
        assert_eq!(events.len(), 3);
        assert!(!events.are_seen_by(&snapshot("11:18:12"), tags(&["a"])));
        assert!(!events.are_seen_by(&snapshot("13:17:"), tags(&["a"])));
        assert!(events.are_seen_by(&snapshot("13:18:13,16"), tags(&["a"])));
    }

    #[test]
    fn what_is_forgotten_makes_nothing_fresh() {
        let (mut events, start) = (Events::default(), Instant::now());
        events.note(15, tags(&["a"]), start);
        events.note(20, tags(&["b"]), start + Duration::from_secs(5));
        events.forget(Duration::from_secs(6), 10, start + Duration::from_secs(7));
        assert_eq!(events.len(), 1);
        assert!(!events.are_seen_by(&snapshot("15:15:"), tags(&["a"])));
        assert!(!events.are_seen_by(&snapshot("15:15:"), tags(&["c"])));
        assert!(events.are_seen_by(&snapshot("16:16:"), tags(&["a"])));
        events.note(21, tags(&["c", "d"]), start);
        events.forget(Duration::from_secs(60), 1, start);
        assert_eq!((events.len(), events.floor), (1, 21));
    }
}
