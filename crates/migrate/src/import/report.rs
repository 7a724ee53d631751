//! What became of every row of the old file, in numbers that add up.

use std::{collections::BTreeMap, io::Write as _, time::Duration};

use serde::{Serialize, Serializer};

use super::{
    legacy::{self, Examined},
    output::OutputFile,
    resolve::Resolved,
};
use crate::error::Error;

/// How an import ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All rows but the rejected ones are visible.
    Published,
    /// All was done, read back, and undone: it was a dry run.
    DryRun,
    /// More rows were rejected than allowed; nothing is visible.
    TooManyRejected,
    /// Rows that were read back were others than the file's; nothing is visible.
    Mismatch,
}

/// What became of a table's rows: `source` is always the sum of `imported`, `rejected` and `skipped`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct TableReport {
    /// Rows in the file.
    pub source: u64,
    /// Rows that are in the new schema, or would be.
    pub imported: u64,
    /// Those of them that were changed on the way.
    pub adjusted: u64,
    /// Rows in the reject file.
    pub rejected: u64,
    /// Rows of a table that has no place in the new schema.
    pub skipped: u64,
    /// How often each reason to adjust, reject or skip.
    pub reasons: BTreeMap<String, u64>,
}

/// What an import did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImportReport {
    /// How it ended.
    pub outcome: Outcome,
    /// The file's SHA-256, in hexadecimal; the file had it before and after.
    pub source_sha256: String,
    /// By table of the old file.
    pub tables: BTreeMap<String, TableReport>,
    /// Rows that were read back and are what the file says.
    pub verified_rows: u64,
    /// Rows that were read back and are not.
    pub hash_mismatches: u64,
    /// Rows that were inserted or changed in the new schema, or would be.
    pub written_rows: u64,
    /// What the file has that is left behind on purpose.
    pub left_behind: &'static [&'static str],
    /// How long each part of it took.
    pub phases: Phases,
    /// How long it took.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub took: Duration,
}

/// How long the parts of an import took, each in seconds as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Phases {
    /// Reading the file and storing its rows where no reader sees them.
    #[serde(serialize_with = "seconds")]
    pub staging: Duration,
    /// Deciding about what comes twice, bringing all in, and reading it back.
    #[serde(serialize_with = "seconds")]
    pub publishing: Duration,
}

/// What no import carries over.
pub(super) const LEFT_BEHIND: &[&str] = &["users.password_hash"];

impl ImportReport {
    pub(super) fn write(&self, mut file: OutputFile) -> Result<(), Error> {
        file.write(|file| {
            serde_json::to_writer_pretty(&mut *file, self)?;
            file.write_all(b"\n")
        })?;
        file.finish()
    }

    /// Rows that were rejected.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.tables.values().map(|table| table.rejected).sum()
    }
}

/// Joins what the reading and the database say of each table.
///
/// # Errors
/// [`Error::DoesNotAddUp`].
pub(super) fn tables(
    examined: &Examined,
    resolved: &Resolved,
) -> Result<BTreeMap<String, TableReport>, Error> {
    let mut tables = BTreeMap::new();
    for (name, count) in &examined.tables {
        let mut table = TableReport {
            source: count.source,
            imported: resolved
                .imported
                .get(name.as_str())
                .copied()
                .unwrap_or_default(),
            rejected: count.refused,
            skipped: count.skipped,
            ..TableReport::default()
        };
        // Of a row that was adjusted and then refused, only the refusal counts: adjustments are counted in the database.
        let reasons = count
            .reasons
            .iter()
            .filter(|(code, _)| !legacy::Adjustment::is_code(code));
        table
            .reasons
            .extend(reasons.map(|(code, rows)| ((*code).to_owned(), *rows)));
        let refusals = resolved.refusals.iter().filter(|(of, ..)| of == name);
        for (_, reason, rows) in refusals {
            table.rejected += rows;
            table.reasons.insert(reason.clone(), *rows);
        }
        if name == legacy::BLOGS {
            table.adjusted = resolved.adjusted;
            table.reasons.extend(resolved.adjustments.iter().cloned());
        }
        if table.source != table.imported + table.rejected + table.skipped {
            return Err(Error::DoesNotAddUp(name.clone()));
        }
        tables.insert(name.clone(), table);
    }
    Ok(tables)
}

fn seconds<S: Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    // A report is read by people too: milliseconds are enough.
    serializer.serialize_f64((took.as_secs_f64() * 1000.0).round() / 1000.0)
}
