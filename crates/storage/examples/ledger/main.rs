//! A ledger of transfers on `prepnexus-storage`: a service of another domain, with tables of its own.
//!
//! ```sh
//! ./dev up
//! . .dev/env
//! cargo run -p prepnexus-storage --example ledger -- \
//!     "postgresql://$DB_OWNER:$DB_OWNER_PASSWORD@127.0.0.1:${DB_PORT//,/,127.0.0.1:}/$DB_NAME?sslmode=disable"
//! ```
//!
//! One URL names all nodes (`host1:port1,host2:port2`), or each has its own. The role must be allowed to make a
//! schema. It moves money about until Ctrl-C, or for `--seconds=N`, and says once a second what it sees: kill the
//! primary and promote a replica meanwhile, and watch.

mod service;

use std::time::Duration;

use anyhow::{Context as _, Result};
use prepnexus_storage::{Cluster, ClusterConfig, Error, Freshness, Token};
use service::{Ledger, LedgerError};
use tokio::time::{Instant, sleep, timeout_at};

const OPENING_CENTS: i64 = 10_000;

#[tokio::main]
async fn main() -> Result<()> {
    let (config, seconds) = arguments(std::env::args().skip(1))?;
    let cluster = Cluster::start(&config)?;
    let ledger = Ledger::new(cluster.clone());
    // Not needed to start: only to say soon what is wrong.
    cluster.wait_for_primary(cluster.deadline()).await?;
    ledger.create_schema().await?;
    for name in ["alice", "bob"] {
        ledger.open_account(name, OPENING_CENTS).await?;
    }
    let end = Instant::now() + seconds.map_or(Duration::MAX / 4, Duration::from_secs);
    let working = timeout_at(end, work(&ledger));
    tokio::select! {
        ended = working => if let Ok(outcome) = ended { outcome? },
        signal = tokio::signal::ctrl_c() => signal?,
    }
    // Commits that are under way are waited for.
    cluster.close().await;
    Ok(())
}

/// Moves a cent there and back, for as long as it is let.
async fn work(ledger: &Ledger) -> Result<()> {
    let mut seen: Option<Token> = None;
    for round in 0_u64.. {
        let (from, to) = if round % 2 == 0 {
            ("alice", "bob")
        } else {
            ("bob", "alice")
        };
        // A client makes the key, and sends it again until it knows.
        let key = format!("{:x}-{round}", fastrand::u64(..));
        let done = loop {
            match ledger.transfer(&key, from, to, 1).await {
                Err(LedgerError::Storage(error)) if error.is_unavailable() => {
                    eprintln!("not now: {}", error.chain());
                    sleep(error.retry_after()).await;
                }
                outcome => break outcome?,
            }
        };
        seen = done.token.or(seen);
        let freshness = seen.map_or(Freshness::Any, Freshness::AtLeast);
        match ledger.balance("alice", freshness).await {
            Ok((cents, token)) => {
                seen = Some(token);
                println!("alice has {cents} as of {token}; {}", nodes(ledger));
            }
            // Another history is served now: what was seen is given up, and said.
            Err(LedgerError::Storage(Error::UnknownToken(why))) => {
                eprintln!("{why}");
                seen = None;
            }
            Err(error) => eprintln!("no answer: {error}"),
        }
        sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

fn nodes(ledger: &Ledger) -> String {
    ledger.nodes().join(", ")
}

/// The configuration, and for how many seconds to run.
fn arguments(given: impl Iterator<Item = String>) -> Result<(ClusterConfig, Option<u64>)> {
    let (mut config, mut seconds) = (None::<ClusterConfig>, None);
    for argument in given {
        if let Some(number) = argument.strip_prefix("--seconds=") {
            seconds = Some(number.parse().context("--seconds")?);
            continue;
        }
        let mut url = ClusterConfig::from_url(&argument)?;
        config = Some(match config {
            Some(mut first) => {
                first.nodes.append(&mut url.nodes);
                first
            }
            None => url,
        });
    }
    let mut config = config.context("usage: ledger [--seconds=N] DATABASE_URL…")?;
    config.application_name = "ledger".into();
    Ok((config, seconds))
}
