//! `migrator import-sqlite`: how far it is, and what became of the rows.

use std::{
    fmt::Write as _,
    io::{IsTerminal, stderr},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Context;
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use prepnexus_domain::SystemClock;
use prepnexus_migrate::{
    Migrator, Progress,
    import::{ImportOptions, ImportReport, Outcome, Phase},
};
use serde_json::json;

use crate::{
    args::ImportArgs,
    commands::tell,
    exit::{FAILED, REJECTED},
    output,
};

/// Reasons of the summary; all of them are in the report.
const REASONS: usize = 10;
/// How often it is said how far it is where there is no terminal for a bar.
const SAY: Duration = Duration::from_secs(5);

pub(crate) async fn run(migrator: &Migrator, args: &ImportArgs) -> anyhow::Result<ExitCode> {
    let options = ImportOptions {
        dry_run: args.dry_run,
        allow_rejects: args.allow_rejects,
        reject_file: args.reject_file.clone(),
        report_file: args.report.clone(),
        lock_wait: args.lock_wait,
    };
    let mut meter = Meter::default();
    let mut watch = |progress| match progress {
        Progress::Import { phase, done, total } => meter.show(phase, done, total),
        other => tell(other),
    };
    let report = migrator
        .import_sqlite(&args.file, &options, &SystemClock, &mut watch)
        .await;
    meter.clear();
    let report = report.with_context(|| args.file.display().to_string())?;
    output::print(&if args.json {
        output::document(&json!(report))
    } else {
        summary(&report, args)
    })?;
    Ok(match report.outcome {
        Outcome::Published | Outcome::DryRun => ExitCode::SUCCESS,
        Outcome::TooManyRejected => ExitCode::from(REJECTED),
        Outcome::Mismatch => ExitCode::from(FAILED),
    })
}

/// A bar on a terminal, and a line now and then elsewhere.
#[derive(Default)]
struct Meter {
    current: Option<(Phase, ProgressBar)>,
    said: Option<Instant>,
}

impl Meter {
    fn show(&mut self, phase: Phase, done: u64, total: u64) {
        if self.current.as_ref().is_none_or(|(of, _)| *of != phase) {
            self.clear();
            self.current = Some((phase, bar(phase, total)));
        }
        let Some((_, bar)) = &self.current else {
            return;
        };
        bar.set_position(done);
        let is_due = self.said.is_none_or(|said| said.elapsed() >= SAY);
        if total > 0 && is_due && !stderr().is_terminal() {
            self.said = Some(Instant::now());
            tracing::info!(
                "{phase}: {done} of {total} rows, {:.0} rows/s, {} left",
                bar.per_sec(),
                HumanDuration(bar.eta())
            );
        }
    }

    fn clear(&mut self) {
        self.said = Some(Instant::now());
        if let Some((_, bar)) = self.current.take() {
            bar.finish_and_clear();
        }
    }
}

fn bar(phase: Phase, total: u64) -> ProgressBar {
    let template = if total == 0 {
        "{msg} {elapsed}"
    } else {
        "{msg:10} [{wide_bar}] {percent:>3} %  {human_pos} of {human_len}  {per_sec}  {eta} left"
    };
    let style = ProgressStyle::with_template(template);
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    bar.set_style(style.expect("the template is right"));
    bar.set_message(phase.to_string());
    bar
}

fn summary(report: &ImportReport, args: &ImportArgs) -> String {
    let mut text = format!(
        "{}\nSHA-256 {}, unchanged\n\n{:10} {:>10} {:>10} {:>10} {:>10} {:>10}\n",
        args.file.display(),
        report.source_sha256,
        "table",
        "source",
        "imported",
        "adjusted",
        "rejected",
        "skipped"
    );
    for (name, table) in &report.tables {
        let _infallible = writeln!(
            text,
            "{name:10} {:>10} {:>10} {:>10} {:>10} {:>10}",
            table.source, table.imported, table.adjusted, table.rejected, table.skipped
        );
    }
    let mut reasons: Vec<(&String, &String, u64)> = report
        .tables
        .iter()
        .flat_map(|(name, table)| {
            table
                .reasons
                .iter()
                .map(move |(code, rows)| (name, code, *rows))
        })
        .collect();
    reasons.sort_by_key(|(_, _, rows)| std::cmp::Reverse(*rows));
    if !reasons.is_empty() {
        text.push_str("\nthe most common reasons to adjust, reject or skip:\n");
    }
    for (name, code, rows) in reasons.iter().take(REASONS) {
        let _infallible = writeln!(text, "{rows:>10}  {name} {code}");
    }
    let _infallible = writeln!(
        text,
        "\n{} rows read back, {} of them not what the file says; {} rows written\nleft behind: {}",
        report.verified_rows + report.hash_mismatches,
        report.hash_mismatches,
        report.written_rows,
        report.left_behind.join(", ")
    );
    let end = match report.outcome {
        Outcome::Published => "all of it is visible".to_owned(),
        Outcome::DryRun => "a dry run: nothing was changed".to_owned(),
        Outcome::Mismatch => "nothing was changed".to_owned(),
        Outcome::TooManyRejected => format!(
            "nothing was changed: {} rows were rejected, {} are allowed",
            report.rejected(),
            args.allow_rejects
        ),
    };
    let _infallible = writeln!(text, "{end} ({:.1} s)", report.took.as_secs_f64());
    text
}
