//! Three API processes, each with its memory, over one Redis, a primary and replicas: writers change posts through any of
//! them, and readers are shown nothing old that is not marked, whatever fails meanwhile.
//!
//! A run is a number of schedules, each with a fault drawn from its seed.

mod clients;
mod faults;
mod slow_writer;

use std::{
    fs,
    sync::{Arc, atomic::AtomicUsize},
};

use tokio::task::{block_in_place, spawn_blocking};

use self::{
    clients::{Clients, Seen},
    faults::Faults,
    slow_writer::SlowWriter,
};
use super::{Setting, programs_of};
use crate::{
    coherence::{Violation, judge},
    error::Error,
    measure::Measure,
    rig::{Rig, Shape, on_rig},
    site::Site,
};

/// For how long an unmarked answer may be old: what the API's change feed promises.
const BOUND_US: u64 = 1_000_000;
const NODES: usize = 3;
/// Schedules in one run of each form, and how many of the full form's are failovers.
const SCHEDULES: u32 = 100;
const SCHEDULES_QUICK: u32 = 12;

pub(super) async fn play(setting: Setting) -> Result<Vec<Measure>, Error> {
    let programs = programs_of(&setting)?;
    let shape = Shape {
        // What was acknowledged outlives a failover: else the servers lose it, and no cache is to blame.
        synchronous: true,
        ..Shape::for_site()
    };
    on_rig(&setting, "cache", shape, async |rig| {
        let site = Site::new(rig, &programs)?;
        let clients = block_in_place(|| prepare(rig, &site))?;
        let schedules = if setting.quick {
            SCHEDULES_QUICK
        } else {
            SCHEDULES
        };
        let primary = AtomicUsize::new(0);
        let faults = Faults::new(rig, &site, &clients, &primary);
        let slow = SlowWriter {
            rig,
            clients: &clients,
            primary: &primary,
        };
        let outcome = tokio::select! {
            played = faults.play(setting.seed + setting.run * schedules, schedules) => played,
            failed = slow.write_on() => failed,
        };
        let seen = spawn_blocking(move || clients.stop()).await?;
        outcome?;
        measures(&setting, schedules, &seen)
    })
    .await
}

/// Starts the processes and the clients. Blocks.
fn prepare(rig: &Rig, site: &Site) -> Result<Clients, Error> {
    let running = site.run(NODES)?;
    let recorder = rig.recorder().clone();
    let apis = running.apis.into_iter().map(Arc::new).collect();
    Clients::start(apis, &running.key, recorder)
}

fn measures(setting: &Setting, schedules: u32, seen: &Seen) -> Result<Vec<Measure>, Error> {
    let violations = judge(&seen.writes, &seen.reads, BOUND_US);
    keep(setting, seen, &violations)?;
    let count =
        |wanted: fn(&Violation) -> bool| violations.iter().filter(|one| wanted(one)).count();
    let with_token = seen.reads.iter().filter(|read| read.token_of > 0).count();
    let marked = seen.reads.iter().filter(|read| read.is_marked).count();
    let reads = u32::try_from(seen.reads.len()).map_or(f64::INFINITY, f64::from);
    let per_schedule = if setting.quick { 20.0 } else { 1_000.0 };
    Ok(vec![
        Measure::never(
            "unmarked reads older than a second",
            count(|one| matches!(one, Violation::Stale(_))),
        )
        .beside(format!(
            "{schedules} schedules, {} writes",
            seen.writes.len()
        )),
        Measure::never(
            "unmarked reads older than their token",
            count(|one| matches!(one, Violation::BehindToken(_))),
        )
        .beside(format!("{with_token} with a token")),
        Measure::never(
            "reads of what nobody wrote",
            count(|one| matches!(one, Violation::FromNowhere(_))),
        ),
        Measure::at_least(
            "reads judged",
            "",
            reads,
            per_schedule * f64::from(schedules),
        )
        .beside(format!(
            "{marked} marked; {} answered from a cache; {} refused or lost",
            seen.hits, seen.unserved
        )),
    ])
}

/// Keeps what was seen, where a promise was broken.
fn keep(setting: &Setting, seen: &Seen, violations: &[Violation]) -> Result<(), Error> {
    let Some(dir) = setting
        .histories
        .as_ref()
        .filter(|_| !violations.is_empty())
    else {
        return Ok(());
    };
    let path = dir.join(format!("cache-violations-{}.json", setting.run + 1));
    let text =
        serde_json::json!({"violations": violations, "writes": seen.writes, "reads": seen.reads});
    fs::create_dir_all(dir)
        .and_then(|()| fs::write(&path, text.to_string()))
        .map_err(|source| Error::Keep { path, source })
}
