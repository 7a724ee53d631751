//! The service itself: accounts, transfers between them, and a record of each request.

use std::collections::HashMap;

use prepnexus_storage::{AsStorageError, Cluster, Committed, Error, Freshness, Token, Tx, seen};
use serde_json::{Value, json};

/// The service. Cheap to clone: the cluster is.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    cluster: Cluster,
}

/// Why the ledger refused, or could not tell.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LedgerError {
    /// There is no such account.
    #[error("there is no account {0}")]
    NoAccount(String),
    /// The account has less than that.
    #[error("not enough money")]
    NotEnough,
    /// The key came with another request.
    #[error("the key was used for another transfer")]
    KeyReused,
    /// The database.
    #[error(transparent)]
    Storage(#[from] Error),
}

/// With this the crate sees through our error to its own, and begins again what it can.
impl AsStorageError for LedgerError {
    fn as_storage_error(&self) -> Option<&Error> {
        match self {
            Self::Storage(error) => Some(error),
            Self::NoAccount(_) | Self::NotEnough | Self::KeyReused => None,
        }
    }
}

/// A transfer that was made: what its sender is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Receipt {
    /// The transfer's number.
    pub(crate) transfer: i64,
    /// What the sender has left.
    pub(crate) left_cents: i64,
}

const SCHEMA: [&str; 5] = [
    // Two processes that begin at once don't make it twice.
    "-- ledger.lock\nSELECT pg_advisory_xact_lock(7311)",
    "-- ledger.schema\nCREATE SCHEMA IF NOT EXISTS ledger",
    "-- ledger.accounts\nCREATE TABLE IF NOT EXISTS ledger.accounts (
         name text PRIMARY KEY, cents bigint NOT NULL CHECK (cents >= 0))",
    "-- ledger.transfers\nCREATE TABLE IF NOT EXISTS ledger.transfers (
         id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, sender text NOT NULL REFERENCES ledger.accounts,
         receiver text NOT NULL REFERENCES ledger.accounts, cents bigint NOT NULL CHECK (cents > 0))",
    "-- ledger.requests\nCREATE TABLE IF NOT EXISTS ledger.requests (
         key text PRIMARY KEY, request jsonb NOT NULL, receipt jsonb, made_at timestamptz NOT NULL DEFAULT now())",
];

impl Ledger {
    /// The ledger in that cluster, which its owner closes.
    pub(crate) fn new(cluster: Cluster) -> Self {
        Self { cluster }
    }

    /// Makes the tables that are missing.
    pub(crate) async fn create_schema(&self) -> Result<(), Error> {
        let making =
            self.cluster
                .write("ledger.schema", self.cluster.deadline(), |tx| async move {
                    for sql in SCHEMA {
                        tx.execute(sql, &[]).await?;
                    }
                    Ok(())
                });
        making.await.map(drop)
    }

    /// Opens an account, unless it is there.
    pub(crate) async fn open_account(&self, name: &str, cents: i64) -> Result<(), Error> {
        const OPEN: &str =
            "-- accounts.open\nINSERT INTO ledger.accounts VALUES ($1, $2) ON CONFLICT DO NOTHING";
        let deadline = self.cluster.deadline();
        // Running it twice is running it once, so that `write_once` needs no key.
        let opening = self
            .cluster
            .write_once("accounts.open", deadline, |tx| async move {
                tx.execute(OPEN, &[&name, &cents]).await
            });
        opening.await.map(drop)
    }

    /// Moves money. The same key moves it once, however often it is sent: also when the answer, or the
    /// connection during COMMIT, was lost.
    pub(crate) async fn transfer(
        &self,
        key: &str,
        sender: &str,
        receiver: &str,
        cents: i64,
    ) -> Result<Committed<Receipt>, LedgerError> {
        let request = json!({ "sender": sender, "receiver": receiver, "cents": cents });
        let deadline = self.cluster.deadline();
        let request = &request;
        let moving = self
            .cluster
            .write_once("ledger.transfer", deadline, |tx| async move {
                if let Some(receipt) = claim(&tx, key, request).await? {
                    return Ok(receipt);
                }
                let receipt = move_money(&tx, sender, receiver, cents).await?;
                record(&tx, key, &receipt).await?;
                Ok(receipt)
            });
        moving.await
    }

    /// What an account holds, and the token of who has seen that.
    pub(crate) async fn balance(
        &self,
        name: &str,
        freshness: Freshness,
    ) -> Result<(i64, Token), LedgerError> {
        const FIND: &str = concat!(
            "-- accounts.find\nSELECT cents, ",
            seen!(),
            " FROM ledger.accounts WHERE name = $1"
        );
        let deadline = self.cluster.deadline();
        let reading = self
            .cluster
            .read_with(freshness, deadline, |conn| async move {
                let row = conn.query_opt(FIND, &[&name]).await?;
                let row = row.ok_or_else(|| LedgerError::NoAccount(name.to_owned()))?;
                Ok((row.get("cents")?, conn.token().await?))
            });
        reading.await
    }

    /// The nodes, each in words for an operator: for a health page, which asks no database.
    pub(crate) fn nodes(&self) -> Vec<String> {
        let words = |node: prepnexus_storage::NodeStatus| {
            let (view, pool) = (node.view, node.pool);
            format!(
                "{} {} {} (breaker {}, {} of {} connections in use)",
                view.addr,
                view.role.as_str(),
                view.state.as_str(),
                node.breaker.as_str(),
                pool.in_use,
                pool.max,
            )
        };
        self.cluster.status().into_iter().map(words).collect()
    }
}

/// Claims the key for this request; the receipt, where the same request has been served before.
///
/// The INSERT waits for a transaction that is just using the key. FOR UPDATE writes to the log, so that the
/// repeat's COMMIT waits for a synchronous standby as the first one's did.
async fn claim(tx: &Tx, key: &str, request: &Value) -> Result<Option<Receipt>, LedgerError> {
    const CLAIM: &str = "-- requests.claim\nINSERT INTO ledger.requests (key, request) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    const FIND: &str =
        "-- requests.find\nSELECT request, receipt FROM ledger.requests WHERE key = $1 FOR UPDATE";
    if tx.execute(CLAIM, &[&key, request]).await? == 1 {
        return Ok(None);
    }
    let row = tx.query_one(FIND, &[&key]).await?;
    if row.get::<Value>("request")? != *request {
        return Err(LedgerError::KeyReused);
    }
    let receipt: Value = row.get("receipt")?;
    Ok(Some(Receipt {
        transfer: receipt["transfer"].as_i64().unwrap_or_default(),
        left_cents: receipt["left_cents"].as_i64().unwrap_or_default(),
    }))
}

/// Stores the receipt in the transaction that made the transfer.
async fn record(tx: &Tx, key: &str, receipt: &Receipt) -> Result<(), Error> {
    const RECORD: &str =
        "-- requests.record\nUPDATE ledger.requests SET receipt = $2 WHERE key = $1";
    let receipt = json!({ "transfer": receipt.transfer, "left_cents": receipt.left_cents });
    tx.execute(RECORD, &[&key, &receipt]).await.map(drop)
}

async fn move_money(
    tx: &Tx,
    sender: &str,
    receiver: &str,
    cents: i64,
) -> Result<Receipt, LedgerError> {
    const LOCK: &str = "-- accounts.lock\nSELECT name, cents FROM ledger.accounts WHERE name IN ($1, $2) ORDER BY name FOR UPDATE";
    const ADD: &str =
        "-- accounts.add\nUPDATE ledger.accounts SET cents = cents + $2 WHERE name = $1";
    const INSERT: &str =
        "-- transfers.insert\nINSERT INTO ledger.transfers (sender, receiver, cents)
        VALUES ($1, $2, $3) RETURNING id";
    let mut cents_of = HashMap::new();
    for row in tx.query(LOCK, &[&sender, &receiver]).await? {
        cents_of.insert(row.get::<String>("name")?, row.get::<i64>("cents")?);
    }
    for name in [sender, receiver] {
        if !cents_of.contains_key(name) {
            return Err(LedgerError::NoAccount(name.to_owned()));
        }
    }
    let left_cents = cents_of[sender] - cents;
    if left_cents < 0 {
        return Err(LedgerError::NotEnough);
    }
    tx.execute(ADD, &[&sender, &-cents]).await?;
    tx.execute(ADD, &[&receiver, &cents]).await?;
    let row = tx.query_one(INSERT, &[&sender, &receiver, &cents]).await?;
    Ok(Receipt {
        transfer: row.get("id")?,
        left_cents,
    })
}
