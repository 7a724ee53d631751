//! How far a node has come in the write-ahead log, at the least: from probes and from answers.
//!
//! A position is of one history. The generation of the node is begun anew when its history changes
//! or its position goes back, and only then does the known position fall.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// What is known of one node. All zero: nothing.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    position: AtomicU64,
    system_id: AtomicU64,
    timeline: AtomicU32,
}

impl Progress {
    /// Notes a position of the history that is known.
    pub(crate) fn note(&self, position: u64) {
        self.position.fetch_max(position, Ordering::AcqRel);
    }

    /// Begins anew, at `position` of this history.
    pub(crate) fn restart(&self, system_id: u64, timeline: u32, position: u64) {
        self.system_id.store(system_id, Ordering::Release);
        self.timeline.store(timeline, Ordering::Release);
        self.position.store(position, Ordering::Release);
    }

    /// The node has everything up to here.
    pub(crate) fn position(&self) -> u64 {
        self.position.load(Ordering::Acquire)
    }

    /// The system identifier and the timeline; `None` before the first probe.
    pub(crate) fn history(&self) -> Option<(u64, u32)> {
        let timeline = self.timeline.load(Ordering::Acquire);
        (timeline > 0).then(|| (self.system_id.load(Ordering::Acquire), timeline))
    }
}
