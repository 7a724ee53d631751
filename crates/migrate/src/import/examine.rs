//! A whole file, row by row: each is taken, or refused with a reason, or has no place here; and the numbers add up.

use std::{collections::BTreeMap, path::Path};

use jiff::Timestamp;

use super::{
    blog::Blog,
    source::{Record, Source, SourceError},
    user::User,
    value::Refusal,
};

/// Who is given what is in the file.
pub trait Handler {
    /// A post.
    fn blog(&mut self, blog: Blog);
    /// An author.
    fn user(&mut self, user: User);
    /// A row that is not taken.
    fn refused(&mut self, table: &'static str, row_id: i64, refusal: Refusal);
}

/// What became of the rows of a table: `source` is always the sum of `taken`, `refused` and `skipped`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableCount {
    /// Rows in the file.
    pub source: u64,
    /// Rows that were taken.
    pub taken: u64,
    /// Those of them that were changed on the way.
    pub adjusted: u64,
    /// Rows that were refused.
    pub refused: u64,
    /// Rows of tables that have no place in the new schema.
    pub skipped: u64,
    /// How often each reason to adjust, refuse or skip.
    pub reasons: BTreeMap<&'static str, u64>,
}

/// What is in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// The file's SHA-256, in hexadecimal.
    pub source_sha256: String,
    /// By table.
    pub tables: BTreeMap<String, TableCount>,
}

const BLOGS: &str = "blogs";
const USERS: &str = "users";

/// Reads a file; `now` is the time of what has none. Its memory is that of one row.
///
/// # Errors
/// [`SourceError`]: it can't be read, is no database of the old system, or was changed meanwhile.
pub fn examine(
    path: &Path,
    now: Timestamp,
    handler: &mut dyn Handler,
) -> Result<Examined, SourceError> {
    let source = Source::open(path)?;
    let columns = source.columns(BLOGS)?;
    if !["id", "title", "content", "author"]
        .iter()
        .all(|name| columns.iter().any(|other| other == name))
    {
        return Err(source.no_table(BLOGS, "id, title, content, author"));
    }
    let mut tables = BTreeMap::new();
    for table in source.tables()? {
        let mut count = TableCount {
            source: source.count(&table)?,
            ..TableCount::default()
        };
        match table.as_str() {
            BLOGS => source.each(BLOGS, |record| {
                let read = Blog::read(record, now);
                if let Some(blog) = count.note(BLOGS, record, read, handler) {
                    count.adjusted += u64::from(!blog.adjustments.is_empty());
                    for adjustment in &blog.adjustments {
                        count.reason(adjustment.as_str());
                    }
                    handler.blog(blog);
                }
            })?,
            USERS => source.each(USERS, |record| {
                let read = User::read(record, now);
                if let Some(user) = count.note(USERS, record, read, handler) {
                    handler.user(user);
                }
            })?,
            _ => {
                count.skipped = count.source;
                count.reasons.insert("no_target_table", count.skipped);
            }
        }
        tables.insert(table, count);
    }
    source.check()?;
    Ok(Examined {
        source_sha256: source.sha256().to_owned(),
        tables,
    })
}

impl TableCount {
    fn note<T>(
        &mut self,
        table: &'static str,
        record: &Record<'_>,
        read: Result<T, Refusal>,
        handler: &mut dyn Handler,
    ) -> Option<T> {
        match read {
            Ok(taken) => {
                self.taken += 1;
                Some(taken)
            }
            Err(refusal) => {
                self.refused += 1;
                self.reason(refusal.reason.as_str());
                handler.refused(table, record.row_id(), refusal);
                None
            }
        }
    }

    fn reason(&mut self, code: &'static str) {
        *self.reasons.entry(code).or_default() += 1;
    }
}
