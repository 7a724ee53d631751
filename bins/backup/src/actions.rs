//! What is done about backups, each ending in a record: by hand and by the schedule alike.

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use prepnexus_backup::{
    BackupKind, Drill, DrillConfig, Engine, Error, Journal, PgBackRest, Reads, Runner,
    Verification, drill, run_id,
};
use prepnexus_domain::clock::{Clock, SystemClock};
use prepnexus_settings::BackupSettings;
use prepnexus_storage::{
    Cluster, ClusterConfig, NodeState, Role,
    backups::{Action, Run},
};
use serde_json::{Value, json};

use crate::reads::ServiceReads;

/// The file of all runs, in the state directory.
const JOURNAL: &str = "runs.ndjson";

/// The engine and the database, and how they are used.
#[derive(Clone)]
pub(crate) struct Actions {
    pub(crate) engine: PgBackRest,
    pub(crate) cluster: Cluster,
    pub(crate) config: ClusterConfig,
    pub(crate) journal: Journal,
    pub(crate) name: String,
    settings: Arc<BackupSettings>,
}

/// What came of an action.
#[derive(Debug, Default)]
struct Outcome {
    label: Option<String>,
    recovery_point_seconds: Option<f64>,
    recovery_time_seconds: Option<f64>,
    details: Value,
}

impl Actions {
    pub(crate) fn new(settings: &BackupSettings, config: ClusterConfig) -> anyhow::Result<Self> {
        let mut engine = PgBackRest::new(&settings.backup_stanza).with_limit(settings.backup_limit);
        if let Some(file) = &settings.backup_config {
            engine = engine.with_config(file);
        }
        Ok(Self {
            engine,
            cluster: Cluster::start(&config)?,
            config,
            journal: Journal::new(settings.backup_state_dir.join(JOURNAL)),
            name: name(),
            settings: Arc::new(settings.clone()),
        })
    }

    /// Does it, and records what came of it in the file, and in the database if that can be reached.
    pub(crate) async fn record(&self, action: Action) -> Result<Run, Error> {
        let run = self.run(action).await;
        self.journal.append(&run)?;
        if let Err(error) = self.journal.enter(&self.cluster).await {
            let error = error.chain();
            tracing::warn!(
                error,
                "it is recorded in the file alone, and entered into the database later"
            );
        }
        Ok(run)
    }

    async fn outcome(&self, action: Action) -> Result<Outcome, Error> {
        match action {
            Action::Full => self.backup(BackupKind::Full).await,
            Action::Differential => self.backup(BackupKind::Differential).await,
            Action::Incremental => self.backup(BackupKind::Incremental).await,
            Action::Verify => {
                let found = self.engine.verify().await?;
                if !found.is_well() {
                    return Err(Error::Wrong(found.summary()));
                }
                let Verification { files, .. } = found;
                Ok(Outcome {
                    details: json!({ "files": files }),
                    ..Outcome::default()
                })
            }
            Action::Drill => {
                let found = self.drill(&ServiceReads).await?;
                Ok(Outcome {
                    label: Some(found.label.clone()),
                    recovery_point_seconds: found.recovery_point_seconds,
                    recovery_time_seconds: Some(found.recovery_time_seconds),
                    details: json!(found),
                })
            }
            Action::Expire => {
                let removed = self.engine.expire(false).await?;
                let removed: Vec<&str> = removed.lines().collect();
                Ok(Outcome {
                    details: json!({ "removed": removed }),
                    ..Outcome::default()
                })
            }
        }
    }

    async fn backup(&self, kind: BackupKind) -> Result<Outcome, Error> {
        let standby = self.settings.backup_from_standby && self.has_standby().await;
        let before = self.engine.info().await?;
        self.engine.backup(kind, standby).await?;
        let stanza = self.engine.info().await?;
        let new = stanza
            .backups
            .last()
            .filter(|new| !before.backups.contains(new));
        let new = new.ok_or_else(|| {
            Error::Wrong("pgBackRest says that it made a backup, and there is none".into())
        })?;
        if new.damaged {
            return Err(Error::Wrong(format!(
                "pages are damaged, says pgBackRest of {}",
                new.label
            )));
        }
        let details = json!({
            "database_bytes": new.database_bytes, "repository_bytes": new.repository_bytes,
            "from_standby": standby, "kind": new.kind,
        });
        Ok(Outcome {
            label: Some(new.label.clone()),
            details,
            ..Outcome::default()
        })
    }

    /// Whether a standby is up.
    async fn has_standby(&self) -> bool {
        let _looked = self.cluster.wait_for_primary(self.cluster.deadline()).await;
        let topology = self.cluster.topology();
        let mut nodes = topology.nodes.iter();
        nodes.any(|node| node.role == Role::Replica && node.state == NodeState::Up)
    }

    async fn drill(&self, reads: &dyn Reads) -> Result<Drill, Error> {
        let settings = &self.settings;
        let mib = u64::try_from(settings.backup_free_mib).unwrap_or(u64::MAX >> 20);
        let how = DrillConfig {
            scratch_root: settings.backup_state_dir.clone(),
            keeper: vec![PathBuf::from("/proc/self/exe"), crate::KEEP.into()],
            cpus: settings.backup_drill_cpus,
            free_bytes: mib << 20,
            limit: settings.backup_limit,
            archive_limit: settings.backup_archive_limit,
            superuser: settings.backup_superuser.clone(),
        };
        drill(&self.engine, &self.cluster, &self.config, &how, reads).await
    }
}

#[async_trait]
impl Runner for Actions {
    async fn run(&self, action: Action) -> Run {
        let started_at = SystemClock.now();
        let outcome = self.outcome(action).await;
        let ended_at = SystemClock.now().max(started_at);
        let (outcome, error) = match outcome {
            Ok(outcome) => (outcome, None),
            Err(error) => (Outcome::default(), Some(error.chain())),
        };
        Run {
            id: run_id(action, started_at, &self.name),
            action,
            runner: self.name.clone(),
            started_at,
            ended_at,
            error,
            label: outcome.label,
            recovery_point_seconds: outcome.recovery_point_seconds,
            recovery_time_seconds: outcome.recovery_time_seconds,
            details: outcome.details,
        }
    }
}

/// This process's name, which no other one has: its machine's and its number.
fn name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}-{}", host.trim(), std::process::id())
}
