//! Seeds: posts from a file of JSON lines, one [`PostDraft`] each.
//!
//! All or nothing: the whole file is one transaction, so that a bad line on the way leaves no trace. Idempotent by
//! address: a post that is there already is left as it is, edited or not.

use std::{collections::HashSet, io::BufRead};

use jiff::Timestamp;
use prepnexus_domain::{Clock, Invalid, PostDraft};
use sha2::{Digest, Sha256};

use crate::{
    error::Error,
    load::{BATCH, LOCK_WAIT, LoadReport, Loader, PreparedPost},
    migrator::Migrator,
    progress::{OnProgress, Progress},
};

/// How [`Migrator::seed`] fills in what lines leave open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedOptions {
    /// The author of posts that name none.
    pub default_author: String,
}

impl Default for SeedOptions {
    fn default() -> Self {
        Self {
            default_author: "PrepNexus".into(),
        }
    }
}

impl Migrator {
    /// Loads the posts of `lines`. Empty lines are skipped. A published post without a time is published now, and one
    /// without an address gets it from its title.
    ///
    /// # Errors
    /// [`Error::SeedLine`] with every bad field of the first bad line, [`Error::SeedRead`], or the server's. Nothing was
    /// written then.
    pub async fn seed(
        &self,
        lines: impl BufRead,
        options: &SeedOptions,
        clock: &dyn Clock,
        progress: OnProgress<'_>,
    ) -> Result<LoadReport, Error> {
        let mut reader = Reader {
            lines,
            number: 0,
            slugs: HashSet::new(),
            options,
            now: clock.now(),
        };
        let mut session = self.locked_session(LOCK_WAIT, progress).await?;
        let mut loader = Loader::prepare(&session).await?;
        let begun = session.client_mut().transaction().await;
        let transaction = begun.map_err(|e| Error::query("beginning the seed", &e))?;
        let mut report = LoadReport::default();
        loop {
            let batch = reader.batch()?;
            if batch.is_empty() {
                break;
            }
            report.add(loader.insert(&transaction, &batch).await?);
            progress(Progress::Loaded {
                posts: report.posts(),
            });
        }
        let committed = transaction.commit().await;
        committed.map_err(|e| Error::query("committing the seed", &e))?;
        Ok(report)
    }
}

struct Reader<'a, R> {
    lines: R,
    number: u64,
    /// Hashes of the addresses so far: of one size, however long the file.
    slugs: HashSet<[u8; 16]>,
    options: &'a SeedOptions,
    now: Timestamp,
}

impl<R: BufRead> Reader<'_, R> {
    /// The next posts; none at the end of the file.
    fn batch(&mut self) -> Result<Vec<PreparedPost>, Error> {
        let mut batch = Vec::new();
        let mut line = String::new();
        while batch.len() < BATCH {
            line.clear();
            let number = self.number + 1;
            let read = self.lines.read_line(&mut line);
            if read.map_err(|source| Error::SeedRead {
                line: number,
                source,
            })? == 0
            {
                break;
            }
            self.number = number;
            if !line.trim().is_empty() {
                let post = self.post(&line);
                batch.push(post.map_err(|source| Error::SeedLine {
                    line: number,
                    source,
                })?);
            }
        }
        Ok(batch)
    }

    fn post(&mut self, line: &str) -> Result<PreparedPost, Invalid> {
        let body = serde_json::from_str(line)
            .map_err(|error| Invalid::one("", format!("is not JSON: {error}")))?;
        let draft = PostDraft::from_json(&body)?;
        let post = PreparedPost::from_draft(draft, &self.options.default_author, self.now)?;
        let mut hash = [0; 16];
        hash.copy_from_slice(&Sha256::digest(post.slug.as_str())[..16]);
        if !self.slugs.insert(hash) {
            let detail = format!("{} was used on a line before", post.slug);
            return Err(Invalid::one("/slug", detail));
        }
        Ok(post)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use jiff::Timestamp;

    use super::{Reader, SeedOptions};

    fn error_of(lines: &str) -> String {
        let mut reader = Reader {
            lines: lines.as_bytes(),
            number: 0,
            slugs: HashSet::new(),
            options: &SeedOptions::default(),
            now: Timestamp::UNIX_EPOCH,
        };
        reader.batch().unwrap_err().chain()
    }

    #[test]
    fn a_bad_line_is_named_with_all_that_is_wrong() {
        assert_eq!(
            error_of("\n{\"title\": \"\", \"content\": \"x\", \"colour\": 1}\n"),
            "line 2: /title must not be empty; /colour is not a field that can be set"
        );
        assert!(error_of("{").starts_with("line 1:  is not JSON: EOF"));
        assert_eq!(
            error_of(r#"{"title": "A", "content": "x", "status": "scheduled"}"#),
            "line 1: /published_at is required for a scheduled post"
        );
    }

    #[test]
    fn an_address_comes_only_once() {
        let line = r#"{"title": "Same title", "content": "x"}"#;
        assert_eq!(
            error_of(&format!("{line}\n{line}")),
            "line 2: /slug same-title was used on a line before"
        );
    }
}
