//! What may be asked of the database at once, who is next, and who is refused at once.
//!
//! A database that is asked for more than it can do answers nobody in time. So as much is let in as keeps it busy
//! ([`ConcurrencyLimit`](prepnexus_health::ConcurrencyLimit)), about as much again waits, for a moment only, and the rest is
//! told at once to come back. Answers from memory and from Redis never come here, and neither does a health check: they are
//! served whatever the database does.
//!
//! - Reads and writes have a limit each: they go to other nodes, and a write that waits for a lock is no reason to refuse a
//!   read.
//! - Among reads those that cost much ([`Class::Bulk`]: searches, totals) may use half, and wait behind all others.
//! - Among those of one class each client has its turn ([`fair`]).

mod fair;
mod lane;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use prepnexus_health::LimitConfig;

pub(crate) use self::fair::Client;
use self::lane::Lane;
pub(crate) use self::lane::{Permit, WAITED, describe};

/// So many changes are let in whatever they take: they wait for the disk and for each other's locks more than they work, and those that are
/// committed together share a flush. A change takes ten round trips, each of which is late on a machine whose processors are busy with
/// reads, which looks as if the database were.
const WRITES: u32 = 8;
/// So many may wait, however few are let in. Reads that are refused early are asked again; changes come in bursts, and are
/// worth the whole of [`PATIENCE`].
const READS_WAIT: usize = 8;
const WRITES_WAIT: usize = 64;
/// The longest that anybody waits to be let in.
const PATIENCE: Duration = Duration::from_millis(250);

/// What a request asks for, by how readily it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Class {
    /// One post, one page.
    #[default]
    Read,
    /// What costs much: searches, totals.
    Bulk,
    /// A change.
    Write,
}

/// Why a request was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Shed {
    /// As many wait as may.
    #[error("too many requests wait for the database")]
    QueueFull,
    /// Its client has more waiting than any other.
    #[error("others wait who ask for less")]
    FairShare,
    /// It was not its turn in time.
    #[error("the database did not get to it in time")]
    Waited,
}

impl Shed {
    /// All reasons.
    pub const ALL: [Self; 3] = [Self::QueueFull, Self::FairShare, Self::Waited];

    /// The reason's name in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::FairShare => "fair_share",
            Self::Waited => "waited",
        }
    }
}

/// The ways into the database.
#[derive(Debug)]
pub(crate) struct Gate {
    reads: Lane,
    writes: Lane,
}

impl Gate {
    /// Ways that are at most as wide as the database has connections for.
    pub(crate) fn new(connections: usize) -> Self {
        let most = u32::try_from(connections).unwrap_or(u32::MAX);
        let lane = |name, floor, may_wait| {
            let config = LimitConfig {
                floor,
                max: most.max(floor),
                ..LimitConfig::default()
            };
            Lane::new(name, config, may_wait)
        };
        Self {
            reads: lane("reads", LimitConfig::default().floor, READS_WAIT),
            writes: lane("writes", WRITES, WRITES_WAIT),
        }
    }

    /// Why a request would be refused at once, if it would. Cheaper than to be refused.
    pub(crate) fn refuses(&self, class: Class, client: Client) -> Option<Shed> {
        let (lane, is_bulk) = self.lane(class);
        lane.refuses(is_bulk, client)
    }

    /// Waits to be let in, for a moment. `kind` names requests that cost alike.
    pub(crate) async fn enter(
        &self,
        class: Class,
        client: Client,
        kind: &'static str,
    ) -> Result<Permit, Shed> {
        let (lane, is_bulk) = self.lane(class);
        lane.enter(is_bulk, client, kind, Instant::now() + PATIENCE)
            .await
    }

    /// The way of a class, and whether it costs much there.
    fn lane(&self, class: Class) -> (&Lane, bool) {
        match class {
            Class::Read => (&self.reads, false),
            Class::Bulk => (&self.reads, true),
            Class::Write => (&self.writes, false),
        }
    }
}
