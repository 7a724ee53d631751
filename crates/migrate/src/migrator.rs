//! Applying what is pending, and saying what is.

use std::{fmt, time::Duration};

use prepnexus_storage::ClusterConfig;
use tokio::time::timeout;

use crate::{
    apply::{Application, run, send_own},
    error::Error,
    file::{Migration, Migrations, file_name},
    lint::Finding,
    lock::{self, Runner},
    plan::{Planned, plan},
    poll::Patience,
    progress::{OnProgress, Progress},
    record::{self, Status},
    session::Session,
};

/// How [`Migrator::up`] runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpOptions {
    /// Plan only: no lock, no change.
    pub dry_run: bool,
    /// How long another runner may hold the lock.
    pub lock_wait: Duration,
    /// How long what others' locks stand in the way of is tried again.
    pub retry: Duration,
}

impl Default for UpOptions {
    fn default() -> Self {
        Self {
            dry_run: false,
            lock_wait: Duration::from_secs(60),
            retry: Duration::from_mins(10),
        }
    }
}

/// What [`Migrator::up`] did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UpReport {
    /// What was pending at the start, each with its statements.
    pub planned: Vec<Planned>,
    /// What was applied: all of it, or nothing on a dry run.
    pub applied: Vec<Applied>,
}

/// A file that was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Its version.
    pub version: i32,
    /// Its name, without the version.
    pub name: String,
    /// How long it took.
    pub took: Duration,
}

impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&file_name(self.version, &self.name))
    }
}

/// Runs migrations and loads against one database.
#[derive(Debug, Clone)]
pub struct Migrator {
    config: ClusterConfig,
    migrations: Migrations,
}

impl Migrator {
    /// A migrator for the database of `config`, which logs in as the owner of the schema.
    ///
    /// # Errors
    /// [`Error::Connect`] when the settings can't be used.
    pub fn new(config: ClusterConfig, migrations: Migrations) -> Result<Self, Error> {
        config
            .validate()
            .map_err(|e| Error::Connect(prepnexus_storage::Error::Config(e.to_string())))?;
        Ok(Self { config, migrations })
    }

    /// The files.
    #[must_use]
    pub fn migrations(&self) -> &Migrations {
        &self.migrations
    }

    pub(crate) fn config(&self) -> &ClusterConfig {
        &self.config
    }

    /// Applies what is pending, in order, each file in a transaction of its own or, where the file says so, each of its
    /// statements. What was applied before a failure stays; a run that was killed is finished by the next one.
    ///
    /// # Errors
    /// Any [`Error`] but those of seeds; [`Error::Failed`] names the file and the line.
    pub async fn up(
        &self,
        options: UpOptions,
        progress: OnProgress<'_>,
    ) -> Result<UpReport, Error> {
        if options.dry_run {
            let session = self.session().await?;
            let planned = self.plan(&session, &Patience::of(Duration::ZERO)).await?;
            return Ok(UpReport {
                planned,
                applied: Vec::new(),
            });
        }
        let runner = Runner::start(&self.config, options.lock_wait, progress).await?;
        let planned = self.plan(&runner.work, &Patience::endless()).await?;
        let mut applied = Vec::new();
        for step in &planned {
            let Some(migration) = &step.migration else {
                for unit in &step.units {
                    send_own(&runner, unit).await?;
                }
                continue;
            };
            progress(Progress::Applying {
                file: migration.to_string(),
            });
            let application = Application {
                runner: &runner,
                migration,
                retry: options.retry,
            };
            let took = application.send(&step.units, progress).await?;
            progress(Progress::Applied {
                file: migration.to_string(),
                took,
            });
            applied.push(Applied {
                version: migration.version,
                name: migration.name.clone(),
                took,
            });
        }
        Ok(UpReport { planned, applied })
    }

    async fn plan(&self, session: &Session, patience: &Patience) -> Result<Vec<Planned>, Error> {
        let status = self.compared(session).await?;
        status.check()?;
        let pending = status.pending.iter();
        let unsafe_ones: Vec<Finding> = pending.flat_map(Migration::lint).collect();
        if !unsafe_ones.is_empty() {
            return Err(Error::Unsafe(unsafe_ones));
        }
        plan(session, &status, patience).await
    }

    /// How the database and the files compare. Changes nothing.
    ///
    /// # Errors
    /// [`Error::Connect`] or [`Error::Query`].
    pub async fn status(&self) -> Result<Status, Error> {
        let session = self.session().await?;
        self.compared(&session).await
    }

    /// Waits until the primary answers a query.
    ///
    /// # Errors
    /// [`Error::TimedOut`], with what the last attempt saw.
    pub async fn wait(&self, limit: Duration) -> Result<(), Error> {
        let patience = Patience::of(limit);
        loop {
            // An attempt must not use up all the time, nor a silent node the attempt.
            let shortest = Duration::from_millis(100);
            let attempt = patience
                .left()
                .min(self.config.connect_timeout)
                .max(shortest);
            let last_seen = match timeout(attempt, self.ask(attempt)).await {
                Ok(Ok(())) => return Ok(()),
                // That does not pass.
                Ok(Err(error @ Error::Pooler { .. })) => return Err(error),
                Ok(Err(error)) => error.chain(),
                Err(_) => "no answer in time".to_owned(),
            };
            if !patience.pause().await {
                return Err(Error::TimedOut {
                    waited: limit,
                    last_seen,
                });
            }
        }
    }

    async fn ask(&self, limit: Duration) -> Result<(), Error> {
        let shares = u32::try_from(self.config.nodes.len() + 1).unwrap_or(u32::MAX);
        let session = Session::open(&self.config, limit / shares).await?;
        run(&session, "SELECT 1", "asking").await
    }

    /// A connection to the primary, under the lock.
    pub(crate) async fn locked_session(
        &self,
        lock_wait: Duration,
        progress: OnProgress<'_>,
    ) -> Result<Session, Error> {
        let session = self.session().await?;
        lock::acquire(&session, lock_wait, progress).await?;
        Ok(session)
    }

    pub(crate) async fn session(&self) -> Result<Session, Error> {
        Session::open(&self.config, self.config.connect_timeout).await
    }

    pub(crate) async fn compared(&self, session: &Session) -> Result<Status, Error> {
        let applied = record::list(session).await?;
        Ok(Status::compare(applied, &self.migrations))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prepnexus_domain::SystemClock;
    use prepnexus_storage::ClusterConfig;

    use super::{Migrations, Migrator, UpOptions};
    use crate::{GenerateOptions, SeedOptions, load::PreparedPost};

    #[test]
    fn everything_can_be_spawned() {
        fn assert_send(_: impl Send) {}
        let migrator = Migrator::new(ClusterConfig::default(), Migrations::built_in()).unwrap();
        let options = SeedOptions::default();
        assert_send(migrator.up(UpOptions::default(), &mut |_| {}));
        assert_send(migrator.status());
        assert_send(migrator.wait(Duration::ZERO));
        assert_send(migrator.seed(b"".as_slice(), &options, &SystemClock, &mut |_| {}));
        assert_send(migrator.generate(GenerateOptions::new(1), &mut |_| {}));
        assert_send(migrator.load(Vec::<PreparedPost>::new(), &mut |_| {}));
    }
}
