//! The schema that this version works with, by the migrations that make it.
//!
//! Migrations that came later don't matter: a later version's are made so that this one goes on working beside it (see
//! `migrations/README.md`). One that is missing does: statements would fail one by one.

use crate::{
    cluster::{Cluster, Freshness},
    deadline::Deadline,
    error::Error,
    read::ReadConn,
};

/// Every file of the directory `migrations`; a test compares.
const NEEDED: [&str; 6] = [
    "0001_content",
    "0002_service",
    "0003_grants",
    "0004_change_beat",
    "0005_author_emails",
    "0006_backups",
];
/// SQLSTATE of a table that is not there.
const UNDEFINED_TABLE: &str = "42P01";

/// The migrations that this version needs and the database does not have, by their files' names. Asks the primary, and a
/// replica where there is none.
///
/// # Errors
/// [`Error::Unavailable`] and others of [`Cluster::read_with`].
pub async fn missing(cluster: &Cluster, deadline: Deadline) -> Result<Vec<String>, Error> {
    let ask = |freshness| {
        cluster.read_with(
            freshness,
            deadline,
            |conn| async move { applied(&conn).await },
        )
    };
    let applied = match ask(Freshness::Primary).await {
        Err(Error::Unavailable { .. }) => ask(Freshness::Any).await,
        answer => answer,
    };
    let applied = match applied {
        Err(error) if error.sqlstate() == Some(UNDEFINED_TABLE) => Vec::new(),
        answer => answer?,
    };
    let needed = NEEDED
        .iter()
        .filter(|name| !applied.iter().any(|other| other == *name));
    Ok(needed.map(|name| format!("{name}.sql")).collect())
}

async fn applied(conn: &ReadConn) -> Result<Vec<String>, Error> {
    const SQL: &str = concat!(
        "-- schema.applied\nSELECT lpad(version::text, 4, '0') || '_' || name AS file, ",
        crate::seen!(),
        " FROM schema_migrations ORDER BY version"
    );
    let rows = conn.query(SQL, &[]).await?;
    rows.iter().map(|row| row.get("file")).collect()
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::NEEDED;

    #[test]
    fn what_is_needed_is_what_the_directory_has() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
        let files = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let is_sql = |path: &std::path::PathBuf| path.extension().is_some_and(|end| end == "sql");
        let mut names: Vec<String> = files
            .filter(is_sql)
            .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        names.sort_unstable();
        assert_eq!(names, NEEDED);
    }
}
