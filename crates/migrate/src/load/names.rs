//! Authors and tags by name: those that are missing are inserted, each with an address of its own.
//!
//! Which names are the same is the server's decision, `lower(name)`: its unique indexes use it. The address is made from
//! the name; where another name has it already ("C" and "c!"), the next number is tried, round by round.

use std::collections::{HashMap, HashSet};

use prepnexus_domain::Slug;
use tokio_postgres::Transaction;

use crate::error::Error;

/// Names that are remembered as known, so that batches don't ask about them again. Bounds the memory.
const REMEMBERED: usize = 50_000;
/// More rounds than this mean that something else is wrong.
const ROUNDS: u32 = 1_000;

/// One of the two tables.
pub(crate) struct Names {
    find_missing: &'static str,
    insert: &'static str,
    fallback: &'static str,
    known: HashSet<String>,
}

impl Names {
    pub(crate) fn authors() -> Self {
        Self {
            find_missing: "SELECT DISTINCT ON (lower(n)) n FROM unnest($1::text[]) WITH ORDINALITY AS given (n, at)
                           WHERE NOT EXISTS (SELECT FROM authors a WHERE lower(a.name) = lower(n))
                           ORDER BY lower(n), at",
            insert: "INSERT INTO authors (slug, name)
                     SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT DO NOTHING",
            fallback: "author",
            known: HashSet::new(),
        }
    }

    pub(crate) fn tags() -> Self {
        Self {
            find_missing: "SELECT DISTINCT ON (lower(n)) n FROM unnest($1::text[]) WITH ORDINALITY AS given (n, at)
                           WHERE NOT EXISTS (SELECT FROM tags t WHERE lower(t.name) = lower(n))
                           ORDER BY lower(n), at",
            insert: "INSERT INTO tags (slug, name)
                     SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT DO NOTHING",
            fallback: "tag",
            known: HashSet::new(),
        }
    }

    /// Makes sure that each of `names` has a row; how many are new.
    pub(crate) async fn ensure<'a>(
        &mut self,
        transaction: &Transaction<'_>,
        names: impl Iterator<Item = &'a str>,
    ) -> Result<u64, Error> {
        let mut wanted = HashSet::new();
        let mut in_order = Vec::new();
        for name in names {
            if !self.known.contains(name) && wanted.insert(name) {
                in_order.push(name);
            }
        }
        let mut missing = self.missing(transaction, &in_order).await?;
        let mut tried: HashMap<Slug, u32> = HashMap::new();
        let mut inserted = 0;
        for _round in 0..ROUNDS {
            if missing.is_empty() {
                self.remember(&in_order);
                return Ok(inserted);
            }
            let slugs: Vec<String> = missing
                .iter()
                .map(|name| next_candidate(name, self.fallback, &mut tried).into_string())
                .collect();
            inserted += transaction
                .execute(self.insert, &[&slugs, &missing])
                .await
                .map_err(|e| Error::query("inserting authors and tags", &e))?;
            missing = self.missing(transaction, &missing).await?;
        }
        Err(Error::NoFreeSlug(missing.remove(0)))
    }

    async fn missing<T: AsRef<str>>(
        &self,
        transaction: &Transaction<'_>,
        names: &[T],
    ) -> Result<Vec<String>, Error> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        let rows = transaction
            .query(self.find_missing, &[&names])
            .await
            .map_err(|e| Error::query("looking for authors and tags", &e))?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    fn remember(&mut self, names: &[&str]) {
        if self.known.len() + names.len() > REMEMBERED {
            self.known.clear();
        }
        let names = names.iter().take(REMEMBERED);
        self.known.extend(names.map(|name| (*name).to_owned()));
    }
}

/// The next address to try for `name`; names with the same address count on together.
fn next_candidate(name: &str, fallback: &'static str, tried: &mut HashMap<Slug, u32>) -> Slug {
    let base = Slug::from_title(name, fallback);
    let number = tried.entry(base.clone()).or_default();
    *number += 1;
    base.numbered(*number)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::next_candidate;

    #[test]
    fn names_with_one_address_count_on_together() {
        let mut tried = HashMap::new();
        let made: Vec<String> = ["C", "c!", "D", "C"]
            .map(|name| next_candidate(name, "tag", &mut tried).into_string())
            .into();
        assert_eq!(made, ["c", "c-2", "d", "c-3"]);
    }
}
