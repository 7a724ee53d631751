//! What a schema is made of, and how two of them differ.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{error::Error, session::Session};

/// Tables, columns, constraints, indexes, triggers, functions and all else, by what it is called.
pub(crate) type Schema = BTreeMap<String, String>;

/// Something that two schemas don't have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What it is called: `index public.posts_title_idx`.
    pub object: String,
    /// What it is by the migrations; `None` where they make no such thing.
    pub expected: Option<String>,
    /// What it is in the database; `None` where it is not there.
    pub found: Option<String>,
}

/// Describes the schema of a session's database.
pub(crate) async fn describe(session: &Session) -> Result<Schema, Error> {
    const SQL: &str = include_str!("schema/describe.sql");
    let rows = session.client().query(SQL, &[]).await;
    let rows = rows.map_err(|e| Error::query("describing the schema", &e))?;
    let objects = rows
        .iter()
        .map(|row| (row.get("object"), row.get("definition")));
    Ok(objects.collect())
}

/// How `found` differs from `expected`, by name.
pub(crate) fn compare(expected: &Schema, found: &Schema) -> Vec<Difference> {
    let mut names: Vec<&String> = expected.keys().chain(found.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let difference = |name: &String| Difference {
        object: name.clone(),
        expected: expected.get(name).cloned(),
        found: found.get(name).cloned(),
    };
    let all = names.into_iter().map(difference);
    all.filter(|difference| difference.expected != difference.found)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Difference, Schema, compare};

    #[test]
    fn what_is_missing_added_or_other_is_named() {
        let schema = |objects: &[(&str, &str)]| -> Schema {
            let owned = objects
                .iter()
                .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
            owned.collect()
        };
        let expected = schema(&[("a", "1"), ("b", "1"), ("c", "1")]);
        let found = schema(&[("a", "1"), ("c", "2"), ("d", "1")]);
        let difference = |object: &str, expected: Option<&str>, found: Option<&str>| Difference {
            object: object.into(),
            expected: expected.map(Into::into),
            found: found.map(Into::into),
        };
        assert_eq!(
            compare(&expected, &found),
            [
                difference("b", Some("1"), None),
                difference("c", Some("1"), Some("2")),
                difference("d", None, Some("1")),
            ]
        );
        assert!(compare(&found, &found).is_empty());
    }
}
