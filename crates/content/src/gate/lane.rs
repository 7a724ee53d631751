//! One way into the database: what is under way, what waits, and the limit.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use metrics::{Gauge, Histogram, Unit, describe_gauge, describe_histogram, gauge, histogram};
use prepnexus_health::{ConcurrencyLimit, LimitConfig, limit::Ended};
use tokio::{sync::oneshot, time::timeout_at};

use super::{
    Shed,
    fair::{Client, FairQueue},
};
use crate::error::ContentError;

const LIMIT: &str = "prepnexus_db_concurrency_limit";
const UNDER_WAY: &str = "prepnexus_db_concurrency_in_use";
const WAITING: &str = "prepnexus_db_concurrency_waiting";
pub(crate) const WAITED: &str = "prepnexus_db_concurrency_wait_seconds";

/// Tells the installed recorder what these metrics mean.
pub(crate) fn describe() {
    describe_gauge!(
        LIMIT,
        "How much is asked of the database at once, at most; it is learned"
    );
    describe_gauge!(UNDER_WAY, "How much is asked of the database now");
    describe_gauge!(
        WAITING,
        "How many requests wait to be let in to the database"
    );
    describe_histogram!(
        WAITED,
        Unit::Seconds,
        "Time a request waited to be let in to the database, of those that had to"
    );
}

/// A way in. All that hold a [`Permit`] of it count as being under way.
#[derive(Clone)]
pub(super) struct Lane(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    shown: Shown,
}

struct Shown {
    limit: Gauge,
    under_way: Gauge,
    waiting: Gauge,
    waited: Histogram,
}

struct State {
    limit: ConcurrencyLimit,
    /// So many may wait, however low the limit is.
    may_wait: usize,
    under_way: u32,
    /// Those of them that cost much.
    bulk_under_way: u32,
    waiting: FairQueue<Waiting>,
    bulk_waiting: FairQueue<Waiting>,
}

/// Somebody who waits; told that he is in, or why he is not.
struct Waiting {
    tell: oneshot::Sender<Result<Permit, Shed>>,
    kind: &'static str,
}

impl Lane {
    pub(super) fn new(name: &'static str, config: LimitConfig, may_wait: usize) -> Self {
        let lane = Self(Arc::new(Inner {
            state: Mutex::new(State {
                limit: ConcurrencyLimit::new(config),
                may_wait,
                under_way: 0,
                bulk_under_way: 0,
                waiting: FairQueue::default(),
                bulk_waiting: FairQueue::default(),
            }),
            shown: Shown {
                limit: gauge!(LIMIT, "lane" => name),
                under_way: gauge!(UNDER_WAY, "lane" => name),
                waiting: gauge!(WAITING, "lane" => name),
                waited: histogram!(WAITED, "lane" => name),
            },
        }));
        lane.0.show(&lane.0.lock());
        lane
    }

    /// How many wait.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.0.lock().waiting()
    }

    /// Why one of that client would be refused at once, if it would.
    pub(super) fn refuses(&self, is_bulk: bool, client: Client) -> Option<Shed> {
        let mut state = self.0.lock();
        if state.has_room(is_bulk) || !state.is_full(is_bulk) {
            return None;
        }
        state.queue(is_bulk).would_drop(client)
    }

    /// Waits to be let in, until `latest`.
    pub(super) async fn enter(
        &self,
        is_bulk: bool,
        client: Client,
        kind: &'static str,
        latest: Instant,
    ) -> Result<Permit, Shed> {
        let told = {
            let mut state = self.0.lock();
            if state.has_room(is_bulk) && state.queue(is_bulk).len() == 0 {
                let permit = self.admit(&mut state, is_bulk, kind);
                self.0.show(&state);
                return Ok(permit);
            }
            if state.is_full(is_bulk) {
                let queue = state.queue(is_bulk);
                if let Some(why) = queue.would_drop(client) {
                    return Err(why);
                }
                if let Some(dropped) = queue.drop_of_longest() {
                    let _may_be_gone = dropped.tell.send(Err(Shed::FairShare));
                }
            }
            let (tell, told) = oneshot::channel();
            state.queue(is_bulk).push(client, Waiting { tell, kind });
            self.0.show(&state);
            told
        };
        let mut wait = Wait {
            lane: &self.0,
            is_bulk,
            since: Instant::now(),
            is_queued: true,
        };
        let told = timeout_at(latest.into(), told).await;
        wait.is_queued = told.is_err();
        match told {
            Ok(told) => told.unwrap_or(Err(Shed::QueueFull)),
            Err(_late) => Err(Shed::Waited),
        }
    }

    fn admit(&self, state: &mut State, is_bulk: bool, kind: &'static str) -> Permit {
        state.under_way += 1;
        state.bulk_under_way += u32::from(is_bulk);
        Permit {
            lane: Some(self.clone()),
            is_bulk,
            kind,
            began: Instant::now(),
            ended: Ended::Otherwise,
        }
    }

    /// Lets in those whose turn it is while there is room.
    fn let_in(&self, state: &mut State) {
        for is_bulk in [false, true] {
            while state.has_room(is_bulk) {
                let Some(next) = state.queue(is_bulk).pop() else {
                    break;
                };
                let permit = self.admit(state, is_bulk, next.kind);
                if let Err(Ok(mut unwanted)) = next.tell.send(Ok(permit)) {
                    // Gone away meanwhile. Ended here, for the state is locked.
                    unwanted.lane = None;
                    state.leave(is_bulk);
                }
            }
        }
    }
}

impl State {
    fn has_room(&self, is_bulk: bool) -> bool {
        let limit = self.limit.get();
        let for_bulk = (limit / 2).max(1);
        self.under_way < limit && (!is_bulk || self.bulk_under_way < for_bulk)
    }

    /// Whether as many wait as may.
    fn is_full(&mut self, is_bulk: bool) -> bool {
        let most = (self.limit.steady() as usize).max(self.may_wait);
        self.queue(is_bulk).len() >= most
    }

    fn waiting(&self) -> usize {
        self.waiting.len() + self.bulk_waiting.len()
    }

    fn queue(&mut self, is_bulk: bool) -> &mut FairQueue<Waiting> {
        if is_bulk {
            &mut self.bulk_waiting
        } else {
            &mut self.waiting
        }
    }

    fn leave(&mut self, is_bulk: bool) {
        self.under_way -= 1;
        self.bulk_under_way -= u32::from(is_bulk);
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a gauge is a float; queues are short"
    )]
    fn show(&self, state: &State) {
        self.shown.limit.set(f64::from(state.limit.get()));
        self.shown.under_way.set(f64::from(state.under_way));
        self.shown.waiting.set(state.waiting() as f64);
    }
}

/// Somebody's wait, until he is told, gives up, or goes away. Dropped when nobody can be told any more.
struct Wait<'a> {
    lane: &'a Inner,
    is_bulk: bool,
    since: Instant,
    /// He was not told yet.
    is_queued: bool,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.lane.shown.waited.record(self.since.elapsed());
        if self.is_queued {
            let mut state = self.lane.lock();
            let queue = state.queue(self.is_bulk);
            queue.retain(|waiting| !waiting.tell.is_closed());
            self.lane.show(&state);
        }
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.lock();
        f.debug_struct("Lane")
            .field("limit", &state.limit.get())
            .field("under_way", &state.under_way)
            .field("waiting", &state.waiting())
            .finish()
    }
}

/// Leave to ask the database, until it is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    lane: Option<Lane>,
    is_bulk: bool,
    kind: &'static str,
    began: Instant,
    ended: Ended,
}

impl Permit {
    /// What was asked came to that.
    pub(crate) fn ended<T>(mut self, outcome: &Result<T, ContentError>) {
        self.ended = match outcome {
            Ok(_) => Ended::After(self.began.elapsed()),
            Err(error) if error.is_deadline() => Ended::TooLate,
            Err(_) => Ended::Otherwise,
        };
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(lane) = self.lane.take() else {
            return;
        };
        let mut state = lane.0.lock();
        let under_way = state.under_way;
        state.leave(self.is_bulk);
        state
            .limit
            .on_end(self.kind, self.ended, under_way, Instant::now());
        lane.let_in(&mut state);
        lane.0.show(&state);
    }
}
