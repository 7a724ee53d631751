//! The linter on a corpus of migrations, beside squawk alone with its own defaults: how much of what is unsafe is found, and
//! how often what is safe is blamed.

use std::fs;

use prepnexus_migrate::{Finding, Migrations};
use squawk_linter::Linter;
use squawk_syntax::SourceFile;

const UNSAFE: &str = include_str!("unsafe.sql");
const SAFE: &str = include_str!("safe.sql");

/// Name and text of each migration of a corpus.
fn corpus(text: &str) -> Vec<(&str, &str)> {
    let parts = text.split("--- ").skip(1);
    parts.filter_map(|part| part.split_once('\n')).collect()
}

fn lint(text: &str) -> Vec<Finding> {
    let dir = tempfile::tempdir().expect("a writable directory");
    fs::write(dir.path().join("0001_one.sql"), text).expect("a writable directory");
    match Migrations::from_dir(dir.path()) {
        Ok(migrations) => migrations.lint(),
        Err(error) => panic!("{text}: {error}"),
    }
}

/// With the rules that it has by default, as its command line would.
fn squawk_finds(text: &str) -> bool {
    let mut linter = Linter::with_default_rules();
    linter.settings.assume_in_transaction = !text.contains("no-transaction");
    !linter.lint(&SourceFile::parse(text), text).is_empty()
}

fn percent(part: usize, whole: usize) -> f64 {
    let as_number = |count| u32::try_from(count).map_or(f64::NAN, f64::from);
    100.0 * as_number(part) / as_number(whole)
}

#[test]
fn what_is_unsafe_is_found_and_what_is_safe_is_left_alone() {
    let (bad, good) = (corpus(UNSAFE), corpus(SAFE));
    assert!(
        bad.len() >= 40 && good.len() >= 40,
        "{} {}",
        bad.len(),
        good.len()
    );
    let missed: Vec<&str> = bad
        .iter()
        .filter(|(_, text)| lint(text).is_empty())
        .map(|(name, _)| *name)
        .collect();
    let blamed: Vec<String> = good
        .iter()
        .filter_map(|(name, text)| {
            let found = lint(text);
            let rules: Vec<&str> = found.iter().map(|finding| finding.rule.as_str()).collect();
            (!rules.is_empty()).then(|| format!("{name}: {}", rules.join(", ")))
        })
        .collect();
    let squawk =
        |corpus: &[(&str, &str)]| corpus.iter().filter(|(_, text)| squawk_finds(text)).count();
    let caught = percent(bad.len() - missed.len(), bad.len());
    let alarms = percent(blamed.len(), good.len());
    println!(
        "of {} unsafe ones {caught:.0} % caught, squawk alone {:.0} %; of {} safe ones {alarms:.0} % blamed, squawk alone {:.0} %",
        bad.len(),
        percent(squawk(&bad), bad.len()),
        good.len(),
        percent(squawk(&good), good.len()),
    );
    println!("missed: {missed:?}\nblamed: {blamed:?}");
    assert!(caught >= 95.0, "missed: {missed:?}");
    assert!(alarms <= 5.0, "blamed: {blamed:?}");
}

#[test]
fn the_projects_own_migrations_are_safe() {
    assert_eq!(Migrations::built_in().lint(), []);
}

#[test]
fn what_the_readme_shows_is_safe() {
    let readme = include_str!("../../../../migrations/README.md");
    let shown: Vec<&str> = readme.split("```sql\n").skip(1).collect();
    assert_eq!(shown.len(), 3);
    for block in shown {
        let text = block.split("```").next().unwrap_or_default();
        // Its first line is the file's name.
        let text = text.split_once('\n').map_or(text, |(_, text)| text);
        assert_eq!(lint(text), [], "{text}");
    }
}

#[test]
fn a_finding_says_where_what_and_what_instead() {
    let found = lint("-- About.\n\nSELECT 1;\nUPDATE posts\nSET code = slug;");
    let [finding] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!((finding.file.as_str(), finding.line), ("0001_one.sql", 4));
    assert_eq!(finding.rule, "backfill-in-one-transaction");
    let help = finding.help.as_deref().unwrap_or_default();
    assert!(help.contains("-- migrate: repeat"), "{help}");
}

#[test]
fn a_waiver_that_nothing_needs_is_a_finding() {
    let found = lint("-- migrate: allow ban-drop-table: why not\nSELECT 1;");
    assert_eq!((found.len(), found[0].line), (1, 1));
    assert_eq!(found[0].rule, "unused-waiver");
}
