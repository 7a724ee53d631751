//! Does the database have the schema that this program works with?

use std::time::Duration;

use anyhow::bail;
use prepnexus_storage::{Cluster, Deadline, schema};

/// A database that is there answers within this time; one that is not is served without, as ever.
const FIRST_LIMIT: Duration = Duration::from_secs(2);
/// Between two attempts to ask.
const PAUSE: Duration = Duration::from_secs(1);

/// Asks before anything listens. False where nobody answered: then [`until_refused`] goes on asking.
pub(crate) async fn is_known(cluster: &Cluster) -> anyhow::Result<bool> {
    match schema::missing(cluster, Deadline::after(FIRST_LIMIT)).await {
        Ok(missing) => refuse(&missing).map(|()| true),
        Err(_) => Ok(false),
    }
}

/// Asks until somebody answers. Ends with an error where the schema is another one, and never where it is right.
pub(crate) async fn until_refused(cluster: &Cluster) -> anyhow::Error {
    loop {
        match is_known(cluster).await {
            Err(error) => return error,
            Ok(true) => return std::future::pending().await,
            Ok(false) => tokio::time::sleep(PAUSE).await,
        }
    }
}

fn refuse(missing: &[String]) -> anyhow::Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    bail!(
        "the database lacks migrations that this version needs: {}; run `migrator up`",
        missing.join(", ")
    )
}
