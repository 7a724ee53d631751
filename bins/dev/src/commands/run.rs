//! `./dev run`: everything, in the foreground, from nothing to an API that answers.
//!
//! The order of the end is that of the start turned round, and it is the same whether the user, the API or an error
//! brings it about: the API first, gracefully, then the servers, unless `./dev up` had started them.

use std::net::TcpListener;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::binaries::Binaries;
use crate::child::{self, Child};
use crate::commands::status::{base_url, ready};
use crate::output::{note, say};
use crate::poll;
use crate::run_lock::RunLock;
use crate::servers::{Lifetime, Servers};
use crate::session::Session;
use crate::signals::Interrupted;

/// How long the API may take from its start to its first answer.
const READY_LIMIT: Duration = Duration::from_secs(60);
const KEY: &str = "PREPNEXUS_ADMIN_KEY";

/// What to run, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The API's port on 127.0.0.1.
    #[arg(long, default_value_t = 8000, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// Load no sample posts.
    #[arg(long)]
    empty: bool,
}

pub(crate) fn run(session: &Session, arguments: &Arguments) -> Result<ExitCode> {
    let _lock = RunLock::take(&session.project.private_dir())?;
    check_port(arguments.port)?;
    let binaries = Binaries::build(session)?;
    let mut servers = Servers::start(session, Lifetime::OfThisProcess)?;
    let result = serve(session, arguments, &binaries, &mut servers);
    note("stopping");
    let released = servers.release();
    let code = result?;
    released.map(|()| code)
}

fn serve(
    session: &Session,
    arguments: &Arguments,
    binaries: &Binaries,
    servers: &mut Servers,
) -> Result<ExitCode> {
    servers.env.set("API_HOST", "127.0.0.1");
    servers.env.set("API_PORT", &arguments.port.to_string());
    servers.env.write(&session.project.env_file())?;
    prepare(session, arguments, binaries, servers)?;
    check_port(arguments.port)?;
    let mut api = Child::spawn(binaries.command("api", &servers.env)?, &session.interrupts)?;
    let limit = READY_LIMIT;
    poll::until("the API getting ready", limit, &session.interrupts, || {
        if let Some(status) = api.ended()? {
            bail!("the API ended ({status})");
        }
        Ok((ready(&servers.env) == Some(200)).then_some(()))
    })?;
    announce(session, servers);
    match api.wait() {
        Ok(status) => bail!("the API ended ({status})"),
        Err(error) if error.is::<Interrupted>() => {
            api.stop();
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => Err(error),
    }
}

/// The schema, the sample posts, and a key to write with.
fn prepare(
    session: &Session,
    arguments: &Arguments,
    binaries: &Binaries,
    servers: &mut Servers,
) -> Result<()> {
    let mut up = binaries.command("migrator", &servers.env)?;
    up.arg("up");
    child::run_well(up, &session.interrupts)?;
    if !arguments.empty {
        let mut seed = binaries.command("migrator", &servers.env)?;
        seed.arg("seed").arg(session.project.sample_posts());
        child::run_well(seed, &session.interrupts)?;
    }
    if servers.env.get(KEY).is_none() {
        let mut keys = binaries.command("api", &servers.env)?;
        keys.args(["keys", "create", "--role", "admin", "--name", "dev"]);
        let printed = child::output(keys, &session.interrupts)?;
        let key = printed
            .lines()
            .last()
            .map(str::trim)
            .filter(|key| !key.is_empty());
        servers
            .env
            .set(KEY, key.context("api keys create printed no key")?);
        servers.env.write(&session.project.env_file())?;
    }
    Ok(())
}

fn check_port(port: u16) -> Result<()> {
    match TcpListener::bind(("127.0.0.1", port)) {
        Ok(_) => Ok(()),
        Err(error) => Err(error).with_context(|| {
            format!("port {port} of 127.0.0.1 is not free: choose another with --port")
        }),
    }
}

fn announce(session: &Session, servers: &Servers) {
    let url = base_url(&servers.env);
    say("");
    for (what, path) in [
        ("the API's documentation", "/docs"),
        ("the posts", "/api/v1/posts"),
        ("health", "/health"),
        ("metrics", "/metrics"),
    ] {
        say(format_args!("{what:<26}{url}{path}"));
    }
    say(format_args!(
        "{:<26}{}",
        "settings and admin key",
        session.project.env_file().display()
    ));
    say("Ctrl-C stops everything that was started.");
}
