//! Results on standard output, for people and for programs. What happens meanwhile is logged on standard error.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
};

use anyhow::Context;
use prepnexus_migrate::{Difference, Finding, How, LoadReport, Planned, Status, Unit, UpReport};
use serde_json::{Value, json};

pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .context("can't write to standard output")
}

pub(crate) fn applied_text(report: &UpReport) -> String {
    if report.applied.is_empty() {
        return "nothing is pending\n".into();
    }
    report.applied.iter().fold(String::new(), |mut text, file| {
        let _infallible = writeln!(text, "applied {file} ({} ms)", file.took.as_millis());
        text
    })
}

/// The statements as a script that `psql` would run.
pub(crate) fn plan_sql(report: &UpReport) -> String {
    if report.planned.is_empty() {
        return "-- nothing is pending\n".into();
    }
    report.planned.iter().fold(String::new(), |mut text, step| {
        let _infallible = writeln!(text, "-- {}", name_of(step));
        for unit in &step.units {
            if unit.how == How::Repeated {
                let _infallible = writeln!(text, "-- again and again, until it changes no row:");
            }
            for sent in &unit.statements {
                let _infallible = writeln!(text, "{};", sent.sql);
            }
        }
        text
    })
}

pub(crate) fn plan_json(report: &UpReport, dry_run: bool) -> String {
    let planned = report.planned.iter().map(|step| {
        let version = step.migration.as_ref().map(|m| m.version);
        let checksum = step.migration.as_ref().map(|m| &m.checksum);
        let statements: Vec<&str> = step.statements().collect();
        let repeated: Vec<Vec<&str>> = step.units.iter().filter_map(repeated).collect();
        json!({
            "version": version, "file": name_of(step), "checksum": checksum, "statements": statements,
            "repeated": repeated,
        })
    });
    let applied = report.applied.iter().map(|file| {
        json!({"version": file.version, "file": file.to_string(), "took_ms": as_number(file.took.as_millis())})
    });
    document(&json!({
        "dry_run": dry_run,
        "planned": planned.collect::<Vec<_>>(),
        "applied": applied.collect::<Vec<_>>(),
    }))
}

pub(crate) fn status_text(status: &Status) -> String {
    let mut text = String::new();
    for record in &status.applied {
        let changed = status.mismatched.iter().any(|(other, _)| other == record);
        let state = if changed {
            "changed"
        } else if status.unknown.contains(record) {
            "unknown"
        } else {
            "applied"
        };
        let _infallible = writeln!(
            text,
            "{state:8} {} at {} ({} ms)",
            record.file(),
            record.applied_at,
            record.duration_ms
        );
    }
    for migration in &status.pending {
        let _infallible = writeln!(text, "{:8} {migration}", "pending");
    }
    text
}

pub(crate) fn status_json(status: &Status) -> String {
    let pending = status.pending.iter().map(|migration| {
        json!({"version": migration.version, "name": migration.name, "checksum": migration.checksum})
    });
    let mismatched = status.mismatched.iter().map(|(record, found)| {
        json!({"version": record.version, "name": record.name, "applied": record.checksum, "found": found})
    });
    document(&json!({
        "applied": status.applied,
        "pending": pending.collect::<Vec<_>>(),
        "mismatched": mismatched.collect::<Vec<_>>(),
        "unknown": status.unknown,
    }))
}

/// What is unsafe.
pub(crate) fn findings(findings: &[Finding], json: bool) -> String {
    if json {
        return document(&json!({"findings": findings}));
    }
    if findings.is_empty() {
        return "nothing is unsafe\n".into();
    }
    findings.iter().fold(String::new(), |mut text, finding| {
        let Finding {
            file,
            line,
            rule,
            message,
            help,
        } = finding;
        let _infallible = writeln!(text, "{file}, line {line}: {message} [{rule}]");
        if let Some(help) = help {
            let _infallible = writeln!(text, "  {help}");
        }
        text
    })
}

/// How the schema differs from the one that the migrations make.
pub(crate) fn differences(differences: &[Difference], json: bool) -> String {
    if json {
        return document(&json!({"differences": differences}));
    }
    if differences.is_empty() {
        return "the schema is the one that the migrations make\n".into();
    }
    let mut text = String::new();
    for Difference {
        object,
        expected,
        found,
    } in differences
    {
        let what = match (expected, found) {
            (Some(_), None) => "missing",
            (None, _) => "not made by a migration",
            (Some(_), Some(_)) => "another",
        };
        let _infallible = writeln!(text, "{what}: {object}");
        for (sign, lines) in [('-', expected), ('+', found)] {
            for line in lines.iter().flat_map(|lines| lines.lines()) {
                let _infallible = writeln!(text, "  {sign} {line}");
            }
        }
    }
    text
}

pub(crate) fn baseline(version: i32, json: bool) -> String {
    if json {
        document(&json!({"version": version}))
    } else {
        format!("recorded as applied, up to {version:04}\n")
    }
}

pub(crate) fn answers(json: bool) -> String {
    if json {
        document(&json!({"answers": true}))
    } else {
        "the primary answers\n".into()
    }
}

pub(crate) fn loaded(report: LoadReport, json: bool) -> String {
    let LoadReport {
        inserted,
        unchanged,
    } = report;
    if json {
        document(&json!({"inserted": inserted, "unchanged": unchanged}))
    } else {
        format!("{inserted} inserted, {unchanged} there already\n")
    }
}

/// The statements of a unit that is sent until it changes no row.
fn repeated(unit: &Unit) -> Option<Vec<&str>> {
    let statements = unit.statements.iter().map(|sent| sent.sql.as_str());
    (unit.how == How::Repeated).then(|| statements.collect())
}

fn name_of(step: &Planned) -> String {
    step.migration
        .as_ref()
        .map_or_else(|| "schema_migrations".into(), ToString::to_string)
}

fn as_number(milliseconds: u128) -> u64 {
    u64::try_from(milliseconds).unwrap_or(u64::MAX)
}

pub(crate) fn document(value: &Value) -> String {
    format!("{value:#}\n")
}
