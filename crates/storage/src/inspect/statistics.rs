//! What one node's statistics say of the tables and indexes of the database's own schemas.

use super::{IndexStatistics, NodeAnswer, TableStatistics};
use crate::{error::Error, read::ReadConn};

const SINCE: &str = "-- inspect.since
SELECT coalesce(stats_reset, pg_postmaster_start_time()) AS since FROM pg_stat_database WHERE datname = current_database()";

const TABLES: &str = "-- inspect.tables
SELECT relname::text AS name, pg_total_relation_size(relid) AS bytes, n_live_tup AS live_rows, n_dead_tup AS dead_rows, seq_scan,
       seq_tup_read, coalesce(idx_scan, 0) AS idx_scan, greatest(last_vacuum, last_autovacuum) AS vacuumed_at
FROM pg_stat_user_tables ORDER BY bytes DESC LIMIT 200";

const INDEXES: &str = "-- inspect.indexes
SELECT s.indexrelname::text AS name, s.relname::text AS table, pg_relation_size(s.indexrelid) AS bytes, s.idx_scan,
       i.indisunique OR EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = s.indexrelid) AS is_constraint, i.indisvalid
FROM pg_stat_user_indexes s JOIN pg_index i USING (indexrelid) ORDER BY bytes DESC LIMIT 500";

pub(super) async fn counts_since(conn: &ReadConn) -> Result<NodeAnswer, Error> {
    let row = conn.query_one(SINCE, &[]).await?;
    Ok(NodeAnswer {
        node: conn.addr().to_string(),
        counts_since: row.get("since")?,
    })
}

pub(super) async fn tables(conn: &ReadConn) -> Result<Vec<TableStatistics>, Error> {
    let rows = conn.query(TABLES, &[]).await?;
    let tables = rows.iter().map(|row| {
        Ok(TableStatistics {
            name: row.get("name")?,
            bytes: row.get("bytes")?,
            live_rows: row.get("live_rows")?,
            dead_rows: row.get("dead_rows")?,
            sequential_scans: row.get("seq_scan")?,
            sequential_rows: row.get("seq_tup_read")?,
            index_scans: row.get("idx_scan")?,
            vacuumed_at: row.get("vacuumed_at")?,
        })
    });
    tables.collect()
}

pub(super) async fn indexes(conn: &ReadConn) -> Result<Vec<IndexStatistics>, Error> {
    let rows = conn.query(INDEXES, &[]).await?;
    let indexes = rows.iter().map(|row| {
        Ok(IndexStatistics {
            name: row.get("name")?,
            table: row.get("table")?,
            bytes: row.get("bytes")?,
            scans: row.get("idx_scan")?,
            is_constraint: row.get("is_constraint")?,
            is_valid: row.get("indisvalid")?,
        })
    });
    indexes.collect()
}
