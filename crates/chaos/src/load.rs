//! Load from an open loop: operations are sent at a fixed rate, whatever becomes of the earlier ones.
//!
//! A closed loop would send nothing while servers hang, and so would not see what its users would have
//! seen (coordinated omission). Here each operation has its intended moment, from which its latency
//! counts. What bounds the number in flight is the number of clients: when all of them wait, the
//! operation is noted as shed.

use std::time::Duration;

use tokio::{
    sync::mpsc,
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    client::{Client, Nodes, Step},
    error::Error,
    history::{Kind, Op, Outcome},
};

/// The longest any load goes on.
const LONGEST: Duration = Duration::from_secs(600);
/// How long the last operations may take to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// A load.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Operations a second.
    pub(crate) rate: u32,
    /// How many may be in flight.
    pub(crate) clients: u32,
    /// The number of the first client: two loads of one history must share none.
    pub(crate) first_client: u32,
    /// What is done, over and over.
    pub(crate) steps: &'static [Step],
    /// The most operations, if there is a most; what was shed does not count.
    pub(crate) count: Option<u32>,
}

/// A load that goes on until it is stopped.
#[derive(Debug)]
pub(crate) struct Load {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Load {
    /// Begins.
    pub(crate) fn start(nodes: &Nodes, plan: Plan) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(generate(nodes.clone(), plan, stop.clone()));
        Self { stop, task }
    }

    /// Sends no more, and waits for the answers that are still to come.
    pub(crate) async fn stop(self) -> Result<(), Error> {
        self.stop.cancel();
        self.ended().await
    }

    /// Waits until all of a bounded load is done.
    pub(crate) async fn ended(self) -> Result<(), Error> {
        let limit = LONGEST + PATIENCE;
        let ended = timeout(limit, self.task).await;
        let ended = ended.map_err(|_| Error::Timeout {
            what: "the end of a load".into(),
            limit,
        })?;
        Ok(ended?)
    }
}

async fn generate(nodes: Nodes, plan: Plan, stop: CancellationToken) {
    let (give_back, mut idle) = mpsc::unbounded_channel();
    for id in plan.first_client..plan.first_client + plan.clients {
        let _kept = give_back.send(Client::new(id));
    }
    let (start, period) = (Instant::now(), Duration::from_secs(1) / plan.rate);
    let mut running = JoinSet::new();
    let mut sent = 0;
    for (number, step) in (0_u32..).zip(plan.steps.iter().cycle().copied()) {
        let intended = start + period * number;
        if plan.count == Some(sent) || intended - start > LONGEST {
            break;
        }
        if stop
            .run_until_cancelled(sleep_until(intended))
            .await
            .is_none()
        {
            break;
        }
        while running.try_join_next().is_some() {}
        let intended_us = nodes.recorder.at(intended.into_std());
        match idle.try_recv() {
            Ok(mut client) => {
                sent += 1;
                let (nodes, give_back) = (nodes.clone(), give_back.clone());
                running.spawn(async move {
                    client.take(&nodes, step, intended_us).await;
                    let _kept = give_back.send(client);
                });
            }
            Err(_) => nodes.recorder.push(shed(step, intended_us)),
        }
    }
    let all_ended = async { while running.join_next().await.is_some() {} };
    let _in_time = timeout(PATIENCE, all_ended).await;
}

/// What nobody was free to send. It has no client of its own.
fn shed(step: Step, intended_us: u64) -> Op {
    Op {
        kind: match step {
            Step::One(kind) => kind,
            Step::Pair => Kind::Write,
        },
        client: u32::MAX,
        key: None,
        attempt: 1,
        cluster: 0,
        intended_us,
        invoked_us: intended_us,
        completed_us: intended_us,
        outcome: Outcome::Shed,
        sent: None,
        token: None,
        value: None,
        by_replica: None,
        port: None,
    }
}
