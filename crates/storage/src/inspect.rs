//! What PostgreSQL's own statistics say of tables and indexes, how it would run what was slow, and what follows from that.
//!
//! [`Cluster::inspect`] asks every node that is there, since each counts what it was asked itself: an index that no replica
//! uses may be the primary's, and the other way round. It asks for little, under a deadline, and is to be called by a task now
//! and then, not by a request. Nothing is run to be measured: EXPLAIN, never ANALYZE, on a replica where there is one.

mod advice;
mod plan;
mod statistics;

use std::time::{Duration, Instant};

use jiff::Timestamp;

pub use self::advice::{Advice, Kind};
pub use crate::slow::{QueryPlan, SlowQuery};
use crate::{
    cluster::Cluster,
    deadline::Deadline,
    error::Error,
    read::ReadConn,
    topology::{NodeState, Role},
};

/// Plans that are asked for at a time.
const PLANS: usize = 3;
/// A plan is asked for again after this time.
const PLAN_AGE: Duration = Duration::from_secs(600);

/// What an inspection found.
#[derive(Debug, Clone, Default)]
pub struct Inspection {
    /// The nodes that answered.
    pub nodes: Vec<NodeAnswer>,
    /// Whether all nodes of the configuration did.
    pub is_complete: bool,
    /// The tables, the largest first.
    pub tables: Vec<TableStatistics>,
    /// The indexes, the largest first.
    pub indexes: Vec<IndexStatistics>,
    /// What took long in this process since it began.
    pub slow: Vec<SlowQuery>,
}

/// A node that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeAnswer {
    /// Its address.
    pub node: String,
    /// Since when it has counted.
    pub counts_since: Timestamp,
}

/// A table: sizes as of the primary or, without one, of a replica; counts of all nodes that answered.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TableStatistics {
    /// Its name.
    pub name: String,
    /// Its size with indexes and long values, in bytes.
    pub bytes: i64,
    /// How many rows it has, by estimate.
    pub live_rows: i64,
    /// Former versions of rows that take up room, by estimate.
    pub dead_rows: i64,
    /// How often it was read from end to end.
    pub sequential_scans: i64,
    /// How many rows that were.
    pub sequential_rows: i64,
    /// How often an index of it was used.
    pub index_scans: i64,
    /// When it was last cleared of dead rows.
    pub vacuumed_at: Option<Timestamp>,
}

/// An index.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IndexStatistics {
    /// Its name.
    pub name: String,
    /// Its table's.
    pub table: String,
    /// Its size in bytes.
    pub bytes: i64,
    /// How often it was used.
    pub scans: i64,
    /// Whether it upholds a constraint, so that it is needed though nobody reads by it.
    pub is_constraint: bool,
    /// Whether it can be used: one whose building was broken off can't.
    pub is_valid: bool,
}

impl Cluster {
    /// Asks each node that is up for its statistics, and one of them how it would run what was slow.
    ///
    /// # Errors
    /// [`Error`] of the last node that failed, where none answered.
    pub async fn inspect(&self, deadline: Deadline) -> Result<Inspection, Error> {
        let mut found = Inspection {
            is_complete: true,
            ..Inspection::default()
        };
        let mut failed = None;
        let topology = self.topology();
        // The primary first: its sizes are kept.
        let mut order: Vec<usize> = (0..topology.nodes.len()).collect();
        order.sort_by_key(|index| topology.nodes[*index].role != Role::Primary);
        for index in order {
            let view = &topology.nodes[index];
            if view.state == NodeState::Up {
                match self.ask(index, view.role, deadline, &mut found).await {
                    Ok(()) => continue,
                    Err(error) => failed = Some(error),
                }
            }
            found.is_complete = false;
        }
        if found.nodes.is_empty() {
            return Err(failed.unwrap_or_else(|| self.no("node")));
        }
        self.explain_slow(deadline).await;
        found.slow = self.slow().list();
        found.sort();
        Ok(found)
    }

    async fn ask(
        &self,
        index: usize,
        role: Role,
        deadline: Deadline,
        found: &mut Inspection,
    ) -> Result<(), Error> {
        let conn = self.connect_to(index, role, deadline).await?;
        let answer = statistics::counts_since(&conn).await?;
        let (tables, indexes) = (
            statistics::tables(&conn).await?,
            statistics::indexes(&conn).await?,
        );
        found.nodes.push(answer);
        found.take_in(tables, indexes);
        Ok(())
    }

    /// Asks how what was slow would be run, of a few.
    async fn explain_slow(&self, deadline: Deadline) {
        let wanted = self.slow().unexplained(PLANS, PLAN_AGE, Instant::now());
        for (sql, slow) in wanted {
            match self.explain(sql, deadline).await {
                Ok(plan) => self.slow().explain(&slow, plan),
                Err(error) => {
                    tracing::debug!(query = slow.name, error = error.chain(), "no plan");
                }
            }
        }
    }

    async fn explain(&self, sql: &'static str, deadline: Deadline) -> Result<QueryPlan, Error> {
        let topology = self.topology();
        let is_up = |role| {
            let mut nodes = topology.nodes.iter();
            nodes.position(|node| node.role == role && node.state == NodeState::Up)
        };
        let replica = is_up(Role::Replica).map(|index| (index, Role::Replica));
        let node = replica.or_else(|| is_up(Role::Primary).map(|index| (index, Role::Primary)));
        let (index, role) = node.ok_or_else(|| self.no("node"))?;
        let conn: ReadConn = self.connect_to(index, role, deadline).await?;
        plan::explain(&conn, sql).await
    }
}

impl Inspection {
    /// What another node says: sizes are known, counts are added.
    fn take_in(&mut self, tables: Vec<TableStatistics>, indexes: Vec<IndexStatistics>) {
        for table in tables {
            match self
                .tables
                .iter_mut()
                .find(|known| known.name == table.name)
            {
                Some(known) => {
                    known.sequential_scans += table.sequential_scans;
                    known.sequential_rows += table.sequential_rows;
                    known.index_scans += table.index_scans;
                }
                None => self.tables.push(table),
            }
        }
        for index in indexes {
            match self
                .indexes
                .iter_mut()
                .find(|known| known.name == index.name)
            {
                Some(known) => known.scans += index.scans,
                None => self.indexes.push(index),
            }
        }
    }

    fn sort(&mut self) {
        self.tables
            .sort_by_key(|table| std::cmp::Reverse(table.bytes));
        self.indexes
            .sort_by_key(|index| std::cmp::Reverse(index.bytes));
    }
}
