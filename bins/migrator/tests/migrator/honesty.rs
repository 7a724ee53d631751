//! The plan is what is sent, all of it: the statements of the JSON plan are those in the server's log.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

use std::{fs, path::Path};

use prepnexus_testkit::{TestDb, stack};
use serde_json::Value;
use tokio::task::block_in_place;

use crate::with;

/// Migrations with all that can't run in a transaction.
fn steps() -> String {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/chaos/migrations");
    dir.to_str().unwrap().to_owned()
}

/// Statements of a plan, file by file.
fn planned(plan: &Value) -> Vec<String> {
    let files = plan["planned"].as_array().unwrap().iter();
    let statements = files.flat_map(|file| file["statements"].as_array().unwrap());
    statements
        .map(|sql| sql.as_str().unwrap().to_owned())
        .collect()
}

/// The groups of statements that are sent again and again.
fn repeated(plan: &Value) -> Vec<Vec<String>> {
    let files = plan["planned"].as_array().unwrap().iter();
    let groups = files.flat_map(|file| file["repeated"].as_array().unwrap());
    groups
        .map(|group| serde_json::from_value(group.clone()).unwrap())
        .collect()
}

/// What the server says that it was sent for this database: simple statements, and prepared ones.
fn logged(database: &str) -> (Vec<String>, Vec<String>) {
    let path = block_in_place(|| stack().primary().log_path());
    let log = fs::read_to_string(path).unwrap();
    let (mut simple, mut prepared) = (Vec::<String>::new(), Vec::<String>::new());
    let mut of_simple = None;
    for line in log.lines() {
        if let Some(more) = line.strip_prefix('\t') {
            let last = match of_simple {
                Some(true) => simple.last_mut(),
                Some(false) => prepared.last_mut(),
                None => None,
            };
            if let Some(last) = last {
                last.push('\n');
                last.push_str(more);
            }
            continue;
        }
        of_simple = None;
        if !line.contains(&format!("@{database} ")) {
            continue;
        }
        if let Some((_, sql)) = line.split_once(" LOG:  statement: ") {
            simple.push(sql.to_owned());
            of_simple = Some(true);
        } else if let Some((_, rest)) = line.split_once(" LOG:  execute ") {
            prepared.push(rest.split_once(": ").unwrap().1.to_owned());
            of_simple = Some(false);
        }
    }
    (simple, prepared)
}

/// Leaves one of what was sent several times in a row.
fn once(mut sent: Vec<String>, group: &[String]) -> Vec<String> {
    let mut at = 0;
    while at + 2 * group.len() <= sent.len() {
        if sent[at..].starts_with(group) && sent[at + group.len()..].starts_with(group) {
            sent.drain(at..at + group.len());
        } else {
            at += 1;
        }
    }
    sent
}

#[tokio::test(flavor = "multi_thread")]
async fn the_statements_of_the_plan_are_those_in_the_servers_log() {
    let db = TestDb::empty().await;
    let owner = db.owner_config().user;
    let dir = steps();
    let arguments = ["--migrations", &dir, "up", "--plan", "json"];
    let dry = with(&db, &[&arguments as &[_], &["--dry-run"]].concat()).await;
    assert_eq!(dry.code, 0, "{}", dry.stderr);
    let dry: Value = serde_json::from_str(&dry.stdout).unwrap();

    let log_all = format!(
        "ALTER ROLE {owner} IN DATABASE {} SET log_statement = 'all'",
        db.database()
    );
    db.psql(&format!(
        "GRANT SET ON PARAMETER log_statement TO {owner}; {log_all}"
    ))
    .await;
    let ran = with(&db, &arguments).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let plan: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(planned(&plan), planned(&dry));

    let (mut sent, asked) = logged(db.database());
    let groups = repeated(&plan);
    assert_eq!(groups.len(), 1);
    let all = sent.len();
    for group in &groups {
        sent = once(sent, group);
    }
    assert_eq!(sent, planned(&plan));
    // What it asks besides changes nothing.
    assert!(
        asked
            .iter()
            .all(|sql| sql.trim_start().starts_with("SELECT")),
        "{asked:?}"
    );
    println!(
        "{all} statements sent, {} planned, {} questions",
        sent.len(),
        asked.len()
    );
    assert!(all > sent.len() && !asked.is_empty());
}
