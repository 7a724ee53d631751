//! How far a node has come in the write-ahead log, at the least: from probes and from answers.
//!
//! A position is of one history, and so each generation of a node has a progress of its own: what is
//! noted late, by whoever saw it, is noted where it belongs. Within a generation the position only
//! rises, and a replica may follow its primary to a later timeline.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use crate::{feed::Epoch, token::Token, topology::Observation};

/// What is known of one generation. All zero: nothing.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    position: AtomicU64,
    system_id: AtomicU64,
    timeline: AtomicU32,
    in_recovery: AtomicBool,
}

impl Progress {
    /// Of a node that was just seen.
    pub(crate) fn of(seen: &Observation) -> Self {
        let progress = Self::default();
        progress.follow(seen);
        progress
    }

    /// The same history, and no position that is sure.
    pub(crate) fn same_history(&self) -> Self {
        Self {
            position: AtomicU64::new(0),
            system_id: AtomicU64::new(self.system_id.load(Ordering::Acquire)),
            timeline: AtomicU32::new(self.timeline.load(Ordering::Acquire)),
            in_recovery: AtomicBool::new(self.in_recovery()),
        }
    }

    /// Takes in a probe of the same generation.
    pub(crate) fn follow(&self, seen: &Observation) {
        self.system_id.store(seen.system_id, Ordering::Release);
        self.timeline.store(seen.timeline, Ordering::Release);
        self.in_recovery.store(seen.in_recovery, Ordering::Release);
        self.note(seen.position);
    }

    /// Notes that the node had everything up to `position`.
    pub(crate) fn note(&self, position: u64) {
        // Mostly nothing new, and then nothing is written that others have in their caches.
        if self.position() < position {
            self.position.fetch_max(position, Ordering::AcqRel);
        }
    }

    /// Whether the node was a standby when it was last seen.
    pub(crate) fn in_recovery(&self) -> bool {
        self.in_recovery.load(Ordering::Acquire)
    }

    /// The node has everything up to here.
    pub(crate) fn position(&self) -> u64 {
        self.position.load(Ordering::Acquire)
    }

    /// The history; `None` before the node was seen.
    pub(crate) fn epoch(&self) -> Option<Epoch> {
        let timeline = self.timeline.load(Ordering::Acquire);
        (timeline > 0).then(|| Epoch {
            system_id: self.system_id.load(Ordering::Acquire),
            timeline,
        })
    }

    /// The token of someone who has seen what the node had at `position`; `None` for no position, or
    /// before the node was seen.
    pub(crate) fn token_at(&self, position: u64) -> Option<Token> {
        let timeline = self.timeline.load(Ordering::Acquire);
        (timeline > 0 && position > 0).then(|| Token {
            system_id: self.system_id.load(Ordering::Acquire),
            timeline,
            position,
        })
    }
}
