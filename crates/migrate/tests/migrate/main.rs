//! Migrations and loads against a real server, each test in a database of its own.

mod generate;
mod lock;
mod roles;
mod schema;
mod seed;
mod up;

use std::time::Duration;

use prepnexus_migrate::{Migrations, Migrator};
use prepnexus_storage::{
    ClusterConfig,
    driver::{self, Connected},
};
use prepnexus_testkit::TestDb;

/// A migrator of the built-in files, as the owner.
fn migrator(db: &TestDb) -> Migrator {
    Migrator::new(db.owner_config(), Migrations::built_in()).expect("usable settings")
}

/// A connection of one's own.
async fn connect(config: &ClusterConfig) -> Connected {
    let limit = Duration::from_secs(10);
    driver::connect_primary(config, "", limit)
        .await
        .expect("a connection")
}

/// The SQLSTATE with which the server refuses `sql`, and the constraint's name where it is one.
async fn refusal(connected: &Connected, sql: &str) -> String {
    let Err(error) = connected.client().batch_execute(sql).await else {
        panic!("was not refused: {sql}");
    };
    let error = error.as_db_error().expect("an answer of the server");
    match error.constraint() {
        Some(constraint) => format!("{} {constraint}", error.code().code()),
        None => error.code().code().to_owned(),
    }
}
