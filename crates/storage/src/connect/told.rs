//! What a server says on a connection besides answers.
//!
//! Two things matter. That it is a standby no more: since PostgreSQL 14 every session is told, at
//! its start and at the end of its next statement, so that traffic notices a promotion before the next
//! probe does.
//! And that a COMMIT gave up waiting for its synchronous standby: the server then reports success,
//! with a warning alone, for a commit that is on the primary only.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::Notify;
use tokio_postgres::error::DbError;

/// The server's function that waits for synchronous standbys; it is named in the warning, whatever
/// the language of the message (`src/backend/replication/syncrep.c`).
const SYNC_WAIT: &str = "SyncRepWaitForLSN";

/// What one connection was told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    is_standby: AtomicBool,
    not_synchronous: AtomicBool,
    /// Woken when the server stops being a standby.
    promoted: Option<Arc<Notify>>,
}

impl Told {
    /// One that wakes `promoted` when the server is a standby no more; `was_standby` says what it was before the session.
    pub(crate) fn waking(promoted: Arc<Notify>, was_standby: bool) -> Self {
        Self {
            is_standby: AtomicBool::new(was_standby),
            promoted: Some(promoted),
            ..Self::default()
        }
    }

    /// Whether a commit since the last question gave up waiting for a synchronous standby.
    pub(crate) fn take_not_synchronous(&self) -> bool {
        self.not_synchronous.swap(false, Ordering::AcqRel)
    }

    pub(super) fn note_notice(&self, notice: &DbError) {
        if notice.routine() == Some(SYNC_WAIT) {
            self.not_synchronous.store(true, Ordering::Release);
        }
    }

    /// Whether the server is a standby, for all that was told.
    pub(super) fn is_standby(&self) -> bool {
        self.is_standby.load(Ordering::Relaxed)
    }

    pub(super) fn note_recovery(&self, in_hot_standby: Option<&str>) {
        // A pooler in between may keep it to itself.
        let Some(is_standby) = in_hot_standby.map(|told| told == "on") else {
            return;
        };
        if self.is_standby() != is_standby {
            self.is_standby.store(is_standby, Ordering::Relaxed);
            if let Some(promoted) = self.promoted.as_ref().filter(|_| !is_standby) {
                promoted.notify_one();
            }
        }
    }
}
