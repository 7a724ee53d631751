//! What routing, tokens, deadlines and metrics cost: the same SQL through the crate and on a bare deadpool
//! pool of the same size, in one process, against servers of its own.
//!
//! Throughput on a shared machine is noise, so both take short turns, the order changing, and the median of
//! the turns' ratios is what counts. Processor time is this process's own. Statements are counted by
//! the server, and round trips by the time they take through a proxy that delays. And how long the server goes on
//! with a read that nobody waits for any more.
//!
//! Prints a table, and writes the same to `target/bench/overhead.json`.

#[path = "overhead/cancel.rs"]
mod cancel;
#[path = "overhead/measure.rs"]
mod measure;
#[path = "overhead/rig.rs"]
mod rig;
#[path = "overhead/work.rs"]
mod work;

use std::{fs, path::Path, thread, time::Duration};

use anyhow::{Context as _, Result, ensure};
use measure::{CALLERS, Compared, PAIRS, TURN, compare};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use rig::{POOL, Rig};
use serde::Serialize;
use work::Operation;

/// One line of the table.
#[derive(Serialize)]
struct Line {
    what: &'static str,
    #[serde(flatten)]
    compared: Compared,
    statements: f64,
    bare_statements: f64,
    round_trips: f64,
    bare_round_trips: f64,
}

fn main() -> Result<()> {
    // As a service has one: without a recorder, metrics would cost nothing.
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(
            Matcher::Suffix("_seconds".into()),
            &[0.001, 0.01, 0.1, 1.0, 10.0],
        )?
        .install_recorder()?;
    thread::spawn(move || {
        loop {
            thread::sleep(Duration::from_secs(1));
            recorder.run_upkeep();
        }
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let (mut lines, mut dropped) = (Vec::new(), Vec::new());
    for replicas in [0, 1] {
        let rig = runtime.block_on(Rig::start(replicas))?;
        let scenarios: &[(&str, Operation)] = if replicas == 0 {
            &[
                ("read, a primary alone", Operation::Read),
                ("write, a primary alone", Operation::Write),
            ]
        } else {
            &[("read, on the replica", Operation::Read)]
        };
        for (what, operation) in scenarios {
            eprintln!("{what}: {PAIRS} pairs of turns");
            lines.push(runtime.block_on(line(&rig, what, *operation))?);
        }
        if replicas == 0 {
            eprintln!("reads that are dropped");
            dropped = runtime.block_on(rig.cancellations())?;
        }
        runtime.block_on(rig.stop());
    }
    show(&lines);
    println!(
        "a dropped read ends on the server after {:.1} ms (the median of {}), {:.1} ms at worst",
        dropped[dropped.len() / 2],
        dropped.len(),
        dropped[dropped.len() - 1],
    );
    write(&lines)
}

async fn line(rig: &Rig, what: &'static str, operation: Operation) -> Result<Line> {
    let (ours, bare) = (rig.ours(operation), rig.bare(operation));
    let compared = compare(&ours, &bare).await?;
    let statements = rig.statements(&ours).await?;
    let bare_statements = rig.statements(&bare).await?;
    if operation == Operation::Read {
        ensure!(
            statements == bare_statements,
            "{what}: {statements} statements for each read, where the bare pool sends {bare_statements}"
        );
    }
    Ok(Line {
        what,
        compared,
        statements,
        bare_statements,
        round_trips: rig.round_trips(&ours).await?,
        bare_round_trips: rig.round_trips(&bare).await?,
    })
}

fn show(lines: &[Line]) {
    let turn = TURN.as_millis();
    println!(
        "\n{CALLERS} callers, pools of {POOL}, the median of {PAIRS} pairs of turns of {turn} ms; storage ÷ bare pool"
    );
    println!(
        "{:<24}{:>11}{:>17}{:>19}{:>11}{:>15}{:>14}",
        "", "throughput", "operations/s", "CPU µs/operation", "CPU", "statements", "round trips"
    );
    for line in lines {
        let of = &line.compared;
        println!(
            "{:<24}{:>11.3}{:>17}{:>19}{:>11.3}{:>15}{:>14}",
            line.what,
            of.throughput_ratio,
            format!("{:.0} ÷ {:.0}", of.per_second, of.bare_per_second),
            format!("{:.1} ÷ {:.1}", of.cpu_us, of.bare_cpu_us),
            of.cpu_ratio,
            format!("{:.2} ÷ {:.2}", line.statements, line.bare_statements),
            format!("{:.1} ÷ {:.1}", line.round_trips, line.bare_round_trips),
        );
    }
}

fn write(lines: &[Line]) -> Result<()> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench");
    fs::create_dir_all(&dir).with_context(|| format!("can't make {}", dir.display()))?;
    let path = dir.join("overhead.json");
    let text = serde_json::to_string_pretty(lines)? + "\n";
    fs::write(&path, text).with_context(|| format!("can't write {}", path.display()))?;
    println!("written to {}", path.canonicalize()?.display());
    Ok(())
}
