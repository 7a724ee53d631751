//! The judge: pure functions over a history and what the servers hold in the end.
//!
//! It trusts nobody's word but the clients' own and the rows themselves: it knows neither the router nor
//! the faults. Each kind of violation has a test that plants one, because a checker that can't fail
//! proves nothing.

mod chain;
mod rows;

use std::collections::{BTreeMap, BTreeSet};

pub use chain::Backwards;
pub(crate) use chain::later;

use crate::history::{History, Key, Kind, Op};

/// What a server holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// The ids of the rows, once for each row.
    pub ids: Vec<Key>,
    /// The registers, by client: how often each was bumped.
    pub registers: BTreeMap<u32, i64>,
}

/// A former primary that goes on as if it were one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fenced {
    /// What it holds.
    pub rows: Rows,
    /// Its port.
    pub port: u16,
    /// From when on all routers knew the new primary.
    pub since_us: u64,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Acknowledged writes that are not there.
    pub lost: Vec<Key>,
    /// Writes that were applied more than once.
    pub duplicates: Vec<Key>,
    /// Writes that failed for certain, by the clients' knowledge, and are there.
    pub denied_but_there: Vec<Key>,
    /// Writes whose outcome nobody learned in the end.
    pub unresolved: Vec<Key>,
    /// Rows on a fenced server alone, written after the new primary was known.
    pub ghosts: Vec<Key>,
    /// Operations that a fenced server served after the new primary was known.
    pub served_by_fenced: usize,
    /// Reads that missed a write their token names.
    pub stale_reads: Vec<Backwards>,
    /// Reads that showed less than an earlier one of the same chain.
    pub backward_reads: Vec<Backwards>,
    /// Tokens of a lost history that were refused: promised, and no violation.
    pub tokens_refused: usize,
}

impl Verdict {
    /// How many violations there are, of all kinds.
    #[must_use]
    pub fn violations(&self) -> usize {
        self.lost.len()
            + self.duplicates.len()
            + self.denied_but_there.len()
            + self.unresolved.len()
            + self.ghosts.len()
            + self.served_by_fenced
            + self.stale_reads.len()
            + self.backward_reads.len()
    }
}

/// Judges a history by what the primary holds in the end, and a fenced former one.
#[must_use]
pub fn check(history: &History, real: &Rows, fenced: Option<&Fenced>) -> Verdict {
    let writes = rows::Writes::of(history);
    let chains = chain::check(history);
    Verdict {
        lost: writes.lost(real),
        duplicates: rows::Writes::duplicates(real),
        denied_but_there: writes.denied_but_there(real),
        unresolved: writes.unresolved(),
        ghosts: fenced.map_or_else(Vec::new, |fenced| writes.ghosts(real, fenced)),
        served_by_fenced: fenced.map_or(0, |fenced| served_by(history, fenced)),
        stale_reads: chains.stale,
        backward_reads: chains.backward,
        tokens_refused: chains.refused,
    }
}

fn served_by(history: &History, fenced: &Fenced) -> usize {
    let served = |op: &&Op| op.port == Some(fenced.port) && op.invoked_us > fenced.since_us;
    history.ops.iter().filter(served).count()
}

/// How many of the operations of that kind, intended from `from_us` to before `to_us`, were done: 0 to 1.
/// Repeats don't count: the first attempt is what the user asked for. `None` when there were none.
#[must_use]
pub fn availability(history: &History, kind: Kind, from_us: u64, to_us: u64) -> Option<f64> {
    let asked =
        |op: &&Op| op.kind == kind && op.attempt == 1 && (from_us..to_us).contains(&op.intended_us);
    let (mut all, mut done) = (0_u32, 0_u32);
    for op in history.ops.iter().filter(asked) {
        all += 1;
        done += u32::from(op.is_done());
    }
    (all > 0).then(|| f64::from(done) / f64::from(all))
}

fn distinct(ids: &[Key]) -> BTreeSet<Key> {
    ids.iter().copied().collect()
}

#[cfg(test)]
mod tests;
