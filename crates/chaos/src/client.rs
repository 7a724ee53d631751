//! One client: it does one thing at a time, and carries its token from one API node to the next.

mod statements;

use std::{sync::Arc, time::Duration};

use prepnexus_storage::{Cluster, Deadline, Error, Freshness, Token, UnknownToken};
use tokio::time::sleep;

pub(crate) use statements::SCHEMA;
use statements::{Seen, read, write};

use crate::{
    checker::later,
    history::{Key, Kind, Op, Outcome, Recorder},
};

/// How long a client waits before it repeats a write whose outcome it did not learn.
const REPEAT_PAUSE: Duration = Duration::from_millis(20);
/// When it gives up.
const REPEAT_LIMIT: Duration = Duration::from_secs(20);

/// The API nodes, as a client sees them.
#[derive(Debug, Clone)]
pub(crate) struct Nodes {
    pub(crate) clusters: Arc<[Cluster]>,
    pub(crate) recorder: Recorder,
    /// How long an operation may take.
    pub(crate) deadline: Duration,
}

/// One client.
#[derive(Debug)]
pub(crate) struct Client {
    id: u32,
    writes: u32,
    turn: usize,
    token: Option<Token>,
}

/// One step of a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// One operation.
    One(Kind),
    /// A write, and then a read that carries its token.
    Pair,
}

/// What the client itself makes of an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Done,
    Unknown,
    Failed,
}

impl Client {
    pub(crate) fn new(id: u32) -> Self {
        Self {
            id,
            writes: 0,
            turn: usize::try_from(id).unwrap_or(0),
            token: None,
        }
    }

    /// Does `step`, which was to begin at `intended_us`.
    pub(crate) async fn take(&mut self, nodes: &Nodes, step: Step, intended_us: u64) {
        match step {
            Step::One(Kind::Write) => drop(self.write(nodes, intended_us).await),
            Step::One(kind) => self.read(nodes, kind, intended_us).await,
            Step::Pair => {
                if self.write(nodes, intended_us).await {
                    let now = nodes.recorder.now();
                    self.read(nodes, Kind::ReadToken, now).await;
                }
            }
        }
    }

    /// Writes under a new key, and repeats it while its outcome is unknown; whether it is done.
    async fn write(&mut self, nodes: &Nodes, mut intended_us: u64) -> bool {
        self.writes += 1;
        let key = Key {
            client: self.id,
            seq: self.writes,
        };
        let gives_up = Deadline::after(REPEAT_LIMIT);
        let mut unknown = false;
        for attempt in 1.. {
            let mut op = self.op(nodes, Kind::Write, intended_us);
            (op.key, op.attempt) = (Some(key), attempt);
            let cluster = &nodes.clusters[op.cluster];
            let deadline = Deadline::after(nodes.deadline);
            let id = key.to_string();
            let writing = cluster.write_once("chaos.write", deadline, |tx| {
                let id = &id;
                async move { write(&tx, id, key).await }
            });
            let outcome = writing.await;
            let outcome = outcome.map(|committed| (committed.value, committed.token));
            let ended = self.end(nodes, op, outcome);
            if ended == Ended::Done {
                return true;
            }
            unknown |= ended == Ended::Unknown;
            if !unknown || gives_up.has_passed() {
                break;
            }
            sleep(REPEAT_PAUSE).await;
            intended_us = nodes.recorder.now();
        }
        false
    }

    async fn read(&mut self, nodes: &Nodes, kind: Kind, intended_us: u64) {
        let mut op = self.op(nodes, kind, intended_us);
        let freshness = match (kind, self.token) {
            (Kind::ReadToken, Some(token)) => {
                op.sent = Some(token);
                Freshness::AtLeast(token)
            }
            _ => Freshness::Any,
        };
        let (cluster, client) = (&nodes.clusters[op.cluster], self.id);
        let deadline = Deadline::after(nodes.deadline);
        let reading = cluster.read_with(freshness, deadline, |conn| async move {
            let seen = read(&conn, client).await?;
            Ok::<_, Error>((seen, Some(conn.token().await?)))
        });
        let outcome = reading.await;
        self.end(nodes, op, outcome);
    }

    /// An operation that begins now, on the next API node.
    fn op(&mut self, nodes: &Nodes, kind: Kind, intended_us: u64) -> Op {
        self.turn = self.turn.wrapping_add(1);
        let now = nodes.recorder.now();
        Op {
            kind,
            client: self.id,
            key: None,
            attempt: 1,
            cluster: self.turn % nodes.clusters.len(),
            intended_us: intended_us.min(now),
            invoked_us: now,
            completed_us: now,
            outcome: Outcome::Shed,
            sent: None,
            token: None,
            value: None,
            by_replica: None,
            port: None,
        }
    }

    /// Notes how it ended, and takes the token over.
    fn end(
        &mut self,
        nodes: &Nodes,
        mut op: Op,
        outcome: Result<(Seen, Option<Token>), Error>,
    ) -> Ended {
        op.completed_us = nodes.recorder.now();
        let ended;
        (ended, op.outcome) = match outcome {
            Ok((seen, token)) => {
                self.token = later(self.token, token);
                (op.value, op.token) = (Some(seen.value), token);
                (op.by_replica, op.port) = (Some(seen.by_replica), Some(seen.port));
                (Ended::Done, Outcome::Acknowledged)
            }
            Err(error @ Error::CommitUnknown(_)) => {
                let error = error.chain();
                (Ended::Unknown, Outcome::Unknown { error })
            }
            Err(Error::UnknownToken(UnknownToken::LostTimeline)) => {
                self.token = None;
                (Ended::Failed, Outcome::TokenRefused)
            }
            Err(error) => {
                let (unavailable, error) = (error.is_unavailable(), error.chain());
                (Ended::Failed, Outcome::Failed { unavailable, error })
            }
        };
        nodes.recorder.push(op);
        ended
    }
}
