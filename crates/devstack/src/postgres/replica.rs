//! Roles: following a primary, becoming one, coming back as a replica.

use std::fs;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::error::{During, Result};
use crate::layout::make_private;
use crate::postgres::PgNode;
use crate::tool;
use crate::wait::wait_until;

const LIMIT: Duration = Duration::from_secs(60);

/// All that the server has written. Not the insert position: at the start of a page that lies past a header that no replica
/// replays until the next record. So the commit of a message that means
/// nothing first brings everything to the disk.
const WRITTEN: &str = "\
SELECT pg_is_in_recovery() AS replica \\gset
\\if :replica
SELECT pg_last_wal_replay_lsn();
\\else
SET synchronous_commit = local;
SELECT pg_logical_emit_message(true, 'devstack', '') \\g /dev/null
SELECT pg_current_wal_flush_lsn();
\\endif
";

/// How a node came back: see [`PgNode::rejoin_as_replica_of`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejoin {
    /// `pg_rewind` undid what only this node had.
    Rewound,
    /// Everything was copied anew.
    Copied,
}

impl PgNode {
    /// Makes a replica the primary and returns when it accepts writes. Its former primary is left as it is, and so are the
    /// replicas that followed that: see [`PgNode::follow`] and [`PgNode::rejoin_as_replica_of`].
    ///
    /// # Errors
    /// [`Error::Tool`](crate::Error::Tool) when it is a primary already; [`Error::Timeout`](crate::Error::Timeout).
    pub fn promote(&self) -> Result<()> {
        self.psql_within(LIMIT, "postgres", "SELECT pg_promote(true, 60)")?;
        wait_until(&format!("promotion of {}", self.name()), LIMIT, || {
            Ok(self.psql("SELECT pg_is_in_recovery()")? == "f")
        })?;
        // Without it pg_rewind may find the old timeline in the control file, and say that nothing need be done.
        self.psql("CHECKPOINT").map(drop)
    }

    /// Makes a running replica follow another primary, without a restart.
    ///
    /// # Errors
    /// [`Error::Tool`](crate::Error::Tool) when `primary` does not answer.
    pub fn follow(&self, primary: &PgNode) -> Result<()> {
        self.reserve_slot_on(primary)?;
        self.change_conf(|conf| conf.upstream = primary.port())?;
        self.reload();
        Ok(())
    }

    /// Waits until this replica has replayed all that `primary` had written when this was called.
    ///
    /// # Errors
    /// [`Error::Timeout`](crate::Error::Timeout) after 60 s.
    pub fn wait_caught_up_with(&self, primary: &PgNode) -> Result<()> {
        let position = primary.psql(WRITTEN)?;
        let question =
            format!("SELECT coalesce(pg_last_wal_replay_lsn() >= '{position}'::pg_lsn, false)");
        let what = format!("{} replaying up to {position}", self.name());
        wait_until(&what, LIMIT, || Ok(self.psql(&question)? == "t"))
    }

    /// Makes this node, whatever it was and in whatever state, a running replica of `primary`: by `pg_rewind`, which undoes
    /// what only this node has, or by a new copy of everything where that cannot be done.
    ///
    /// # Errors
    /// [`Error::Tool`](crate::Error::Tool) when `primary` does not answer; errors of stopping and starting.
    pub fn rejoin_as_replica_of(&self, primary: &PgNode) -> Result<Rejoin> {
        self.stop()?;
        let how = {
            let _turn = self.lifecycle();
            self.clear_remains();
            primary.psql("CHECKPOINT")?;
            let how = match self.rewind_to(primary) {
                Ok(()) => Rejoin::Rewound,
                Err(_) => {
                    self.copy_from(primary)?;
                    Rejoin::Copied
                }
            };
            self.forget_own_slots()?;
            self.mark_as_standby()?;
            how
        };
        self.reserve_slot_on(primary)?;
        self.change_conf(|conf| conf.upstream = primary.port())?;
        self.start_on_any_port()?;
        Ok(how)
    }

    /// Makes the data directory anew as a copy of a running primary's.
    pub(crate) fn copy_from(&self, primary: &PgNode) -> Result<()> {
        let unfinished = self.data_dir().with_extension("new");
        let _ = fs::remove_dir_all(&unfinished);
        make_private(&unfinished, self.account())?;
        let mut backup = self
            .account()
            .tool(&self.inner.shared.postgres.program("pg_basebackup"));
        backup.arg("--pgdata").arg(&unfinished);
        backup.args([
            "--checkpoint=fast",
            "--wal-method=stream",
            "--no-sync",
            "--no-password",
        ]);
        backup.args(["--host", primary.host(), "--username=postgres"]);
        backup.arg(format!("--port={}", primary.port()));
        tool::run(backup, "pg_basebackup", "", 10 * LIMIT)?;
        let data = self.data_dir();
        let _ = fs::remove_dir_all(data);
        fs::rename(&unfinished, data).during(|| format!("make {}", data.display()))
    }

    /// The next start begins as a standby.
    pub(crate) fn mark_as_standby(&self) -> Result<()> {
        let signal = self.data_dir().join("standby.signal");
        fs::write(&signal, "").during(|| format!("write {}", signal.display()))?;
        self.account().give(&signal)
    }

    /// Sets whom a standby follows, before its start or for a running one.
    pub(crate) fn set_upstream(&self, primary: &PgNode) -> Result<()> {
        let port = primary.port();
        if self.conf().upstream == port {
            return Ok(());
        }
        self.change_conf(|conf| conf.upstream = port)?;
        self.reload();
        Ok(())
    }

    /// Makes `primary` keep the log that this node has not received yet.
    pub(crate) fn reserve_slot_on(&self, primary: &PgNode) -> Result<()> {
        let name = self.name();
        let sql = format!(
            "SELECT pg_create_physical_replication_slot('{name}') WHERE NOT EXISTS \
             (SELECT FROM pg_replication_slots WHERE slot_name = '{name}')"
        );
        primary.psql(&sql).map(drop)
    }

    fn rewind_to(&self, primary: &PgNode) -> Result<()> {
        let mut rewind = self
            .account()
            .tool(&self.inner.shared.postgres.program("pg_rewind"));
        rewind.arg("--target-pgdata").arg(self.data_dir());
        let (host, port) = (primary.host(), primary.port());
        rewind.arg(format!(
            "--source-server=host={host} port={port} user=postgres dbname=postgres"
        ));
        rewind.arg("--no-sync");
        let result = tool::run(rewind, "pg_rewind", "", 10 * LIMIT);
        // It recovers a crashed server in a process of its own, which must not outlive a failure.
        self.signal_all(Signal::SIGKILL);
        result.map(drop)
    }

    /// Slots that replicas had on this node while it was a primary would keep its log for ever.
    fn forget_own_slots(&self) -> Result<()> {
        let slots = self.data_dir().join("pg_replslot");
        let entries = fs::read_dir(&slots).during(|| format!("read {}", slots.display()))?;
        for entry in entries.flatten() {
            let path = entry.path();
            fs::remove_dir_all(&path).during(|| format!("remove {}", path.display()))?;
        }
        Ok(())
    }
}
