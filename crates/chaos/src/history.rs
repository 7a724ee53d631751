//! What happened, as the clients saw it: plain data that the checker judges and that can be kept.
//!
//! All times are microseconds since the history began, on this process's monotonic clock.

use std::{
    fmt,
    str::FromStr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use prepnexus_storage::Token;
use serde::{Deserialize, Serialize};

/// The unique id of one write: whose, and which of theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The client.
    pub client: u32,
    /// Counts the client's writes.
    pub seq: u32,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.client, self.seq)
    }
}

impl FromStr for Key {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (client, seq) = text.split_once('-').ok_or(())?;
        Ok(Self {
            client: client.parse().map_err(drop)?,
            seq: seq.parse().map_err(drop)?,
        })
    }
}

/// What a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// One row, one register bumped, under a key.
    Write,
    /// The client's register, whatever a node has of it.
    ReadAny,
    /// The client's register, no older than its token.
    ReadToken,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Done, and said so.
    Acknowledged,
    /// Not done, for certain.
    Failed {
        /// Whether the fault was the database's being away.
        unavailable: bool,
        /// In words.
        error: String,
    },
    /// A write that may have been done or not.
    Unknown {
        /// In words.
        error: String,
    },
    /// The token is of a lost history: a refusal that the client was promised. It drops the token.
    TokenRefused,
    /// Never sent: every client was still waiting for an answer.
    Shed,
}

/// One operation of a client, from its intended moment to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Op {
    /// What was asked for.
    pub kind: Kind,
    /// Who asked.
    pub client: u32,
    /// Of a write. A repeat has the key of the first attempt.
    pub key: Option<Key>,
    /// 1 for the first attempt, more for a repeat after an unknown outcome.
    pub attempt: u32,
    /// Which of the API nodes was asked, as an index.
    pub cluster: usize,
    /// When it was to be sent: latency counts from here.
    pub intended_us: u64,
    /// When it was sent.
    pub invoked_us: u64,
    /// When it ended.
    pub completed_us: u64,
    /// What came of it.
    pub outcome: Outcome,
    /// The token that went with it.
    #[serde(with = "token_text")]
    pub sent: Option<Token>,
    /// The token that came back.
    #[serde(with = "token_text")]
    pub token: Option<Token>,
    /// The client's register, as read or as written.
    pub value: Option<i64>,
    /// Whether a replica served it.
    pub by_replica: Option<bool>,
    /// The port of the server that served it, as that server itself says.
    pub port: Option<u16>,
}

impl Op {
    /// From its intended moment to its end.
    #[must_use]
    pub fn latency(&self) -> Duration {
        Duration::from_micros(self.completed_us.saturating_sub(self.intended_us))
    }

    /// From its being sent to its end: without what a busy machine was late to send it.
    #[must_use]
    pub fn since_sent(&self) -> Duration {
        Duration::from_micros(self.completed_us.saturating_sub(self.invoked_us))
    }

    /// Whether it was done.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.outcome == Outcome::Acknowledged
    }
}

/// Something that happened to the servers, or that a router noticed of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// A fault, or its end, of the script.
    Script(String),
    /// A router sees another primary, or none.
    Primary {
        /// The API node.
        cluster: usize,
        /// The server's index.
        node: Option<usize>,
    },
    /// A router sees a server change.
    Node {
        /// The API node.
        cluster: usize,
        /// The server's index.
        node: usize,
        /// Whether it may serve reads as a replica.
        serves: bool,
    },
}

/// Something with its moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at_us: u64,
    /// What.
    pub what: What,
}

/// All of it, in the order in which it ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// What the clients did.
    pub ops: Vec<Op>,
    /// What happened meanwhile.
    pub events: Vec<Event>,
}

/// Writes a history; clones write the same one.
#[derive(Debug, Clone)]
pub struct Recorder {
    epoch: Instant,
    history: Arc<Mutex<History>>,
}

impl Recorder {
    /// Begins a history now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            epoch: Instant::now(),
            history: Arc::default(),
        }
    }

    /// The history's time.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.at(Instant::now())
    }

    /// The history's time at `moment`.
    #[must_use]
    pub fn at(&self, moment: Instant) -> u64 {
        let since = moment.saturating_duration_since(self.epoch).as_micros();
        u64::try_from(since).unwrap_or(u64::MAX)
    }

    /// Notes something; its moment.
    pub fn note(&self, what: What) -> u64 {
        let at_us = self.now();
        self.lock().events.push(Event { at_us, what });
        at_us
    }

    /// Notes a line of the script; its moment.
    pub fn script(&self, line: &str) -> u64 {
        self.note(What::Script(line.to_owned()))
    }

    pub(crate) fn push(&self, op: Op) {
        self.lock().ops.push(op);
    }

    /// What there is so far.
    #[must_use]
    pub fn snapshot(&self) -> History {
        self.lock().clone()
    }

    /// Asks something of what there is so far.
    pub(crate) fn look<T>(&self, question: impl FnOnce(&History) -> T) -> T {
        question(&self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tokens in their own notation.
mod token_text {
    use prepnexus_storage::Token;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(
        token: &Option<Token>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        token.map(|token| token.to_string()).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Token>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| text.parse().map_err(D::Error::custom))
            .transpose()
    }
}
