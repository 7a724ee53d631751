//! One server: its pool, its breaker, how busy it is, and what is known of its place in history.

use std::{
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;
use prepnexus_health::{BreakerConfig, SharedBreaker};
use tokio::sync::Notify;

use crate::{
    config::NodeAddr,
    connect::Connector,
    deadline::Deadline,
    error::{Error, Verdict},
    load::Load,
    metric::Waits,
    pool::{Generation, Generations, Pool, Pooled, SessionManager},
    progress::Progress,
    ramp::Ramp,
    read::Surroundings,
};

pub(crate) struct Node {
    pub(crate) addr: NodeAddr,
    /// The address as it stands in metrics.
    pub(crate) label: String,
    pub(crate) breaker: SharedBreaker,
    /// How busy and how quick it is.
    pub(crate) load: Load,
    /// How much of its share it gets.
    pub(crate) ramp: Ramp,
    pub(crate) waits: Waits,
    /// Wakes the monitor: something was seen that it should look at.
    pub(crate) look_now: Arc<Notify>,
    pub(crate) pool: Pool,
    pub(crate) around: Arc<Surroundings>,
    generations: Generations,
    /// Requests that have a connection or wait for one.
    users: AtomicUsize,
    max_users: usize,
    last_error: Mutex<Option<String>>,
}

/// What a request waits for that waits for the pool.
const CONNECTION: &str = "a connection";

/// The pool of one node in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolStatus {
    /// Connections there are.
    pub size: usize,
    /// Those nobody uses.
    pub idle: usize,
    /// Those in use.
    pub in_use: usize,
    /// Requests that wait for one.
    pub waiting: usize,
    /// The most there may be.
    pub max: usize,
}

/// How the breakers of nodes are set: a server that is back is to serve within a second.
fn breaker_config() -> BreakerConfig {
    BreakerConfig {
        backoff_base: Duration::from_millis(100),
        backoff_cap: Duration::from_millis(500),
        ..BreakerConfig::default()
    }
}

impl Node {
    pub(crate) fn new(
        addr: NodeAddr,
        connector: &Connector,
        around: Arc<Surroundings>,
    ) -> Result<Self, Error> {
        let config = connector.config();
        let (generations, look_now) = (Generations::new(), Arc::new(Notify::new()));
        let manager = SessionManager::new(
            addr.clone(),
            connector,
            generations.clone(),
            Arc::clone(&look_now),
        );
        Ok(Self {
            label: addr.to_string(),
            addr,
            breaker: SharedBreaker::new(breaker_config()),
            load: Load::default(),
            ramp: Ramp::default(),
            waits: Waits::default(),
            look_now,
            pool: Pool::new(manager, connector)?,
            around,
            generations,
            users: AtomicUsize::new(0),
            max_users: config.pool_size.saturating_add(config.pool_queue),
            last_error: Mutex::new(None),
        })
    }

    /// A connection from the pool, within `deadline`; at once an error when the queue is full, and an
    /// error as soon as the node is found to be away.
    pub(crate) async fn acquire(self: &Arc<Self>, deadline: Deadline) -> Result<Lease, Error> {
        let place = Place::take(self).ok_or_else(|| Error::Saturated {
            node: self.label.clone(),
        })?;
        let generation = self.generations.number();
        loop {
            // Pinned here: it is kilobytes, and each layer around it would move it.
            let mut getting = pin!(self.pool.get());
            // Mostly there is one, and nothing to wait for.
            let (got, waited) = match getting.as_mut().now_or_never() {
                Some(got) => (got, Duration::ZERO),
                None => self.wait(getting, generation, deadline).await?,
            };
            let session = got.inspect_err(|error| self.judge(error, generation))?;
            if session.generation.number == generation {
                return Ok(Lease {
                    session,
                    place,
                    waited,
                });
            }
            // Begun before a change, and ready after it.
            drop(Pooled::take(session));
        }
    }

    /// Waits for what `getting` gets, while the generation of that number lasts; and how long it was.
    async fn wait<T>(
        &self,
        getting: impl Future<Output = T>,
        generation: u64,
        deadline: Deadline,
    ) -> Result<(T, Duration), Error> {
        let began = Instant::now();
        let present = self.generations.present();
        let outcome = if present.number == generation {
            let waiting = deadline.limit(CONNECTION, present.outlast(getting)).await;
            waiting.inspect_err(|_| self.load.note_given_up())?
        } else {
            None
        };
        let outcome = outcome.ok_or_else(|| Error::went_away(&self.label))?;
        Ok((outcome, began.elapsed()))
    }

    /// Notes that a statement was answered at `now`, after that time.
    pub(crate) fn note_answer(&self, time: Duration, now: Instant) {
        self.load.note_answer(time, now);
        self.breaker.on_success(now);
    }

    /// Draws the consequences of an error that happened on this node, in that generation of it.
    pub(crate) fn judge(&self, error: &Error, generation: u64) {
        match error.verdict() {
            Verdict::Node => {
                self.set_last_error(error.chain());
                self.breaker.on_failure(Instant::now());
                self.load.note_failure();
                self.look_now.notify_one();
            }
            Verdict::StaleRole => {
                self.generations.end(generation);
                self.look_now.notify_one();
            }
            Verdict::Refusal => self.set_last_error(error.chain()),
            Verdict::Connection | Verdict::Innocent => {}
        }
    }

    /// Lets no connection made before now be used again, and ends what waits for an answer on one.
    pub(crate) fn begin_generation(&self, progress: Progress) {
        self.generations.begin(progress);
    }

    /// Its present generation.
    pub(crate) fn generation(&self) -> Arc<Generation> {
        self.generations.present()
    }

    /// How many requests have a connection or wait for one.
    pub(crate) fn users(&self) -> usize {
        self.users.load(Ordering::Relaxed)
    }

    pub(crate) fn set_last_error(&self, error: String) {
        *lock(&self.last_error) = Some(error);
    }

    pub(crate) fn last_error(&self) -> Option<String> {
        lock(&self.last_error).clone()
    }
}

/// A connection of the pool, and its user's place among those the node serves.
pub(crate) struct Lease {
    pub(crate) session: Pooled,
    pub(crate) place: Place,
    /// How long it was waited for: not at all, mostly.
    pub(crate) waited: Duration,
}

/// One of the places that connections and the queue have together, until it is dropped.
pub(crate) struct Place(Arc<Node>);

impl Place {
    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.0
    }

    fn take(node: &Arc<Node>) -> Option<Self> {
        let place = Self(Arc::clone(node));
        let before = node.users.fetch_add(1, Ordering::Relaxed);
        (before < node.max_users).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.users.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What these locks guard is replaced as a whole, so that a panic leaves nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
