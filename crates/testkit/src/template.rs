//! The template that test databases are clones of: migrated once per stack and version of the migrations.
//!
//! Its name holds a hash of the migrations and of the bootstrap script, so that an edit makes another one. Processes that
//! race for making it take an advisory lock; the server marks it as a template only when it is complete, so that one whose
//! maker was killed is made again.

use std::time::Duration;

use anyhow::Context;
use prepnexus_devstack::PgNode;
use prepnexus_migrate::{Migrations, Migrator, UpOptions};
use prepnexus_storage::{ClusterConfig, NodeAddr, Secret, driver};

use crate::wait::wait_until;

/// What an administrator runs before the first migration.
const BOOTSTRAP: &str = include_str!("../../../deploy/postgres/bootstrap.sql");
/// The role that owns test databases. Not the usual name: a stack may have that one with a password of its own.
pub(crate) const OWNER: &str = "prepnexus_test_owner";
/// The role that has the API's rights in test databases.
pub(crate) const API: &str = "prepnexus_test_api";
/// The password of both.
pub(crate) const PASSWORD: &str = "it's a test";
/// Of the lock under which a template is made; "template" as a number.
const LOCK: i64 = 0x7465_6d70_6c61_7465;

/// Makes sure that the roles and the template are there, and gives the template's name.
pub(crate) async fn ensure(primary: &PgNode) -> anyhow::Result<String> {
    let name = name();
    if is_complete(primary, &name).await? {
        return Ok(name);
    }
    let config = config(std::slice::from_ref(primary), "postgres", "postgres");
    let limit = Duration::from_secs(10);
    // Dropping the session releases the lock.
    let session = driver::connect_primary(&config, "", limit).await?;
    let try_lock = async || {
        let row = session
            .client()
            .query_one("SELECT pg_try_advisory_lock($1)", &[&LOCK])
            .await;
        row.is_ok_and(|row| row.get(0))
    };
    wait_until("the template's lock", Duration::from_secs(60), try_lock).await;
    if !is_complete(primary, &name).await? {
        make(primary, &name).await.context("making the template")?;
    }
    Ok(name)
}

fn name() -> String {
    // FNV-1a over both: the fingerprint is a hash already.
    let bytes = Migrations::built_in().fingerprint() + BOOTSTRAP;
    let hash = bytes.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("template_{hash:016x}")
}

async fn is_complete(primary: &PgNode, name: &str) -> anyhow::Result<bool> {
    let sql = format!("SELECT 1 FROM pg_database WHERE datname = '{name}' AND datistemplate");
    Ok(psql(primary, "postgres", sql).await? == "1")
}

async fn make(primary: &PgNode, name: &str) -> anyhow::Result<()> {
    let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
    psql(primary, "postgres", drop).await?;
    psql(primary, "postgres", bootstrap(name)).await?;
    let owner = config(std::slice::from_ref(primary), name, OWNER);
    let migrator = Migrator::new(owner, Migrations::built_in())?;
    migrator.up(UpOptions::default(), &mut |_| {}).await?;
    let seal = format!("ALTER DATABASE {name} WITH IS_TEMPLATE true ALLOW_CONNECTIONS false");
    psql(primary, "postgres", seal).await?;
    Ok(())
}

/// The bootstrap script for a database, with its variables.
fn bootstrap(database: &str) -> String {
    let quoted = PASSWORD.replace('\'', "''");
    format!(
        "\\set owner {OWNER}\n\\set owner_password '{quoted}'\n\\set api_user {API}\n\
         \\set api_password '{quoted}'\n\\set database {database}\n{BOOTSTRAP}"
    )
}

/// How `user` reaches `database` on `nodes`.
pub(crate) fn config(nodes: &[PgNode], database: &str, user: &str) -> ClusterConfig {
    let address = |node: &PgNode| NodeAddr {
        host: node.host().to_owned(),
        port: node.port(),
    };
    ClusterConfig {
        nodes: nodes.iter().map(address).collect(),
        database: database.to_owned(),
        user: user.to_owned(),
        password: Some(Secret::new(PASSWORD)),
        application_name: "test".to_owned(),
        // A machine that runs many tests at once is slow to greet.
        connect_timeout: Duration::from_secs(10),
        ..ClusterConfig::default()
    }
}

/// Runs SQL as the superuser, without blocking the caller's runtime.
pub(crate) async fn psql(node: &PgNode, database: &str, sql: String) -> anyhow::Result<String> {
    let (node, database) = (node.clone(), database.to_owned());
    let ran = tokio::task::spawn_blocking(move || node.psql_db(&database, &sql)).await;
    Ok(ran.context("psql panicked")??)
}
