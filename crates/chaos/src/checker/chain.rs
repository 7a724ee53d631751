//! A client's chain of tokens: what a read that carries one must show.
//!
//! A client's register only ever grows, by one with each of its writes, so that "must show" is a number: the
//! floor. It is raised by every answer whose token the client took over. A token of a later timeline
//! begins the chain anew, as does a token refused: what was lost with the old history is the affair
//! of the count of lost writes.

use std::collections::BTreeMap;

use prepnexus_storage::Token;

use crate::history::{History, Kind, Op, Outcome};

/// A read that showed too little.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backwards {
    /// Whose register.
    pub client: u32,
    /// When the read ended, in the history's time.
    pub completed_us: u64,
    /// What it had to show at least.
    pub floor: i64,
    /// What it showed.
    pub shown: i64,
}

/// What was found about all chains.
#[derive(Debug, Default)]
pub(super) struct Chains {
    pub(super) stale: Vec<Backwards>,
    pub(super) backward: Vec<Backwards>,
    pub(super) refused: usize,
}

/// Where one client is.
#[derive(Debug, Default)]
struct Chain {
    token: Option<Token>,
    written: i64,
    read: i64,
}

pub(super) fn check(history: &History) -> Chains {
    let mut chains: BTreeMap<u32, Chain> = BTreeMap::new();
    let mut found = Chains::default();
    for op in &history.ops {
        let chain = chains.entry(op.client).or_default();
        match (&op.outcome, op.value) {
            (Outcome::TokenRefused, _) => {
                found.refused += 1;
                *chain = Chain::default();
            }
            (Outcome::Acknowledged, Some(value)) => {
                if op.kind == Kind::ReadToken && op.sent.is_some() {
                    chain.judge(op, value, &mut found);
                }
                chain.advance(op, value);
            }
            _ => {}
        }
    }
    found
}

impl Chain {
    fn judge(&self, op: &Op, shown: i64, found: &mut Chains) {
        let backwards = |floor| Backwards {
            client: op.client,
            completed_us: op.completed_us,
            floor,
            shown,
        };
        if shown < self.written {
            found.stale.push(backwards(self.written));
        } else if shown < self.read {
            found.backward.push(backwards(self.read));
        }
    }

    fn advance(&mut self, op: &Op, value: i64) {
        // Without a token nothing obliges later reads.
        let Some(token) = op.token else { return };
        match self.token {
            Some(own) if token.timeline < own.timeline => return,
            Some(own) if token.timeline > own.timeline => *self = Self::default(),
            _ => {}
        }
        let floor = if op.kind == Kind::Write {
            &mut self.written
        } else {
            &mut self.read
        };
        *floor = value.max(*floor);
        self.token = later(self.token, Some(token));
    }
}

/// The later of two tokens: what a client keeps.
pub(crate) fn later(own: Option<Token>, new: Option<Token>) -> Option<Token> {
    [own, new]
        .into_iter()
        .flatten()
        .max_by_key(|token| (token.timeline, token.position))
}
