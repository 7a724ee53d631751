//! One way into the database: what is under way, what waits, and the limit.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use metrics::{Gauge, describe_gauge, gauge};
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
    /// Since when there has always been somebody waiting.
    crowded_since: Option<Instant>,
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
                crowded_since: None,
            }),
            shown: Shown {
                limit: gauge!(LIMIT, "lane" => name),
                under_way: gauge!(UNDER_WAY, "lane" => name),
                waiting: gauge!(WAITING, "lane" => name),
            },
        }));
        lane.0.show(&mut lane.0.lock());
        lane
    }

    /// Since when there has always been somebody waiting.
    pub(super) fn crowded_since(&self) -> Option<Instant> {
        self.0.lock().crowded_since
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
                self.0.show(&mut state);
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
            self.0.show(&mut state);
            told
        };
        match timeout_at(latest.into(), told).await {
            Ok(told) => told.unwrap_or(Err(Shed::QueueFull)),
            // Dropping `told` takes it out of the queue.
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

    /// Whether as many wait as may; who went away while he waited does not count.
    fn is_full(&mut self, is_bulk: bool) -> bool {
        let most = (self.limit.steady() as usize).max(self.may_wait);
        let queue = self.queue(is_bulk);
        if queue.len() >= most {
            queue.retain(|waiting| !waiting.tell.is_closed());
        }
        queue.len() >= most
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
    fn show(&self, state: &mut State) {
        self.shown.limit.set(f64::from(state.limit.get()));
        self.shown.under_way.set(f64::from(state.under_way));
        let waiting = state.waiting.len() + state.bulk_waiting.len();
        self.shown.waiting.set(waiting as f64);
        let since = state.crowded_since;
        state.crowded_since = (waiting > 0).then(|| since.unwrap_or_else(Instant::now));
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.lock();
        f.debug_struct("Lane")
            .field("limit", &state.limit.get())
            .field("under_way", &state.under_way)
            .field("waiting", &(state.waiting.len() + state.bulk_waiting.len()))
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
        lane.0.show(&mut state);
    }
}
