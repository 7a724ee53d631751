//! A database for one test.

use std::time::Duration;

use prepnexus_devstack::{PgNode, Stack};
use prepnexus_storage::ClusterConfig;
use tokio::sync::OnceCell;

use crate::{
    shared::stack,
    template::{self, API, OWNER},
};

/// A database that nobody else uses. Dropping the value drops the database, whoever is still connected.
#[derive(Debug)]
pub struct TestDb {
    nodes: Vec<PgNode>,
    database: String,
}

impl TestDb {
    /// A migrated database on the shared stack.
    ///
    /// # Panics
    /// When it can't be made.
    pub async fn new() -> Self {
        let (nodes, template) = shared_template().await;
        Self::create(nodes, Some(&template)).await
    }

    /// A database on the shared stack as an administrator makes it: owned by the owner, with nothing in it.
    ///
    /// # Panics
    /// When it can't be made.
    pub async fn empty() -> Self {
        let (nodes, _template) = shared_template().await;
        Self::create(nodes, None).await
    }

    /// A migrated database on a stack of the test's own.
    ///
    /// # Panics
    /// When it can't be made.
    pub async fn on(stack: &Stack) -> Self {
        let template = ensure(stack.primary()).await;
        Self::create(stack.nodes().to_vec(), Some(&template)).await
    }

    /// The database's name.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The primary alone, as the API's role.
    #[must_use]
    pub fn config(&self) -> ClusterConfig {
        template::config(&self.nodes[..1], &self.database, API)
    }

    /// The primary and its replicas, as the API's role. A replica learns of the database a moment after it was made.
    #[must_use]
    pub fn config_with_replicas(&self) -> ClusterConfig {
        template::config(&self.nodes, &self.database, API)
    }

    /// The primary alone, as the role that owns the schema.
    #[must_use]
    pub fn owner_config(&self) -> ClusterConfig {
        template::config(&self.nodes[..1], &self.database, OWNER)
    }

    /// Runs SQL on the primary as the superuser. Gives rows by line, columns separated by `|`.
    ///
    /// # Panics
    /// With the server's message when a statement fails.
    pub async fn psql(&self, sql: &str) -> String {
        let ran = template::psql(&self.nodes[0], &self.database, sql.to_owned()).await;
        ran.unwrap_or_else(|error| panic!("{sql}: {error:#}"))
    }

    async fn create(nodes: Vec<PgNode>, template: Option<&str>) -> Self {
        let database = format!("test_{:016x}", fastrand::u64(..));
        let template = template.unwrap_or("template0");
        // A clone has the template's contents, not its grants.
        let sql = format!(
            "CREATE DATABASE {database} OWNER {OWNER} TEMPLATE {template};
             REVOKE ALL ON DATABASE {database} FROM PUBLIC;
             GRANT CONNECT ON DATABASE {database} TO prepnexus_api"
        );
        let made = template::psql(&nodes[0], "postgres", sql).await;
        if let Err(error) = made {
            panic!("no database for a test: {error:#}");
        }
        Self { nodes, database }
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.database);
        // A test may have stopped or frozen a server of its own; the database then goes with the server.
        let _dropped = self.nodes[0].psql_within(Duration::from_secs(5), "postgres", &sql);
    }
}

/// The shared stack's nodes, and its template's name.
async fn shared_template() -> (Vec<PgNode>, String) {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    let started = tokio::task::spawn_blocking(stack).await;
    let stack = started.expect("stack() was not cancelled, and its panic says why");
    let template = TEMPLATE.get_or_init(|| ensure(stack.primary())).await;
    (stack.nodes().to_vec(), template.clone())
}

async fn ensure(primary: &PgNode) -> String {
    match template::ensure(primary).await {
        Ok(name) => name,
        Err(error) => panic!("no template for test databases: {error:#}"),
    }
}
