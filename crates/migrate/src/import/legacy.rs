//! A whole file, row by row: each is taken, or refused with a reason, or has no place here; and the numbers add up.

mod blog;
mod date;
mod source;
mod tags;
mod text;
mod user;
mod value;

use std::{collections::BTreeMap, ops::ControlFlow, path::Path};

use jiff::Timestamp;

pub use blog::{Adjustment, Blog};
pub(super) use source::Source;
pub use source::SourceError;
pub use user::User;
pub use value::{Reason, Refusal};

/// Who is given what is in the file, table by table, by the rows' numbers in SQLite. Any of it can end the reading.
pub trait Handler {
    /// So many rows will be given.
    fn begin(&mut self, rows: u64);
    /// A post.
    fn blog(&mut self, row_id: i64, blog: Blog) -> ControlFlow<()>;
    /// An author.
    fn user(&mut self, row_id: i64, user: User) -> ControlFlow<()>;
    /// A row that is not taken.
    fn refused(&mut self, table: &'static str, row_id: i64, refusal: Refusal) -> ControlFlow<()>;
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

pub(super) const BLOGS: &str = "blogs";
pub(super) const USERS: &str = "users";

/// Reads a file; `now` is the time of what has none. Its memory is that of one row.
///
/// # Errors
/// [`SourceError`]: it can't be read, is no database of the old system, or was changed meanwhile; or the handler ended it.
pub fn examine(
    path: &Path,
    now: Timestamp,
    handler: &mut dyn Handler,
) -> Result<Examined, SourceError> {
    Source::open(path)?.examine(now, handler)
}

impl Source {
    pub(super) fn examine(
        &self,
        now: Timestamp,
        handler: &mut dyn Handler,
    ) -> Result<Examined, SourceError> {
        let columns = self.columns(BLOGS)?;
        if !["id", "title", "content", "author"]
            .iter()
            .all(|name| columns.iter().any(|other| other == name))
        {
            return Err(self.no_table(BLOGS, "id, title, content, author"));
        }
        let mut tables = BTreeMap::new();
        for table in self.tables()? {
            let source = self.count(&table)?;
            let count = TableCount {
                source,
                ..TableCount::default()
            };
            tables.insert(table, count);
        }
        let given = [BLOGS, USERS].iter().filter_map(|table| tables.get(*table));
        handler.begin(given.map(|count| count.source).sum());
        for (table, count) in &mut tables {
            match table.as_str() {
                BLOGS => self.each(BLOGS, |record| {
                    let row_id = record.row_id();
                    match Blog::read(record, now) {
                        Ok(blog) => {
                            count.taken += 1;
                            count.adjusted += u64::from(!blog.adjustments.is_empty());
                            for adjustment in &blog.adjustments {
                                count.reason(adjustment.as_str());
                            }
                            handler.blog(row_id, blog)
                        }
                        Err(refusal) => count.refuse(BLOGS, row_id, refusal, handler),
                    }
                })?,
                USERS => self.each(USERS, |record| {
                    let row_id = record.row_id();
                    match User::read(record, now) {
                        Ok(user) => {
                            count.taken += 1;
                            handler.user(row_id, user)
                        }
                        Err(refusal) => count.refuse(USERS, row_id, refusal, handler),
                    }
                })?,
                _ => {
                    count.skipped = count.source;
                    count.reasons.insert("no_target_table", count.skipped);
                }
            }
        }
        self.check()?;
        Ok(Examined {
            source_sha256: self.sha256().to_owned(),
            tables,
        })
    }
}

impl TableCount {
    fn refuse(
        &mut self,
        table: &'static str,
        row_id: i64,
        refusal: Refusal,
        handler: &mut dyn Handler,
    ) -> ControlFlow<()> {
        self.refused += 1;
        self.reason(refusal.reason.as_str());
        handler.refused(table, row_id, refusal)
    }

    fn reason(&mut self, code: &'static str) {
        *self.reasons.entry(code).or_default() += 1;
    }
}
