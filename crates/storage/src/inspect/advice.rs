//! What follows from the statistics, where a number supports it.

use jiff::{SignedDuration, Timestamp};

use super::{IndexStatistics, Inspection, TableStatistics};

/// Counts of less than this tell nothing of what is used once a week.
const LONG_ENOUGH: SignedDuration = SignedDuration::from_hours(7 * 24);
/// An index smaller than this costs nothing worth a thought.
const LARGE_INDEX: i64 = 1 << 20;
/// Reading a table of fewer rows than this from end to end is quick.
const LARGE_TABLE: i64 = 10_000;
/// Fewer scans than this are somebody's report, or a backup.
const MANY_SCANS: i64 = 100;
/// Dead rows, by count and by share, that VACUUM should have cleared away: twice what it leaves by default.
const MANY_DEAD: i64 = 10_000;
const DEAD_SHARE: f64 = 0.4;

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// What kind of thing.
    pub kind: Kind,
    /// The index or table it is about.
    pub subject: String,
    /// The numbers that support it.
    pub reason: String,
}

/// The kinds of advice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nobody reads by the index: it slows down writes alone.
    UnusedIndex,
    /// The index was not finished, and is never used.
    InvalidIndex,
    /// A large table is often read from end to end.
    MissingIndex,
    /// A table is full of former versions of rows.
    Bloat,
}

impl Kind {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnusedIndex => "unused_index",
            Self::InvalidIndex => "invalid_index",
            Self::MissingIndex => "missing_index",
            Self::Bloat => "bloat",
        }
    }
}

impl Inspection {
    /// What follows from it at `now`. That nothing is used follows only where all nodes answered and have counted for a week.
    #[must_use]
    pub fn advice(&self, now: Timestamp) -> Vec<Advice> {
        let is_long = |since: Timestamp| now.duration_since(since) >= LONG_ENOUGH;
        let mut nodes = self.nodes.iter();
        let is_known = self.is_complete && nodes.all(|node| is_long(node.counts_since));
        let of_indexes = self
            .indexes
            .iter()
            .filter_map(|index| of_index(index, is_known));
        of_indexes
            .chain(self.tables.iter().flat_map(of_table))
            .collect()
    }
}

fn of_index(index: &IndexStatistics, is_known: bool) -> Option<Advice> {
    let (kind, reason) = if !index.is_valid {
        let reason = "its building was broken off; drop it, and build it again";
        (Kind::InvalidIndex, reason.to_owned())
    } else if is_known && index.scans == 0 && !index.is_constraint && index.bytes >= LARGE_INDEX {
        let reason = format!(
            "0 scans on any node in a week or more, {} bytes, upholds no constraint",
            index.bytes
        );
        (Kind::UnusedIndex, reason)
    } else {
        return None;
    };
    Some(Advice {
        kind,
        subject: index.name.clone(),
        reason,
    })
}

#[expect(clippy::cast_precision_loss, reason = "rows are far fewer than 2^53")]
fn of_table(table: &TableStatistics) -> Vec<Advice> {
    let mut advice = Vec::new();
    let mut add = |kind, reason| {
        advice.push(Advice {
            kind,
            subject: table.name.clone(),
            reason,
        });
    };
    let scans = table.sequential_scans;
    let rows_each = table.sequential_rows / scans.max(1);
    if scans >= MANY_SCANS && rows_each >= LARGE_TABLE && scans > table.index_scans / 100 {
        let reason = format!(
            "read from end to end {scans} times, {rows_each} rows each, and by an index {} times",
            table.index_scans
        );
        add(Kind::MissingIndex, reason);
    }
    let (live, dead) = (table.live_rows, table.dead_rows);
    let share = dead as f64 / (live + dead).max(1) as f64;
    if dead >= MANY_DEAD && share >= DEAD_SHARE {
        let reason = format!(
            "{dead} dead rows beside {live}; last vacuumed: {}",
            at(table)
        );
        add(Kind::Bloat, reason);
    }
    advice
}

fn at(table: &TableStatistics) -> String {
    table
        .vacuumed_at
        .map_or_else(|| "never".to_owned(), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::{super::NodeAnswer, Kind};
    use crate::inspect::{IndexStatistics, Inspection, TableStatistics};

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    /// All nodes answered, and have counted for so many days.
    fn counted(days: i64) -> Inspection {
        Inspection {
            is_complete: true,
            nodes: vec![NodeAnswer {
                node: "a:1".into(),
                counts_since: now() - SignedDuration::from_hours(24 * days),
            }],
            ..Inspection::default()
        }
    }

    fn index() -> IndexStatistics {
        IndexStatistics {
            name: "i".into(),
            bytes: 5 << 20,
            is_valid: true,
            ..IndexStatistics::default()
        }
    }

    fn kinds(inspection: &Inspection) -> Vec<Kind> {
        inspection
            .advice(now())
            .iter()
            .map(|advice| advice.kind)
            .collect()
    }

    #[test]
    fn an_index_is_unused_if_every_node_has_counted_long_enough() {
        let of = |days, index: IndexStatistics| {
            kinds(&Inspection {
                indexes: vec![index],
                ..counted(days)
            })
        };
        assert_eq!(of(8, index()), [Kind::UnusedIndex]);
        assert_eq!(of(6, index()), []);
        assert_eq!(
            of(
                8,
                IndexStatistics {
                    scans: 1,
                    ..index()
                }
            ),
            []
        );
        assert_eq!(
            of(
                8,
                IndexStatistics {
                    is_constraint: true,
                    ..index()
                }
            ),
            []
        );
        assert_eq!(
            of(
                8,
                IndexStatistics {
                    bytes: 8_192,
                    ..index()
                }
            ),
            []
        );
        assert_eq!(
            of(
                0,
                IndexStatistics {
                    is_valid: false,
                    ..index()
                }
            ),
            [Kind::InvalidIndex]
        );
        let one_was_away = Inspection {
            is_complete: false,
            indexes: vec![index()],
            ..counted(8)
        };
        assert_eq!(kinds(&one_was_away), []);
    }

    #[test]
    fn a_table_lacks_an_index_if_much_is_read_often() {
        let table = TableStatistics {
            name: "t".into(),
            live_rows: 50_000,
            sequential_scans: 500,
            sequential_rows: 500 * 50_000,
            index_scans: 1_000,
            ..TableStatistics::default()
        };
        let of = |table: TableStatistics| {
            kinds(&Inspection {
                tables: vec![table],
                ..counted(0)
            })
        };
        assert_eq!(of(table.clone()), [Kind::MissingIndex]);
        assert_eq!(
            of(TableStatistics {
                sequential_scans: 50,
                ..table.clone()
            }),
            []
        );
        assert_eq!(
            of(TableStatistics {
                sequential_rows: 500 * 100,
                ..table.clone()
            }),
            []
        );
        assert_eq!(
            of(TableStatistics {
                index_scans: 10_000_000,
                ..table
            }),
            []
        );
    }

    #[test]
    fn a_table_is_bloated_by_count_and_share() {
        let of = |live_rows, dead_rows| {
            let table = TableStatistics {
                live_rows,
                dead_rows,
                ..TableStatistics::default()
            };
            kinds(&Inspection {
                tables: vec![table],
                ..counted(0)
            })
        };
        assert_eq!(of(20_000, 20_000), [Kind::Bloat]);
        assert_eq!(of(1_000_000, 20_000), []);
        assert_eq!(of(10, 500), []);
    }
}
