//! Which segments of the log the repository has, and which are missing.
//!
//! `pgbackrest verify` (2.45) says `ok` where a segment is gone from the middle of the archive, even one that a backup
//! can't be restored without: so the names are looked at here.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::info::Stanza;
use crate::{error::Error, wal::Segment};

/// More are not named one by one.
const NAMED: usize = 10;

/// The names in `pgbackrest repo-ls --output=json`, without what is before the last slash.
pub(super) fn parse(json: &[u8]) -> Result<Vec<String>, Error> {
    let listed: BTreeMap<String, Value> =
        serde_json::from_slice(json).map_err(|error| Error::Output {
            program: "pgbackrest repo-ls".into(),
            detail: error.to_string(),
        })?;
    let file = |path: String| path.rsplit('/').next().map(str::to_owned);
    Ok(listed.into_keys().filter_map(file).collect())
}

/// The segments that are not there and have to be: those each backup needs by itself, and all from the last full one on.
/// Others may have been removed on purpose.
pub(super) fn missing(stanza: &Stanza, names: &[String]) -> Vec<String> {
    let bytes = segment_bytes(names);
    // A file with the history of a backup begins with a segment's name too.
    let is_segment = |name: &&String| !name.ends_with(".backup") && !name.ends_with(".partial");
    let present: BTreeSet<Segment> = names
        .iter()
        .filter(is_segment)
        .filter_map(|name| Segment::parse(name, bytes))
        .collect();
    let mut needed = BTreeSet::new();
    for backup in &stanza.backups {
        let ends = [&backup.wal_start, &backup.wal_stop];
        let [Some(start), Some(stop)] = ends.map(|name| Segment::parse(name, bytes)) else {
            continue;
        };
        needed.extend((start.number..=stop.number).map(|number| Segment { number, ..stop }));
        needed.insert(start);
    }
    let last_full = stanza.backups.iter().rev().find(|backup| backup.is_full());
    let from = last_full.and_then(|backup| Segment::parse(&backup.wal_start, bytes));
    if let Some(from) = from {
        let later = present.range(from..).copied().collect::<Vec<_>>();
        for pair in later.windows(2) {
            // A timeline begins in the segment in which it left the one before, whose last one may be another.
            let between = if pair[0].timeline == pair[1].timeline {
                pair[0].number + 1..pair[1].number
            } else {
                pair[0].number + 1..pair[1].number.max(pair[0].number + 1)
            };
            needed.extend(between.map(|number| Segment { number, ..pair[1] }));
        }
    }
    let mut missing: Vec<String> = needed
        .difference(&present)
        .map(|segment| segment.name(bytes))
        .collect();
    if missing.len() > NAMED {
        let more = missing.len() - NAMED;
        missing.truncate(NAMED);
        missing.push(format!("and {more} more"));
    }
    missing
}

/// The size of a segment, from how far their names count before they go on with the next 4 GiB: 16 MiB, if it was not chosen
/// otherwise when the cluster was made.
fn segment_bytes(names: &[String]) -> u64 {
    let parts = names.iter().filter_map(|name| {
        let id = u64::from_str_radix(name.get(8..16)?, 16).ok()?;
        let within = u64::from_str_radix(name.get(16..24)?, 16).ok()?;
        Some((id, within))
    });
    let (mut ids, mut highest) = (BTreeSet::new(), 0);
    for (id, within) in parts {
        ids.insert(id);
        highest = highest.max(within);
    }
    let usual = if ids.len() > 1 { 1 } else { 256 };
    let per_id = (highest + 1).next_power_of_two().clamp(usual, 4096);
    (1 << 32) / per_id
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::missing;
    use crate::{
        engine::{Backup, BackupKind, Stanza},
        wal::Lsn,
    };

    fn stanza(spans: &[(BackupKind, &str, &str)]) -> Stanza {
        let backup = |(kind, start, stop): &(BackupKind, &str, &str)| Backup {
            label: "b".into(),
            kind: *kind,
            started_at: Timestamp::UNIX_EPOCH,
            stopped_at: Timestamp::UNIX_EPOCH,
            damaged: false,
            database_bytes: 1,
            repository_bytes: 1,
            wal_start: (*start).into(),
            wal_stop: (*stop).into(),
            complete_at: Lsn(0),
        };
        Stanza {
            name: "main".into(),
            message: "ok".into(),
            backups: spans.iter().map(backup).collect(),
            archived: None,
        }
    }

    fn names(timeline: u32, id: u32, within: std::ops::Range<u32>) -> Vec<String> {
        let name = |number| format!("{timeline:08X}{id:08X}{number:08X}-abc.zst");
        within.map(name).collect()
    }

    #[test]
    fn a_gap_is_found_where_it_matters() {
        let full = |start, stop| (BackupKind::Full, start, stop);
        let (two, three) = ("000000010000000000000002", "000000010000000000000003");
        let one_backup = stanza(&[full(two, three)]);
        let mut all = names(1, 0, 1..9);
        all.push("000000010000000000000002.00000028.backup".into());
        assert_eq!(missing(&one_backup, &all), Vec::<String>::new());
        for lost in [
            "000000010000000000000002",
            "000000010000000000000003",
            "000000010000000000000005",
        ] {
            let rest: Vec<_> = all
                .iter()
                .filter(|name| !name.starts_with(&format!("{lost}-")))
                .cloned()
                .collect();
            assert_eq!(missing(&one_backup, &rest), [lost]);
        }
        // Before the backup, and at the end, nothing is missed.
        assert_eq!(missing(&one_backup, &all[1..5]), Vec::<String>::new());
        // What a later full backup makes unneeded may have been removed.
        let (eight, more) = ("000000010000000000000008", names(1, 0, 12..14));
        let two_backups = stanza(&[full(two, three), full(eight, eight)]);
        let kept: Vec<_> = [names(1, 0, 2..4), names(1, 0, 8..12), more].concat();
        assert_eq!(missing(&two_backups, &kept), Vec::<String>::new());
        let differential = stanza(&[full(two, three), (BackupKind::Differential, eight, eight)]);
        assert_eq!(missing(&differential, &kept).len(), 4);
    }

    #[test]
    fn names_go_on_over_4_gib_and_over_timelines() {
        let backup = stanza(&[(
            BackupKind::Full,
            "0000000100000000000000FD",
            "0000000100000000000000FD",
        )]);
        let over = [names(1, 0, 0xfd..0x100), names(1, 1, 0..3)].concat();
        assert_eq!(missing(&backup, &over), Vec::<String>::new());
        assert_eq!(
            missing(&backup, &[&over[..2], &over[3..]].concat()),
            ["0000000100000000000000FF"]
        );
        // 64 MiB.
        let large = stanza(&[(
            BackupKind::Full,
            "00000001000000000000003D",
            "00000001000000000000003D",
        )]);
        let over = [names(1, 0, 0x3d..0x40), names(1, 1, 0..3)].concat();
        assert_eq!(missing(&large, &over), Vec::<String>::new());
        // The new timeline has the segment in which it began; the old primary went on for a while.
        let switched = [names(1, 0, 0xfd..0x100), names(2, 0, 0xfe..0x100)].concat();
        assert_eq!(missing(&backup, &switched), Vec::<String>::new());
        let lost = [names(1, 0, 0xfd..0xfe), names(2, 0, 0xff..0x100)].concat();
        assert_eq!(missing(&backup, &lost), ["0000000200000000000000FE"]);
    }
}
