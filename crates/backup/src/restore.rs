//! Restores for good: into a directory of its own, as a server to look things up in, or as the new primary.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use prepnexus_storage::ClusterConfig;
use serde::Serialize;

use crate::{
    copy::{Life, RestoredCopy},
    engine::{Engine, Restore, Target},
    error::Error,
    fence::{Fenced, fence},
};

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

/// Restores into `into`, which is not there yet or is empty.
///
/// # Errors
/// [`Error::Refused`] where `into` holds anything, and where nothing of the target is in the repository.
pub async fn restore(
    engine: &dyn Engine,
    config: &ClusterConfig,
    into: &Path,
    target: Target,
    purpose: Purpose,
    limit: Duration,
) -> Result<Restored, Error> {
    let started = Instant::now();
    make_empty(into)?;
    check_target(engine, target).await?;
    let fenced = match purpose {
        Purpose::Primary => Some(match fence(config).await? {
            Fenced::Closed(node) => format!(
                "{node} takes no connections to {} any more (ALTER DATABASE … ALLOW_CONNECTIONS true undoes that)",
                config.database
            ),
            Fenced::NoPrimary => {
                "no primary answers: see that the old one does not come back".to_owned()
            }
        }),
        Purpose::Files | Purpose::Copy { .. } => None,
    };
    let request = Restore {
        into,
        backup: None,
        target,
        archives: purpose == Purpose::Primary,
        cpus: 0,
    };
    engine.restore(&request).await?;
    let address = match purpose {
        Purpose::Copy { port } => Some(start(into, port, config, limit).await?),
        Purpose::Files | Purpose::Primary => None,
    };
    Ok(Restored {
        data: into.to_owned(),
        target: target.to_string(),
        address,
        fenced,
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// Starts a server on it that lives on; its address.
async fn start(
    data: &Path,
    port: Option<u16>,
    config: &ClusterConfig,
    limit: Duration,
) -> Result<String, Error> {
    let beside = data.join("prepnexus");
    fs::create_dir(&beside).map_err(Error::file("making", &beside))?;
    let mut copy = RestoredCopy::new(data, &beside, port, Life::OnItsOwn, config)?;
    copy.recover(limit).await?;
    Ok(copy.config().nodes[0].to_string())
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
