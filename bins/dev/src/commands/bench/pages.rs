//! `./dev bench pages`: whether a page, and a post, cost the same among a million posts as among a
//! thousand. Two databases on one server, two APIs, the same requests in turn; and the plan of each
//! statement at the million.

use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use serde_json::Value;

use super::reference::get;
use super::report::{self, median};
use super::rig::Rig;
use crate::bootstrap::bootstrap;
use crate::child::Child;
use crate::commands::seed;
use crate::env_file::EnvFile;
use crate::output::{note, say};
use crate::session::Session;

const FEW: u64 = 1_000;
const MANY: u64 = 1_000_000;
/// Requests of each kind.
const SAMPLES: usize = 400;
/// The page that is deep, of 20 posts each.
const DEEP_PAGE: usize = 5_000;
/// Tables no reader's request may read from end to end.
const LARGE_TABLES: [&str; 4] = ["posts", "post_tags", "post_views", "post_slugs"];

/// A line of the table.
#[derive(Debug, Serialize)]
struct Row {
    what: String,
    few_ms: f64,
    many_ms: f64,
    ratio: f64,
    indexes: Vec<String>,
}

/// A database of some size, and the API in front of it.
struct Site {
    _api: Child,
    base: String,
    deep: String,
}

pub(super) fn run(session: &Session) -> Result<()> {
    let mut rig = Rig::start(session)?;
    let many_env = rig.env.clone();
    let mut few_env = many_env.clone();
    few_env.set("DB_NAME", "prepnexus_few");
    bootstrap(rig.stack.primary(), &mut few_env)?;
    let few = site(session, &mut rig, few_env, FEW)?;
    let many = site(session, &mut rig, many_env, MANY)?;

    let kinds: [(&str, Address, &str); 3] = [
        (
            "first page",
            |site| format!("{}/api/v1/posts", site.base),
            "posts.list",
        ),
        (
            "page 5,000 by cursor (the last of the few)",
            |site| site.deep.clone(),
            "posts.list",
        ),
        (
            "one post by slug",
            |site| format!("{}/api/v1/posts/slug/generated-500", site.base),
            "posts.find_by_slug",
        ),
    ];
    let mut rows = Vec::new();
    for (what, url, name) in kinds {
        let (mut few_ms, mut many_ms) = (Vec::new(), Vec::new());
        for _ in 0..SAMPLES {
            few_ms.push(time(&url(&few))?);
            many_ms.push(time(&url(&many))?);
        }
        let (few_ms, many_ms) = (median(few_ms), median(many_ms));
        let indexes = indexes(&rig, name)?;
        rows.push(Row {
            what: what.to_owned(),
            few_ms,
            many_ms,
            ratio: many_ms / few_ms,
            indexes,
        });
    }
    say(format_args!(
        "\nmedians of {SAMPLES} requests, one at a time"
    ));
    let cells = rows.iter().map(|row| {
        vec![
            row.what.clone(),
            format!("{:.2}", row.few_ms),
            format!("{:.2}", row.many_ms),
            format!("{:.2}", row.ratio),
        ]
    });
    report::print(
        &["", "1,000 posts, ms", "1,000,000 posts, ms", "ratio"],
        &cells.collect::<Vec<_>>(),
    );
    for row in &rows {
        say(format_args!("{}: {}", row.what, row.indexes.join(", ")));
    }
    report::write(session, "pages", &rows)
}

/// The address of one kind of request on a site.
type Address = fn(&Site) -> String;

fn site(session: &Session, rig: &mut Rig, env: EnvFile, count: u64) -> Result<Site> {
    rig.env = env;
    rig.migrator(session, &["up"])?;
    note(format_args!("making {count} posts"));
    let config = seed::owner_config(rig.stack.nodes(), &rig.env)?;
    seed::generate(session, config, count)?;
    let database = rig.setting("DB_NAME")?.to_owned();
    rig.stack.primary().psql_within(
        std::time::Duration::from_secs(600),
        &database,
        "VACUUM (ANALYZE)",
    )?;
    let (api, base) = rig.api(session)?;
    let deep = deep_page(session, &base)?;
    Ok(Site {
        _api: api,
        base,
        deep,
    })
}

/// The address of page 5,000, or of the last, found by following the cursors.
fn deep_page(session: &Session, base: &str) -> Result<String> {
    let (mut cursor, mut skipped) = (None, 0);
    while skipped < DEEP_PAGE * 20 {
        session.interrupts.check()?;
        let from = cursor
            .as_ref()
            .map_or_else(String::new, |cursor| format!("&cursor={cursor}"));
        let page: Value =
            serde_json::from_str(&get(&format!("{base}/api/v1/posts?limit=100{from}"))?)?;
        match page["page"]["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
        skipped += 100;
    }
    let cursor = cursor.context("there is only one page")?;
    Ok(format!("{base}/api/v1/posts?cursor={cursor}"))
}

fn time(url: &str) -> Result<f64> {
    let began = Instant::now();
    get(url)?;
    Ok(began.elapsed().as_secs_f64() * 1_000.0)
}

/// The indexes that the statement of that name uses at the million, whatever its parameters.
fn indexes(rig: &Rig, name: &str) -> Result<Vec<String>> {
    let text = rig.last_statement(name)?;
    let parameters = (1..=9).filter(|n| text.contains(&format!("${n}"))).count();
    let nulls = vec!["NULL"; parameters].join(", ");
    let explain = format!(
        "SET plan_cache_mode = force_generic_plan; PREPARE s AS {text}; EXPLAIN (FORMAT JSON) EXECUTE s({nulls})"
    );
    let plan = rig
        .stack
        .primary()
        .psql_db(rig.setting("DB_NAME")?, &explain)?;
    let mut found = Vec::new();
    walk(&serde_json::from_str(&plan)?, &mut found)?;
    found.sort();
    found.dedup();
    Ok(found)
}

fn walk(node: &Value, indexes: &mut Vec<String>) -> Result<()> {
    if node["Node Type"] == "Seq Scan"
        && LARGE_TABLES
            .iter()
            .any(|table| node["Relation Name"] == *table)
    {
        bail!("{} is read from end to end", node["Relation Name"]);
    }
    indexes.extend(node["Index Name"].as_str().map(str::to_owned));
    let below = match node {
        Value::Array(items) => items.iter().collect(),
        Value::Object(fields) => fields.values().collect(),
        _ => Vec::new(),
    };
    below
        .into_iter()
        .try_for_each(|node: &Value| walk(node, indexes))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn a_large_table_read_from_end_to_end_is_found_wherever_it_stands() {
        let plan = |kind: &str| json!([{"Plan": {"Node Type": "Limit", "Plans": [{"Node Type": kind, "Relation Name": "posts", "Index Name": "i"}]}}]);
        let mut indexes = Vec::new();
        assert!(super::walk(&plan("Index Scan"), &mut indexes).is_ok());
        assert_eq!(indexes, ["i"]);
        assert!(super::walk(&plan("Seq Scan"), &mut indexes).is_err());
    }
}
