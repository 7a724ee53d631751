//! Restores for good: into a directory of its own, as a server to look things up in, or as the new primary.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::SignedDuration;
use prepnexus_storage::{Cluster, ClusterConfig, Freshness, ReadConn, backups};
use serde::Serialize;

use crate::{
    archive,
    copy::{Life, RestoredCopy},
    engine::{Engine, Restore, Target},
    error::Error,
    fence::{Fenced, fence},
};

/// What was archived so long after a moment has something in it that was written after the moment: a segment is archived
/// within a minute of its first record.
const LONG_AGO: SignedDuration = SignedDuration::from_mins(2);

/// What becomes of what is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Nothing is started.
    Files,
    /// A server to look things up in: it archives nothing, and takes part in nothing.
    Copy {
        /// Its port; one that is free if not said.
        port: Option<u16>,
    },
    /// The new primary, which is started by what starts servers here. The old one is closed first.
    Primary,
}

/// What was restored.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Restored {
    /// The data directory.
    pub data: PathBuf,
    /// How far it recovers.
    pub target: String,
    /// Where the server answers, where one was started.
    pub address: Option<String>,
    /// What became of the old primary, where it was to be closed.
    pub fenced: Option<String>,
    /// How long it took, in seconds, until it could be written where a server was started.
    pub seconds: f64,
}

/// What is to be restored, and for what.
#[derive(Debug, Clone)]
pub struct RestoreConfig {
    /// Where to.
    pub into: PathBuf,
    /// How far.
    pub target: Target,
    /// For what.
    pub purpose: Purpose,
    /// The longest that recovering may take.
    pub limit: Duration,
    /// The longest until what is wanted is in the repository.
    pub archive_limit: Duration,
}

/// Restores into a directory that is not there yet or is empty. Where the primary answers, it is waited until what is
/// wanted is in the repository.
///
/// # Errors
/// [`Error::Refused`] where the directory holds anything, and where nothing of the target is in the repository.
pub async fn restore(
    engine: &dyn Engine,
    cluster: &Cluster,
    config: &ClusterConfig,
    wanted: &RestoreConfig,
) -> Result<Restored, Error> {
    let RestoreConfig {
        into,
        target,
        purpose,
        limit,
        archive_limit,
    } = wanted;
    let started = Instant::now();
    make_empty(into)?;
    check_target(engine, *target).await?;
    let is_tried = matches!(purpose, Purpose::Copy { .. });
    if *target != Target::End && !is_tried {
        wait_until_archived(engine, cluster, *target, *archive_limit).await?;
    }
    let (fenced, target) = match purpose {
        Purpose::Primary => close(engine, config, *target, *archive_limit).await?,
        Purpose::Files | Purpose::Copy { .. } => (None, *target),
    };
    let request = Restore {
        into,
        backup: None,
        target,
        archives: *purpose == Purpose::Primary,
        cpus: 0,
    };
    engine.restore(&request).await?;
    let address = match purpose {
        Purpose::Copy { port } => {
            let mut copy = make_copy(into, *port, config)?;
            if let Err(error @ Error::Wrong(_)) = copy.recover(*limit).await {
                // Most often: what comes behind the target was not archived yet.
                tracing::info!(
                    error = error.chain(),
                    "trying once more, when more is archived"
                );
                copy.stop().await?;
                wait_until_archived(engine, cluster, target, *archive_limit).await?;
                copy.recover(*limit).await?;
            }
            Some(copy.config().nodes[0].to_string())
        }
        Purpose::Files | Purpose::Primary => None,
    };
    Ok(Restored {
        data: into.clone(),
        target: target.to_string(),
        address,
        fenced,
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// Waits until what comes behind the target is in the repository, without which a server does not see that it has
/// reached it: what was just written is archived within `archive_timeout`. Nothing where no primary answers.
async fn wait_until_archived(
    engine: &dyn Engine,
    cluster: &Cluster,
    target: Target,
    limit: Duration,
) -> Result<(), Error> {
    if let Target::Time(time) = target {
        let read = |conn: Arc<ReadConn>| async move { backups::overview(&conn, time).await };
        let asked = cluster
            .read_with(Freshness::Primary, cluster.deadline(), read)
            .await;
        let archived = asked.ok().and_then(|seen| seen.archiver.archived_at);
        if archived.is_some_and(|archived| archived > time + LONG_AGO) {
            return Ok(());
        }
    }
    match archive::mark(cluster).await {
        Ok(position) => archive::wait_for(engine, position, limit).await,
        Err(error) => {
            let error = error.chain();
            tracing::info!(error, "the primary is not waited for");
            Ok(())
        }
    }
}

/// Closes the old primary, and waits until all that was written to it is in the repository: what came of it, in words, and
/// how far to recover, which is to where it was closed if nothing else is wanted.
async fn close(
    engine: &dyn Engine,
    config: &ClusterConfig,
    target: Target,
    limit: Duration,
) -> Result<(Option<String>, Target), Error> {
    let (node, last, end) = match fence(config, limit).await? {
        Fenced::Closed { node, last, end } => (node, last, end),
        Fenced::NoPrimary => {
            let said = "no primary answers: see that the old one does not come back";
            return Ok((Some(said.into()), target));
        }
    };
    let database = &config.database;
    let closed = format!(
        "{node} takes no connections to {database} any more (ALTER DATABASE … ALLOW_CONNECTIONS true undoes that)"
    );
    tracing::warn!("{closed}");
    if target != Target::End {
        return Ok((Some(closed), target));
    }
    archive::wait_for(engine, end, limit).await?;
    let said = format!("{closed}; all that was written to it is restored");
    Ok((Some(said), Target::Lsn(last.lsn)))
}

/// What was restored, as a server that lives on.
fn make_copy(
    data: &Path,
    port: Option<u16>,
    config: &ClusterConfig,
) -> Result<RestoredCopy, Error> {
    let beside = data.join("prepnexus");
    fs::create_dir(&beside).map_err(Error::file("making", &beside))?;
    RestoredCopy::new(data, &beside, port, Life::OnItsOwn, config)
}

/// Makes the directory, or sees that it is empty: whatever is in one stays there.
fn make_empty(dir: &Path) -> Result<(), Error> {
    use std::os::unix::fs::DirBuilderExt as _;
    if !dir.is_absolute() {
        let text = format!("{dir:?}: expected an absolute path");
        return Err(Error::Refused(text));
    }
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir);
    made.map_err(Error::file("making", dir))?;
    let mut entries = fs::read_dir(dir).map_err(Error::file("reading", dir))?;
    if entries.next().is_none() {
        return Ok(());
    }
    let what = if dir.join("postmaster.pid").exists() {
        "a server runs on it"
    } else if dir.join("PG_VERSION").exists() {
        "it is a data directory"
    } else {
        "it is not empty"
    };
    let text = format!("{dir:?} is left as it is, for {what}: name another, or move it away");
    Err(Error::Refused(text))
}

/// The engine takes the earliest backup, and a server that can't recover so far back then fails late and obscurely.
async fn check_target(engine: &dyn Engine, target: Target) -> Result<(), Error> {
    let stanza = engine.info().await?;
    let mut sound = stanza.backups.iter().filter(|backup| !backup.damaged);
    let earliest = sound
        .next()
        .ok_or_else(|| Error::Refused("the repository has no backup".into()))?;
    let is_reached = match target {
        Target::End => true,
        // The engine wants a backup of an earlier second.
        Target::Time(time) => time.as_second() > earliest.stopped_at.as_second(),
        Target::Lsn(lsn) => lsn >= earliest.complete_at,
    };
    if is_reached {
        return Ok(());
    }
    let (from, lsn) = (earliest.stopped_at, earliest.complete_at);
    let text = format!(
        "{target} is before the end of the first backup, {from} ({lsn}): nothing earlier can be recovered"
    );
    Err(Error::Refused(text))
}
