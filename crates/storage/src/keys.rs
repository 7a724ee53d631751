//! API keys. Only the SHA-256 of a key is stored: a key is 256 random bits, so that nobody can
//! go through the possible ones, however fast the hash.

use jiff::Timestamp;
use prepnexus_domain::{Role, role::UnknownRole};

use crate::{error::Error, read::ReadConn, row::Row, tx::Tx};

/// A key, without its text, which is known to its holder alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// The key's number.
    pub id: i64,
    /// What the key was called when it was made.
    pub name: String,
    /// What its holder may do.
    pub role: Role,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it is of no use.
    pub revoked_at: Option<Timestamp>,
}

/// The key of that hash, unless it was revoked.
///
/// # Errors
/// As [`ReadConn::query_opt`].
pub async fn find_by_hash(conn: &ReadConn, hash: &[u8; 32]) -> Result<Option<ApiKey>, Error> {
    const SQL: &str = concat!(
        "-- keys.find_by_hash\nSELECT id, name, role, created_at, revoked_at, ",
        crate::seen!(),
        " FROM api_keys WHERE hash = $1 AND revoked_at IS NULL"
    );
    conn.query_opt(SQL, &[&&hash[..]])
        .await?
        .map(|row| api_key(&row))
        .transpose()
}

/// The key of that number, unless it was revoked.
///
/// # Errors
/// As [`ReadConn::query_opt`].
pub async fn find(conn: &ReadConn, id: i64) -> Result<Option<ApiKey>, Error> {
    const SQL: &str = "-- keys.find
SELECT id, name, role, created_at, revoked_at FROM api_keys WHERE id = $1 AND revoked_at IS NULL";
    let row = conn.query_opt(SQL, &[&id]).await?;
    row.map(|row| api_key(&row)).transpose()
}

/// All keys, oldest first.
///
/// # Errors
/// As [`ReadConn::query`].
pub async fn list(conn: &ReadConn) -> Result<Vec<ApiKey>, Error> {
    const SQL: &str = "-- keys.list
SELECT id, name, role, created_at, revoked_at FROM api_keys ORDER BY id";
    conn.query(SQL, &[]).await?.iter().map(api_key).collect()
}

/// Stores a new key.
///
/// # Errors
/// As [`ReadConn::query_one`].
pub async fn insert(tx: &Tx, name: &str, role: Role, hash: &[u8; 32]) -> Result<ApiKey, Error> {
    const SQL: &str = "-- keys.insert
INSERT INTO api_keys (name, role, hash) VALUES ($1, $2, $3)
RETURNING id, name, role, created_at, revoked_at";
    api_key(
        &tx.query_one(SQL, &[&name, &role.as_str(), &&hash[..]])
            .await?,
    )
}

/// Revokes a key; whether there was one that was not revoked yet.
///
/// # Errors
/// As [`Tx::execute`].
pub async fn revoke(tx: &Tx, id: i64) -> Result<bool, Error> {
    const SQL: &str = "-- keys.revoke
UPDATE api_keys SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL";
    Ok(tx.execute(SQL, &[&id]).await? > 0)
}

fn api_key(row: &Row) -> Result<ApiKey, Error> {
    let role = row.text("role")?.parse();
    Ok(ApiKey {
        id: row.get("id")?,
        name: row.get("name")?,
        role: role.map_err(|source: UnknownRole| Error::Row {
            query: "keys".into(),
            source: source.into(),
        })?,
        created_at: row.get("created_at")?,
        revoked_at: row.get("revoked_at")?,
    })
}
