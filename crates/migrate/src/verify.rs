//! Whether a database is what its migrations make: they are run in a scratch database beside it, and the two schemas compared.

use std::time::Duration;

use prepnexus_storage::ClusterConfig;
use tokio_postgres::Client;

use crate::{
    apply::run,
    error::Error,
    file::Migrations,
    lock,
    migrator::{Migrator, UpOptions},
    progress::OnProgress,
    record,
    schema::{self, Difference, Schema},
    session::Session,
};

/// How [`Migrator::baseline`] runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BaselineOptions {
    /// The last migration that the database is to have.
    pub version: i32,
    /// Records it although the schemas differ.
    pub accept_differences: bool,
    /// How long another runner may hold the lock.
    pub lock_wait: Duration,
}

impl Migrator {
    /// How the schema differs from what the applied migrations make. They are run in a new database on the same server,
    /// which is dropped afterwards; the role must be allowed to make one (`CREATEDB`).
    ///
    /// # Errors
    /// [`Error::Changed`] and others of [`Status::check`](crate::Status::check) where the files are not those that were
    /// applied; [`Error::Connect`] or [`Error::Query`].
    pub async fn verify(&self) -> Result<Vec<Difference>, Error> {
        let session = self.session().await?;
        let status = self.compared(&session).await?;
        status.check()?;
        let migrations = self.migrations().up_to(status.applied.len());
        let expected = self.afresh(&session, migrations).await?;
        Ok(schema::compare(
            &expected,
            &schema::describe(&session).await?,
        ))
    }

    /// Records migrations up to a version as applied, for a database that has their schema and no records: one that was made
    /// by hand or by another tool.
    ///
    /// # Errors
    /// [`Error::NoSuchVersion`]; [`Error::HasRecords`]; [`Error::Differs`] where the schema is another one.
    pub async fn baseline(
        &self,
        options: BaselineOptions,
        progress: OnProgress<'_>,
    ) -> Result<(), Error> {
        let count = usize::try_from(options.version).unwrap_or(0);
        if count == 0 || count > self.migrations().list().len() {
            return Err(Error::NoSuchVersion(options.version));
        }
        let session = self.session().await?;
        lock::acquire(&session, options.lock_wait, progress).await?;
        if !record::list(&session).await?.is_empty() {
            return Err(Error::HasRecords);
        }
        let migrations = self.migrations().up_to(count);
        let expected = self.afresh(&session, migrations.clone()).await?;
        let differences = schema::compare(&expected, &schema::describe(&session).await?);
        if !(differences.is_empty() || options.accept_differences) {
            return Err(Error::Differs(differences));
        }
        let mut statements = vec!["BEGIN".to_owned(), record::CREATE_TABLE.to_owned()];
        statements.extend(migrations.list().iter().map(record::insert_unrun));
        statements.extend([record::GRANT.to_owned(), "COMMIT".to_owned()]);
        run(&session, &statements.join(";\n"), "recording what is there").await
    }

    /// The schema that `migrations` make of nothing.
    async fn afresh(&self, session: &Session, migrations: Migrations) -> Result<Schema, Error> {
        let scratch = Scratch::make(session, &self.config().database).await?;
        let config = ClusterConfig {
            database: scratch.name.clone(),
            ..self.config().clone()
        };
        let described = async {
            let migrator = Self::new(config, migrations)?;
            migrator.up(UpOptions::default(), &mut |_| {}).await?;
            schema::describe(&migrator.session().await?).await
        };
        let described = described.await;
        let dropped = scratch.drop(session).await;
        let described = described?;
        dropped.map(|()| described)
    }
}

/// A database for a moment.
struct Scratch {
    name: String,
}

impl Scratch {
    /// Makes one, and removes those that a killed run has left behind: nobody is connected to them.
    async fn make(session: &Session, beside: &str) -> Result<Self, Error> {
        // A name has 63 bytes at most.
        let beside: String = beside.chars().filter(char::is_ascii).take(38).collect();
        let stem = format!("{beside}_scratch_");
        for name in abandoned(session.client(), &stem).await? {
            let sql = format!("DROP DATABASE IF EXISTS {}", quoted(&name));
            // Another run may have begun to use it just now.
            let _dropped = session.client().batch_execute(&sql).await;
        }
        let name = format!("{stem}{:016x}", fastrand::u64(..));
        let sql = format!("CREATE DATABASE {} TEMPLATE template0", quoted(&name));
        run(session, &sql, "making a scratch database").await?;
        Ok(Self { name })
    }

    async fn drop(self, session: &Session) -> Result<(), Error> {
        let sql = format!("DROP DATABASE {} WITH (FORCE)", quoted(&self.name));
        run(session, &sql, "dropping the scratch database").await
    }
}

async fn abandoned(client: &Client, stem: &str) -> Result<Vec<String>, Error> {
    const SQL: &str = "SELECT datname::text FROM pg_database d
        WHERE starts_with(datname, $1) AND pg_get_userbyid(datdba) = current_user
          AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.datid = d.oid)";
    let rows = client.query(SQL, &[&stem]).await;
    let rows = rows.map_err(|e| Error::query("looking for scratch databases", &e))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
