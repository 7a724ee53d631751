//! Which transactions a statement saw, as `pg_current_snapshot()` tells it.

use std::{fmt, str::FromStr};

/// A snapshot: everything before `xmin` had ended, nothing from `xmax` on had begun, and of those in
/// between `running` had not ended.
///
/// A standby's lists no running transactions, although there may be some: see [`Snapshot::of_standby`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Snapshot {
    xmin: u64,
    xmax: u64,
    /// In ascending order.
    running: Vec<u64>,
}

impl Snapshot {
    /// The one that sees nothing.
    pub(super) const NOTHING: Self = Self {
        xmin: 1,
        xmax: 1,
        running: Vec::new(),
    };

    pub(super) fn new(xmin: u64, xmax: u64, running: Vec<u64>) -> Self {
        Self {
            xmin,
            xmax,
            running,
        }
    }

    /// What is sure of a snapshot taken on a standby: that what is older than any running transaction
    /// was seen.
    pub(super) fn of_standby(self) -> Self {
        Self::new(self.xmin, self.xmin, Vec::new())
    }

    /// Whether the changes of that transaction, if it was committed, were seen.
    pub(super) fn sees(&self, xid: u64) -> bool {
        xid < self.xmin || (xid < self.xmax && self.running.binary_search(&xid).is_err())
    }

    /// The oldest transaction that was running, or the next one.
    pub(super) fn xmin(&self) -> u64 {
        self.xmin
    }

    pub(super) fn xmax(&self) -> u64 {
        self.xmax
    }

    pub(super) fn running(&self) -> &[u64] {
        &self.running
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:", self.xmin, self.xmax)?;
        for (n, xid) in self.running.iter().enumerate() {
            write!(f, "{}{xid}", if n == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

/// The text is no snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server's snapshot can't be read")]
pub(crate) struct Malformed;

impl FromStr for Snapshot {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let number = |text: &str| text.parse::<u64>().map_err(|_| Malformed);
        let mut parts = text.splitn(3, ':');
        let mut part = || parts.next().ok_or(Malformed);
        let (xmin, xmax, running) = (number(part()?)?, number(part()?)?, part()?);
        let running = running.split(',').filter(|xid| !xid.is_empty());
        let mut running = running.map(number).collect::<Result<Vec<_>, _>>()?;
        running.sort_unstable();
        if xmin == 0 || xmax < xmin {
            return Err(Malformed);
        }
        Ok(Self::new(xmin, xmax, running))
    }
}

#[cfg(test)]
mod tests {
    use super::Snapshot;

    #[test]
    fn what_ended_is_seen_and_what_ran_is_not() {
        let snapshot: Snapshot = "10:20:10,14,15".parse().unwrap();
        let unseen: Vec<u64> = (5..25).filter(|xid| !snapshot.sees(*xid)).collect();
        assert_eq!(unseen, [10, 14, 15, 20, 21, 22, 23, 24]);
        assert_eq!(snapshot.to_string(), "10:20:10,14,15");
    }

    #[test]
    fn of_a_standbys_snapshot_only_what_is_older_than_all_that_ran_counts() {
        let snapshot: Snapshot = "10:20:".parse().unwrap();
        assert!(snapshot.sees(15));
        let snapshot = snapshot.of_standby();
        assert!(snapshot.sees(9) && !snapshot.sees(10) && !snapshot.sees(15));
    }

    #[test]
    fn what_is_no_snapshot_is_refused() {
        for text in ["", "1", "1:2", "2:1:", "0:1:", "1:2:x", "-1:2:"] {
            assert!(text.parse::<Snapshot>().is_err(), "{text}");
        }
    }
}
