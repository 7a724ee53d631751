//! The change feed: who keeps copies of what is in the database learns what has changed, and can tell of
//! each copy whether it is still what the database would answer.
//!
//! A write records its change in its own transaction ([`record_change`]), under *tags* of the service's choice. A
//! process follows the records: each poll asks the primary for those that the last one did not see, by snapshot and not by
//! number, because numbers do not follow the order of commits. A value that was read carries its [`Proof`], the
//! snapshot it was read under. It is fresh if its history is the one being followed, and each change of its tags is
//! visible in its snapshot.
//!
//! What is called fresh was so at the *watermark*, the moment on this process's own clock up to which all changes are known.
//! Without one younger than [`FeedConfig::bound`] nothing is called fresh. To move it, a poll is not enough: a former
//! primary that is cut off from its standby would answer polls for ever. It can't commit where it must wait for a
//! synchronous standby, and so the watermark is no further than the last commit that is known to have
//! succeeded; while nothing else is written, processes write a *beat*.
//!
//! # On a service of one's own
//!
//! ```sql
//! CREATE TABLE change_events (
//!     xid        xid8        NOT NULL DEFAULT pg_current_xact_id(),
//!     tags       text[]      NOT NULL,
//!     created_at timestamptz NOT NULL DEFAULT now());
//! CREATE INDEX ON change_events (xid);
//! CREATE TABLE change_beat (id smallint PRIMARY KEY CHECK (id = 1), beat bigint NOT NULL);
//! INSERT INTO change_beat VALUES (1, 0);
//! ```
//!
//! And now and then, by any process, [`prune_changes`] with at least [`FeedConfig::retention`].

mod events;
mod proof;
mod record;
mod snapshot;
mod tail;

use std::{
    fmt,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{Notify, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use xxhash_rust::xxh3::xxh3_64;

use self::{events::Events, snapshot::Snapshot};
pub use self::{
    proof::{Epoch, Proof},
    record::{Change, prune_changes, record_change},
};
use crate::{cluster::Cluster, error::Error, row::Row, token::Token};

/// A tag, as it is kept and compared: 64 bits of its name's hash (XXH3), the same in every process. Two names with one
/// hash are refreshed together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(pub u64);

impl Tag {
    /// The tag of that name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(xxh3_64(name.as_bytes()))
    }
}

/// How a feed is followed.
#[derive(Debug, Clone)]
pub struct FeedConfig {
    /// The pause between two polls.
    pub interval: Duration,
    /// How old the watermark may be for something to be called fresh.
    pub bound: Duration,
    /// For how long changes are remembered: at least the longest time for which a copy is called fresh.
    pub retention: Duration,
    /// How many changes are remembered at most, each tag of one apart.
    pub most: usize,
}

impl Default for FeedConfig {
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(100),
            bound: Duration::from_secs(1),
            retention: Duration::from_secs(60 * 60),
            most: 500_000,
        }
    }
}

/// What can be said of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is what the primary had at the watermark, or something newer.
    Fresh,
    /// It was changed since, or belongs to another history.
    Outdated,
    /// The reader's token may stand for a change that is not known yet: it is a fraction of a second old.
    Behind,
    /// Nobody knows: the feed has no watermark, or an old one.
    Unproven,
}

/// Follows the changes of one cluster: cheap to clone, all clones are the same one.
#[derive(Clone)]
pub struct ChangeFeed(Arc<Inner>);

struct Inner {
    config: FeedConfig,
    state: RwLock<State>,
    poll_now: Notify,
    polls: watch::Sender<u64>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// What is known of the history that is followed.
#[derive(Debug)]
struct State {
    epoch: Option<Epoch>,
    events: Events,
    /// Rises with all that may outdate a value: another epoch, a change, one that is forgotten.
    version: u64,
    /// That of the last poll: the next one asks for what this does not see.
    snapshot: Snapshot,
    beat: i64,
    /// When the last poll began.
    polled: Option<Instant>,
    /// The primary could commit at that moment, or later.
    alive: Option<Instant>,
    /// Where the primary's log was, after the last poll's snapshot: written, and flushed.
    written: u64,
    flushed: u64,
    /// What tokens before this position stand for is known.
    ///
    /// A token is a position that was reached when what it stands for was visible. Positions only rise: so one that lies
    /// before where the log was *flushed* ahead of a poll's snapshot was issued ahead of that, and the poll saw it all.
    /// The one it was flushed up to may also be issued later, by a commit that was flushed and not visible yet.
    covered: u64,
}

impl State {
    fn unknown(version: u64) -> Self {
        Self {
            epoch: None,
            events: Events::default(),
            version,
            snapshot: Snapshot::NOTHING,
            beat: 0,
            polled: None,
            alive: None,
            written: 0,
            flushed: 0,
            covered: 0,
        }
    }

    /// Nothing is known any more.
    fn forget_all(&mut self) {
        *self = Self::unknown(self.version + 1);
    }

    /// All that was acknowledged before this moment is known.
    fn watermark(&self) -> Option<Instant> {
        self.polled
            .zip(self.alive)
            .map(|(polled, alive)| polled.min(alive))
    }
}

impl fmt::Debug for ChangeFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangeFeed")
            .field("age", &self.age())
            .finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl ChangeFeed {
    /// Begins to follow the changes of `cluster`. Its tasks end with [`ChangeFeed::close`], or when the last
    /// handle is dropped.
    #[must_use]
    pub fn start(cluster: Cluster, config: FeedConfig) -> Self {
        let inner = Arc::new(Inner {
            config,
            state: RwLock::new(State::unknown(1)),
            poll_now: Notify::new(),
            polls: watch::Sender::new(0),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        });
        tail::spawn(&inner, cluster);
        Self(inner)
    }

    /// Whether a value with that proof, under those tags, is fresh, for a reader with that token.
    ///
    /// A few look-ups in memory: nothing is asked, and nothing waited for.
    #[must_use]
    pub fn judge(&self, proof: &Proof, tags: &[Tag], token: Option<Token>) -> Verdict {
        let evidence = || Some((proof.clone(), tags.iter().copied()));
        self.judge_again(&AtomicU64::new(0), evidence, token)
    }

    /// As [`ChangeFeed::judge`], for a value that is judged again and again: `memo`, 0 at first, is kept with it, and while
    /// nothing has changed the `evidence`, its proof and its tags, is not looked at. Without evidence it is outdated.
    #[must_use]
    pub fn judge_again<T>(
        &self,
        memo: &AtomicU64,
        evidence: impl FnOnce() -> Option<(Proof, T)>,
        token: Option<Token>,
    ) -> Verdict
    where
        T: IntoIterator<Item = Tag>,
    {
        let now = Instant::now();
        let state = self.0.state();
        let (Some(epoch), Some(watermark)) = (state.epoch, state.watermark()) else {
            return Verdict::Unproven;
        };
        if now.saturating_duration_since(watermark) > self.0.config.bound {
            return Verdict::Unproven;
        }
        if memo.load(Ordering::Relaxed) != state.version {
            let seen = evidence().is_some_and(|(proof, tags)| {
                proof.epoch() == epoch && state.events.are_seen_by(proof.snapshot(), tags)
            });
            if !seen {
                return Verdict::Outdated;
            }
            memo.store(state.version, Ordering::Relaxed);
        }
        let holds = |token: Token| Epoch::from(token) == epoch && token.position < state.covered;
        if token.is_none_or(holds) {
            Verdict::Fresh
        } else {
            Verdict::Behind
        }
    }

    /// Takes in a change of this process's own, whose commit had that token: what it outdates is not called fresh from
    /// here on, without waiting for the next poll.
    pub fn apply(&self, change: &Change, token: Token) {
        let mut state = self.0.state_mut();
        let Some(epoch) = state.epoch else {
            return;
        };
        if epoch == token.into() {
            let tags = change.tags.iter().copied();
            if state.events.note(change.xid, tags, Instant::now()) {
                state.version += 1;
            }
        } else if epoch.system_id != token.system_id || epoch.timeline < token.timeline {
            // It was written in another history than is followed: what is known is past.
            state.forget_all();
            self.hint();
        }
    }

    /// There may be something new: polls at once.
    pub fn hint(&self) {
        self.0.poll_now.notify_one();
    }

    /// How long ago the watermark is; `None` without one.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        let watermark = self.0.state().watermark()?;
        Some(Instant::now().saturating_duration_since(watermark))
    }

    /// Where the primary's log was at the last poll: what is read [`AtLeast`](crate::Freshness::AtLeast) there has every change that
    /// is known.
    #[must_use]
    pub fn token(&self) -> Option<Token> {
        let state = self.0.state();
        let epoch = state.epoch.filter(|_| state.written > 0)?;
        Some(Token {
            system_id: epoch.system_id,
            timeline: epoch.timeline,
            position: state.written,
        })
    }

    /// Waits until a poll that begins now or later has succeeded.
    pub async fn next_poll(&self) {
        // The one that is under way began earlier, perhaps.
        let mut polls = self.0.polls.subscribe();
        for _ in 0..2 {
            self.hint();
            if polls.changed().await.is_err() {
                return;
            }
        }
    }

    /// Stops following.
    pub async fn close(&self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}

impl Inner {
    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A transaction's number, in a column of its text.
fn xid(row: &Row, column: &str) -> Result<u64, Error> {
    let text = row.text(column)?;
    text.parse().map_err(|_| Error::Row {
        query: "changes".into(),
        source: format!("no transaction's number: {text}").into(),
    })
}
