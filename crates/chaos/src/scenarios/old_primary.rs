//! The old primary thaws, and later is killed and started again, while the new one serves. It takes
//! writes, and says that it is the primary: nobody may ask it.
//!
//! Three witnesses: the port that each server names in its answers, rows that only the old one has,
//! and, after its restart, which forgets them, its own counters.

use prepnexus_devstack::PgNode;
use prepnexus_storage::Cluster;

use super::{
    Setting,
    common::{CAUSAL, Traffic, go_on, never},
};
use crate::{
    checker::{self, Fenced},
    client::{Client, Nodes, Step},
    error::Error,
    history::Kind,
    measure::Measure,
    rig::{Rig, Shape, on_rig},
};

/// How often a router is started that knows nothing yet.
const NEWCOMERS: usize = 5;

pub(super) async fn play(setting: Setting) -> Result<Vec<Measure>, Error> {
    on_rig(&setting, "old_primary", Shape::default(), async |rig| {
        return_of(rig, &setting).await
    })
    .await
}

async fn return_of(rig: &Rig, setting: &Setting) -> Result<Vec<Measure>, Error> {
    let half = setting.seconds(30.0, 2.5);
    let traffic = Traffic::start(rig, 150, 100, CAUSAL);
    go_on(setting.seconds(1.0, 1.0)).await;
    rig.freeze(0).await?;
    rig.until_primary(None).await?;
    let new = rig.most_advanced(0).await?;
    rig.promote(new, 0).await?;
    let known = rig.until_primary(Some(new)).await?;
    rig.thaw(0).await?;
    go_on(half).await;
    rig.kill(0).await?;
    rig.with(0, PgNode::start).await??;
    rig.recorder().script("restart the old primary");
    newcomers(rig).await?;
    go_on(half).await;
    traffic.stop().await?;

    let reached = reached(rig).await?;
    let fenced = Fenced {
        rows: rig.rows(0).await?,
        port: rig.port(0),
        since_us: known,
    };
    let history = rig.history();
    let verdict = checker::check(&history, &rig.rows(new).await?, Some(&fenced));
    let after = history
        .ops
        .iter()
        .filter(|op| op.invoked_us > known && op.is_done());
    let beside = format!("{} operations elsewhere", after.count());
    let mut measures = vec![
        Measure::never("operations served by it", verdict.served_by_fenced).beside(beside),
        Measure::never("rows that only it has", verdict.ghosts.len()),
        Measure::never("rows it read or wrote since its restart", reached),
    ];
    measures.extend(never(&verdict));
    Ok(measures)
}

/// Routers that are started just now, and meet two servers that say they are the primary.
async fn newcomers(rig: &Rig) -> Result<(), Error> {
    for number in 0..NEWCOMERS {
        let cluster = Cluster::start(&Rig::timings(rig.config()))?;
        let nodes = Nodes {
            clusters: [cluster.clone()].into(),
            ..rig.nodes.clone()
        };
        let mut client = Client::new(5_000 + u32::try_from(number).unwrap_or(0));
        for step in [Step::One(Kind::ReadAny), Step::Pair] {
            let now = rig.recorder().now();
            client.take(&nodes, step, now).await;
        }
        cluster.close().await;
    }
    Ok(())
}

/// How many rows of the suite's tables the old primary has read or written since it was started.
async fn reached(rig: &Rig) -> Result<usize, Error> {
    // A session reports its counts when it ends.
    rig.psql(
        0,
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'chaos'",
    )
    .await?;
    let counted = rig.psql(
        0,
        "SELECT coalesce(sum(seq_scan + coalesce(idx_scan, 0) + n_tup_ins + n_tup_upd), 0)
         FROM pg_stat_user_tables WHERE relname LIKE 'chaos%'",
    );
    let text = counted.await?;
    text.parse().map_err(|_| Error::Answer {
        what: "the old primary's counters".into(),
        answer: text,
    })
}
