//! Roles as a real failover manager moves them: Patroni decides, and the routers only follow. With its
//! synchronous mode, in which nothing acknowledged may be lost.

mod rig;

use std::time::Duration;

use prepnexus_devstack::PatroniNode;

use super::{
    Setting,
    common::{CAUSAL, Traffic, go_on, never, not_served},
};
use crate::{
    checker,
    error::Error,
    history::Kind,
    measure::{Measure, ms_between},
};
use rig::PatroniRig;

/// Much longer than a write takes once there is a leader.
const WRITE_LIMIT: Duration = Duration::from_secs(20);

/// A failover: what its measure is called, and what is done to the leader.
struct Failover {
    name: &'static str,
    fault: Fault,
}

#[derive(Clone, Copy)]
enum Fault {
    Switchover,
    Kill,
    Freeze,
}

const KILLED: Failover = Failover {
    name: "leader killed: first write after Patroni names the next",
    fault: Fault::Kill,
};

const OTHERS: [Failover; 2] = [
    Failover {
        name: "leader frozen: first write after Patroni names the next",
        fault: Fault::Freeze,
    },
    Failover {
        name: "switchover: first write after Patroni names the next",
        fault: Fault::Switchover,
    },
];

pub(super) async fn play(setting: Setting) -> Result<Vec<Measure>, Error> {
    let rig = PatroniRig::start().await?;
    let outcome = all(&rig, &setting).await;
    let kept = setting.keep("patroni", &rig.history());
    rig.close().await;
    let outcome = outcome?;
    kept?;
    Ok(outcome)
}

async fn all(rig: &PatroniRig, setting: &Setting) -> Result<Vec<Measure>, Error> {
    let traffic = Traffic::start(rig, 100, 100, CAUSAL);
    let from = rig.recorder().now();
    go_on(setting.seconds(2.0, 1.0)).await;
    let mut measures = vec![fail_over(rig, setting, &KILLED).await?];
    if !setting.quick {
        for failover in &OTHERS {
            measures.push(fail_over(rig, setting, failover).await?);
        }
        measures.push(restarts(rig, setting).await?);
    }
    traffic.stop().await?;

    let history = rig.history();
    let end = rig.recorder().now();
    let leader = rig.healthy().await?;
    let verdict = checker::check(&history, &rig.rows(leader).await?, None);
    let writes = history
        .ops
        .iter()
        .filter(|op| op.kind == Kind::Write && op.is_done());
    let failed = not_served(&history, Kind::ReadAny, from, end);
    measures.push(
        Measure::never("acknowledged writes lost", verdict.lost.len())
            .beside(format!("{} acknowledged", writes.count())),
    );
    measures.push(Measure::never("reads that failed", failed));
    measures.extend(never(&verdict));
    Ok(measures)
}

/// Does it to the leader, and measures the first write after another says that it leads.
async fn fail_over(
    rig: &PatroniRig,
    setting: &Setting,
    failover: &Failover,
) -> Result<Measure, Error> {
    let leader = rig.healthy().await?;
    rig.all_serve().await?;
    let since = rig.recorder().script(failover.name);
    let (done, named) = tokio::join!(play_fault(rig, leader, failover.fault), rig.named(leader));
    done?;
    let (next, named) = named?;
    rig.until_primary(Some(next)).await?;
    let port = rig.port(next);
    let first = || {
        rig.recorder().look(|history| {
            let writes = history.ops.iter().filter(|op| {
                op.kind == Kind::Write && op.port == Some(port) && op.completed_us > since
            });
            writes.map(|op| op.completed_us).min()
        })
    };
    let written = rig.until("a write on the next leader", WRITE_LIMIT, |_| {
        first().is_some()
    });
    written.await?;
    match failover.fault {
        Fault::Switchover => {}
        Fault::Kill => rig.with(leader, PatroniNode::start).await??,
        Fault::Freeze => rig.with(leader, PatroniNode::thaw).await?,
    }
    let taken = ms_between(since, Some(named));
    Ok(Measure::ms(
        failover.name,
        ms_between(named, first()),
        setting.ms(1_000.0),
    )
    .beside(format!("named {taken:.0} ms after the fault")))
}

async fn play_fault(rig: &PatroniRig, leader: usize, fault: Fault) -> Result<(), Error> {
    match fault {
        Fault::Switchover => rig.switch_over(leader).await,
        Fault::Kill => Ok(rig.with(leader, PatroniNode::kill).await??),
        Fault::Freeze => rig.with(leader, PatroniNode::freeze).await,
    }
}

/// Restarts PostgreSQL on all nodes, the leader last, as for a change of a setting. Nobody takes over.
async fn restarts(rig: &PatroniRig, setting: &Setting) -> Result<Measure, Error> {
    let leader = rig.healthy().await?;
    rig.all_serve().await?;
    let mut last = 0;
    let order = (0..rig.size()).filter(|node| *node != leader);
    for node in order.chain([leader]) {
        rig.recorder().script(&format!("restart {node}"));
        rig.with(node, PatroniNode::restart_postgres).await??;
        last = rig.recorder().now();
        rig.healthy().await?;
        rig.all_serve().await?;
    }
    let first = || {
        rig.recorder().look(|history| {
            let done = history
                .ops
                .iter()
                .filter(|op| op.kind == Kind::Write && op.is_done());
            done.map(|op| op.completed_us).find(|at_us| *at_us > last)
        })
    };
    let written = rig.until("a write after the restart", WRITE_LIMIT, |_| {
        first().is_some()
    });
    written.await?;
    let name = "rolling restart: first write after the leader's";
    Ok(Measure::ms(
        name,
        ms_between(last, first()),
        setting.ms(1_000.0),
    ))
}
