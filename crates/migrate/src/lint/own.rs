//! What squawk does not look at.

use std::collections::HashSet;

use super::Finding;
use crate::{
    file::Migration,
    statement::{Statement, Words},
};

/// Tables and views that a file makes: nobody uses them yet.
pub(super) fn created(migration: &Migration) -> HashSet<String> {
    let made = migration.statements.iter().filter_map(|statement| {
        let mut words = Words::of(&statement.sql);
        if !words.eat("create") {
            return None;
        }
        for word in [
            "or",
            "replace",
            "unlogged",
            "global",
            "local",
            "temporary",
            "temp",
        ] {
            words.eat(word);
        }
        let is_relation =
            words.eat("table") || words.eat("view") || words.eat_all(&["materialized", "view"]);
        words.eat_all(&["if", "not", "exists"]);
        is_relation.then(|| words.name()).flatten()
    });
    made.map(|name| bare(&name)).collect()
}

/// Whether the statement on that line is about one of these tables.
pub(super) fn is_about(migration: &Migration, line: usize, tables: &HashSet<String>) -> bool {
    let mut statements = migration.statements.iter();
    let on_line = |statement: &&Statement| (statement.line..=statement.last_line()).contains(&line);
    let statement = statements.find(on_line);
    let target = statement.and_then(|statement| Deed::of(&statement.sql).target);
    target.is_some_and(|target| tables.contains(&target))
}

pub(super) fn lint(migration: &Migration) -> Vec<Finding> {
    let new = created(migration);
    let mut findings = Vec::new();
    // The statement from which on readers wait until the end of the transaction.
    let mut locked_since: Option<usize> = None;
    let mut checked = Checks::default();
    for statement in &migration.statements {
        let deed = Deed::of(&statement.sql);
        let words = Words::of(&statement.sql);
        let is_new = deed
            .target
            .as_ref()
            .is_some_and(|target| new.contains(target));
        let mut find = |rule: &str, message: String, help: &str| {
            findings.push(Finding {
                file: migration.to_string(),
                line: statement.line,
                rule: rule.into(),
                message,
                help: Some(help.into()),
            });
        };
        if words.have(&["cascade"]) && deed.is_drop {
            find(
                "drops-cascade",
                "CASCADE drops what the file does not name.".into(),
                "Drop each of them by name.",
            );
        }
        if is_new || deed.target.is_none() {
            checked.note(&deed, &words);
            continue;
        }
        if let Some(line) = locked_since.filter(|_| migration.header.transaction && deed.is_long) {
            find(
                "long-lock",
                format!(
                    "Since line {line} this transaction keeps readers out, and this takes long."
                ),
                "Begin the file with `-- migrate: no-transaction`, so that each statement is a transaction of its own.",
            );
        }
        if deed.is_exclusive {
            locked_since.get_or_insert(statement.line);
        }
        if deed.is_unbounded && !statement.repeats {
            find(
                "backfill-in-one-transaction",
                "Changing all of a table in one transaction keeps its rows locked, and the dead ones from being cleaned up, until its end.".into(),
                "Begin the file with `-- migrate: no-transaction`, limit the statement to some thousand rows \
                 (WHERE id IN (SELECT … LIMIT 5000)), and put `-- migrate: repeat` before it.",
            );
        }
        if deed.is_lock {
            find(
                "locks-table",
                "LOCK TABLE keeps others waiting until the end of the transaction.".into(),
                "Let the statements take the locks that they need.",
            );
        }
        if deed.is_truncate {
            find(
                "truncates-table",
                "TRUNCATE removes all rows, and keeps readers out until the end of the transaction.".into(),
                "Delete in parts, or leave the rows and stop using the table.",
            );
        }
        if deed.is_refresh && !words.have(&["concurrently"]) {
            find(
                "refresh-blocks-readers",
                "REFRESH MATERIALIZED VIEW keeps readers out while the query runs.".into(),
                "REFRESH MATERIALIZED VIEW CONCURRENTLY, which needs a unique index on it.",
            );
        }
        if deed.is_rewrite || (deed.is_alter && REWRITES.iter().any(|rewrite| words.have(rewrite)))
        {
            find(
                "rewrites-table",
                "The whole table is written anew, and nobody reads it meanwhile.".into(),
                "Make a new table or column beside it, fill it in parts, and change over.",
            );
        }
        if deed.is_alter && words.have(&["exclude"]) {
            find(
                "exclusion-constraint",
                "The index of an exclusion constraint is built while nobody reads the table, and can't be built before.".into(),
                "Make a new table with the constraint, fill it in parts, and change over.",
            );
        }
        if deed.is_alter && words.have(&["set", "not", "null"]) && !checked.has_not_null(&words) {
            find(
                "not-null-without-check",
                "All rows are looked at, and nobody reads the table meanwhile.".into(),
                "Add CHECK (column IS NOT NULL) NOT VALID, validate it in another transaction, then SET NOT NULL: \
                 the valid check spares the look.",
            );
        }
        if deed.is_alter && words.have(&["attach", "partition"]) && !checked.has_check(&words) {
            find(
                "attach-without-check",
                "All rows of the partition are looked at, and nobody uses it meanwhile.".into(),
                "Add a CHECK of the partition's bounds to it first, NOT VALID, and validate that.",
            );
        }
        checked.note(&deed, &words);
    }
    findings
}

/// Parts of ALTER TABLE that write the whole table anew.
const REWRITES: [&[&str]; 5] = [
    &["set", "logged"],
    &["set", "unlogged"],
    &["set", "tablespace"],
    &["set", "access", "method"],
    &["stored"],
];

/// What may stand between VACUUM and its table.
const OPTIONS: [&str; 6] = ["full", "freeze", "verbose", "analyze", "true", "on"];

/// What a statement does, as far as it matters here.
#[derive(Debug, Default)]
struct Deed {
    /// The table or view, without its schema.
    target: Option<String>,
    is_alter: bool,
    is_drop: bool,
    is_lock: bool,
    is_truncate: bool,
    is_refresh: bool,
    /// `VACUUM FULL`, `CLUSTER`.
    is_rewrite: bool,
    /// Takes a lock that readers wait for.
    is_exclusive: bool,
    /// Takes as long as the table is large.
    is_long: bool,
    /// Changes rows without a limit.
    is_unbounded: bool,
}

impl Deed {
    fn of(sql: &str) -> Self {
        let mut words = Words::of(sql);
        let mut deed = Self::default();
        let first = words.next().unwrap_or_default().to_ascii_lowercase();
        match first.as_str() {
            "alter" if words.eat("table") => {
                words.eat_all(&["if", "exists"]);
                words.eat("only");
                deed.is_alter = true;
                deed.is_long = words.have(&["validate", "constraint"]);
                // Validating, and what only tells the planner or the sessions, lets readers in.
                deed.is_exclusive = !deed.is_long && !words.have(&["set", "statistics"]);
            }
            "create" => {
                words.eat("unique");
                if !words.eat("index") {
                    return deed;
                }
                deed.is_long = !words.have(&["concurrently"]);
                while let Some(word) = words.next() {
                    if word.eq_ignore_ascii_case("on") {
                        break;
                    }
                }
                words.eat("only");
            }
            "update" => {
                words.eat("only");
                (deed.is_long, deed.is_unbounded) = (true, is_unbounded(&words));
            }
            "delete" => {
                words.eat("from");
                words.eat("only");
                (deed.is_long, deed.is_unbounded) = (true, is_unbounded(&words));
            }
            "insert" => {
                words.eat("into");
                deed.is_long = words.have(&["select"]) && words.have(&["from"]);
            }
            "truncate" => {
                words.eat("table");
                words.eat("only");
                (deed.is_truncate, deed.is_exclusive) = (true, true);
            }
            "lock" => {
                words.eat("table");
                words.eat("only");
                (deed.is_lock, deed.is_exclusive) = (true, true);
            }
            "refresh" => {
                words.eat_all(&["materialized", "view"]);
                words.eat("concurrently");
                (deed.is_refresh, deed.is_long) = (true, true);
            }
            "vacuum" => {
                deed.is_rewrite = words.have(&["full"]);
                while words.eat("(")
                    || words.eat(")")
                    || words.eat(",")
                    || OPTIONS.iter().any(|option| words.eat(option))
                {}
            }
            "cluster" => {
                words.eat("verbose");
                deed.is_rewrite = true;
            }
            "drop" => {
                deed.is_drop = true;
                deed.is_exclusive = words.eat("table");
                words.eat_all(&["if", "exists"]);
                if !deed.is_exclusive {
                    return deed;
                }
            }
            _ => return deed,
        }
        deed.target = words.name().map(|name| bare(&name));
        deed
    }
}

/// Whether an UPDATE or DELETE may change all rows: it has no WHERE, or one that neither names rows nor has a limit.
fn is_unbounded(words: &Words<'_>) -> bool {
    let rest = words.rest();
    let condition = rest
        .iter()
        .position(|word| word.eq_ignore_ascii_case("where"));
    let Some(condition) = condition.map(|at| &rest[at + 1..]) else {
        return true;
    };
    let has_limit = condition
        .iter()
        .any(|word| word.eq_ignore_ascii_case("limit"));
    let is_value =
        |word: &str| word.starts_with('\'') || word.starts_with(|c: char| c.is_ascii_digit());
    let names_rows = condition
        .windows(2)
        .any(|pair| pair[0] == "=" && is_value(pair[1]))
        || condition.windows(3).any(|three| {
            three[0].eq_ignore_ascii_case("in") && three[1] == "(" && is_value(three[2])
        });
    !(has_limit || names_rows)
}

/// Checks that the file has validated so far.
#[derive(Debug, Default)]
struct Checks {
    /// Columns with a check that they are not null.
    not_null: HashSet<String>,
    /// Tables with a check.
    tables: HashSet<String>,
}

impl Checks {
    fn note(&mut self, deed: &Deed, words: &Words<'_>) {
        let Some(target) = deed.target.as_ref().filter(|_| deed.is_alter) else {
            return;
        };
        if words.have(&["check"]) {
            self.tables.insert(target.clone());
            for column in words.rest().windows(4) {
                if column[1..]
                    .iter()
                    .zip(["is", "not", "null"])
                    .all(|(a, b)| a.eq_ignore_ascii_case(b))
                {
                    self.not_null.insert(bare(column[0]));
                }
            }
        }
    }

    fn has_not_null(&self, words: &Words<'_>) -> bool {
        let rest = words.rest();
        let mut set = rest.windows(4).filter(|four| {
            four[1..]
                .iter()
                .zip(["set", "not", "null"])
                .all(|(a, b)| a.eq_ignore_ascii_case(b))
        });
        set.all(|four| self.not_null.contains(&bare(four[0])))
    }

    fn has_check(&self, words: &Words<'_>) -> bool {
        let rest = words.rest();
        let at = rest
            .iter()
            .position(|word| word.eq_ignore_ascii_case("partition"));
        let name = at.and_then(|at| rest.get(at + 1));
        name.is_some_and(|name| self.tables.contains(&bare(name)))
    }
}

/// A name without its schema, as the server keeps it.
fn bare(name: &str) -> String {
    let last = name.rsplit('.').next().unwrap_or(name);
    match last
        .strip_prefix('"')
        .and_then(|name| name.strip_suffix('"'))
    {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => last.to_ascii_lowercase(),
    }
}
