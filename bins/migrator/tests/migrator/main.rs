//! The real binary against a real server.

mod commands;
mod crowd;
mod drift;
mod honesty;
mod import;
mod lint;
mod readers;

use std::process::{Command, Output};

use prepnexus_storage::{
    ClusterConfig,
    driver::{self, Connected},
};
use prepnexus_testkit::TestDb;

/// The binary with the owner's settings for `db` and nothing else from the environment.
fn migrator(db: &TestDb) -> Command {
    let owner = db.owner_config();
    let mut command = bare();
    command
        .env("DB_HOST", &owner.nodes[0].host)
        .env("DB_PORT", owner.nodes[0].port.to_string())
        .env("DB_NAME", &owner.database)
        .env("DB_USER", db.config().user)
        .env("DB_PASSWORD", "not the one")
        .env("DB_OWNER", &owner.user)
        .env("DB_OWNER_PASSWORD", password(&owner));
    command
}

fn bare() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_migrator"));
    command.env_clear();
    command
}

fn password(config: &ClusterConfig) -> String {
    config
        .password
        .as_ref()
        .map(|p| p.expose().to_owned())
        .unwrap_or_default()
}

struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

/// Runs it in a thread of its own: it must not stop the runtime that drives the test's connections.
async fn run(mut command: Command) -> Ran {
    let ran = tokio::task::spawn_blocking(move || command.output()).await;
    let Output {
        status,
        stdout,
        stderr,
    } = ran.expect("it did not panic").expect("the binary is there");
    Ran {
        code: status.code().expect("it was not killed"),
        stdout: String::from_utf8(stdout).expect("UTF-8"),
        stderr: String::from_utf8(stderr).expect("UTF-8"),
    }
}

async fn with(db: &TestDb, arguments: &[&str]) -> Ran {
    let mut command = migrator(db);
    command.args(arguments);
    run(command).await
}

async fn hold_the_lock(db: &TestDb) -> Connected {
    let limit = std::time::Duration::from_secs(10);
    let connected = driver::connect_primary(&db.owner_config(), "", limit)
        .await
        .expect("a connection");
    let sql = "SELECT pg_advisory_lock(8102650213155829877)";
    connected
        .client()
        .batch_execute(sql)
        .await
        .expect("the lock");
    connected
}
