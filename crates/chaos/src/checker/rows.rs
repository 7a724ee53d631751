//! What became of the writes: each key's attempts beside the rows.

use std::collections::{BTreeMap, BTreeSet};

use super::{Fenced, Rows, distinct};
use crate::history::{History, Key, Op, Outcome};

/// What is known of one key.
#[derive(Debug, Default)]
struct Write {
    acknowledged: bool,
    unknown: bool,
    /// When its last attempt began.
    last_invoked_us: u64,
}

/// All keys with what the clients know of them.
pub(super) struct Writes(BTreeMap<Key, Write>);

impl Writes {
    pub(super) fn of(history: &History) -> Self {
        let mut writes: BTreeMap<Key, Write> = BTreeMap::new();
        let attempts = |op: &Op| op.key.map(|key| (key, op.outcome.clone(), op.invoked_us));
        for (key, outcome, invoked_us) in history.ops.iter().filter_map(attempts) {
            let write = writes.entry(key).or_default();
            match outcome {
                Outcome::Acknowledged => write.acknowledged = true,
                Outcome::Unknown { .. } => write.unknown = true,
                Outcome::Failed { .. } | Outcome::TokenRefused | Outcome::Shed => {}
            }
            write.last_invoked_us = write.last_invoked_us.max(invoked_us);
        }
        Self(writes)
    }

    pub(super) fn lost(&self, real: &Rows) -> Vec<Key> {
        let there = distinct(&real.ids);
        self.keys(|key, write| write.acknowledged && !there.contains(key))
    }

    pub(super) fn denied_but_there(&self, real: &Rows) -> Vec<Key> {
        let there = distinct(&real.ids);
        self.keys(|key, write| !write.acknowledged && !write.unknown && there.contains(key))
    }

    pub(super) fn unresolved(&self) -> Vec<Key> {
        self.keys(|_, write| write.unknown && !write.acknowledged)
    }

    /// Rows that are there twice; and, where a register was bumped more often than there are rows, the
    /// client's last key, because which of them it was can't be told.
    pub(super) fn duplicates(real: &Rows) -> Vec<Key> {
        let mut seen = BTreeSet::new();
        let mut twice: BTreeSet<Key> = real
            .ids
            .iter()
            .filter(|id| !seen.insert(**id))
            .copied()
            .collect();
        for (client, bumps) in &real.registers {
            let own = || seen.iter().filter(|key| key.client == *client);
            let rows = i64::try_from(own().count()).unwrap_or(i64::MAX);
            if *bumps > rows {
                let nameless = Key {
                    client: *client,
                    seq: 0,
                };
                twice.insert(own().next_back().copied().unwrap_or(nameless));
            }
        }
        twice.into_iter().collect()
    }

    pub(super) fn ghosts(&self, real: &Rows, fenced: &Fenced) -> Vec<Key> {
        let (there, held) = (distinct(&real.ids), distinct(&fenced.rows.ids));
        self.keys(|key, write| {
            held.contains(key) && !there.contains(key) && write.last_invoked_us > fenced.since_us
        })
    }

    fn keys(&self, wanted: impl Fn(&Key, &Write) -> bool) -> Vec<Key> {
        let found = self.0.iter().filter(|(key, write)| wanted(key, write));
        found.map(|(key, _)| *key).collect()
    }
}
