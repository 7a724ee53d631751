//! `./dev seed`: a database full of generated posts, to see how the service does with many.

use std::io::{self, IsTerminal, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use prepnexus_devstack::{PgNode, Stack};
use prepnexus_migrate::{GenerateOptions, LoadReport, Migrations, Migrator, Progress, UpOptions};
use prepnexus_storage::{ClusterConfig, NodeAddr, Secret};
use tokio::runtime::Runtime;

use crate::env_file::EnvFile;
use crate::output::{note, say};
use crate::session::Session;

/// How often the wish to stop is looked at.
const GLANCE: Duration = Duration::from_millis(50);

/// How many.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How many generated posts there are afterwards: a larger number goes on from a smaller.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
}

pub(crate) fn seed(session: &Session, arguments: &Arguments) -> Result<ExitCode> {
    let stack = Stack::attach(session.project.private_dir())?;
    let Some(stack) = stack.filter(|stack| stack.primary().is_running()) else {
        bail!("no servers are running: ./dev up or ./dev run starts them");
    };
    let env = EnvFile::read(&session.project.env_file())?;
    let config = owner_config(stack.nodes(), &env)?;
    let started = Instant::now();
    let report = generate(session, config, arguments.count)?;
    let seconds = started.elapsed().as_secs_f64();
    say(format_args!(
        "{} posts added, {} were there, {seconds:.1} s",
        report.inserted, report.unchanged
    ));
    Ok(ExitCode::SUCCESS)
}

/// Brings the schema up to date, and the number of generated posts up to `count`.
pub(crate) fn generate(session: &Session, config: ClusterConfig, count: u64) -> Result<LoadReport> {
    let migrator = Migrator::new(config, Migrations::built_in())?;
    let started = Instant::now();
    let runtime = Runtime::new().context("can't start the runtime")?;
    runtime.block_on(async {
        let work = async {
            let up = migrator.up(UpOptions::default(), &mut |_| {}).await;
            up.context("can't bring the schema up to date")?;
            let mut progress = |progress| show(&progress, count, started);
            let generated = migrator
                .generate(GenerateOptions::new(count), &mut progress)
                .await;
            generated.context("can't load the posts")
        };
        tokio::select! {
            report = work => report,
            error = interrupted(session) => Err(error),
        }
    })
}

/// The private servers, as the role that owns the tables.
pub(crate) fn owner_config(nodes: &[PgNode], env: &EnvFile) -> Result<ClusterConfig> {
    let setting = |name| {
        let found = env.get(name).map(str::to_owned);
        found.with_context(|| format!(".dev/env has no {name}: ./dev up writes it"))
    };
    Ok(ClusterConfig {
        nodes: nodes
            .iter()
            .map(|node| NodeAddr {
                host: node.host().to_owned(),
                port: node.port(),
            })
            .collect(),
        database: setting("DB_NAME")?,
        user: setting("DB_OWNER")?,
        password: Some(Secret::new(setting("DB_OWNER_PASSWORD")?)),
        application_name: "dev seed".to_owned(),
        ..ClusterConfig::default()
    })
}

/// On a terminal one line that changes; otherwise nothing but the result.
fn show(progress: &Progress, count: u64, started: Instant) {
    match progress {
        Progress::Loaded { posts } if io::stderr().is_terminal() => {
            let per_second = *posts as f64 / started.elapsed().as_secs_f64();
            let _ = write!(
                io::stderr(),
                "\r{posts} of {count} posts, {per_second:.0} a second "
            );
            if *posts >= count {
                note("");
            }
        }
        Progress::WaitingForLock(_) => note("waiting for another migration or load"),
        _ => {}
    }
}

async fn interrupted(session: &Session) -> anyhow::Error {
    loop {
        if let Err(interrupted) = session.interrupts.check() {
            return interrupted.into();
        }
        tokio::time::sleep(GLANCE).await;
    }
}
