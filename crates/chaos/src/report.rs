//! The result of all runs: a table for people, JSON for the rest.

use std::fmt::Write as _;

use serde::Serialize;

use crate::measure::{Limit, Measure};

/// One number over all runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// The scenario.
    pub scenario: &'static str,
    /// The run in which it was worst; its limit too, where that depends on the run.
    pub worst: Measure,
    /// The number of each run; null where there was nothing to measure.
    pub runs: Vec<f64>,
    /// Whether every run kept its limit.
    pub holds: bool,
}

/// Everything that was measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// One line for each number of each scenario.
    pub lines: Vec<Line>,
    /// Runs that could not be played to their end, in words.
    pub failures: Vec<String>,
}

impl Report {
    /// Whether every run was played and every limit kept.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.failures.is_empty()
            && !self.lines.is_empty()
            && self.lines.iter().all(|line| line.holds)
    }

    /// Takes the measures of one run.
    pub(crate) fn add(&mut self, scenario: &'static str, measures: Vec<Measure>) {
        for measure in measures {
            let same =
                |line: &&mut Line| line.scenario == scenario && line.worst.what == measure.what;
            match self.lines.iter_mut().find(same) {
                Some(line) => {
                    line.runs.push(measure.value);
                    line.holds &= measure.holds();
                    if measure.excess() > line.worst.excess() {
                        line.worst = measure;
                    }
                }
                None => self.lines.push(Line {
                    scenario,
                    runs: vec![measure.value],
                    holds: measure.holds(),
                    worst: measure,
                }),
            }
        }
    }

    /// The table: measured (the worst of the runs), limit, reference, verdict.
    #[must_use]
    pub fn table(&self) -> String {
        let head = [
            "scenario",
            "what",
            "worst",
            "limit",
            "runs",
            "",
            "reference",
        ];
        let mut rows = vec![head.map(str::to_owned)];
        let mut scenario = "";
        for line in &self.lines {
            let name = if line.scenario == scenario {
                ""
            } else {
                line.scenario
            };
            scenario = line.scenario;
            rows.push([
                name.to_owned(),
                line.worst.what.to_owned(),
                with_unit(line.worst.value, line.worst.unit),
                limit(&line.worst),
                line.runs.len().to_string(),
                if line.holds { "ok" } else { "BROKEN" }.to_owned(),
                line.worst.reference.clone(),
            ]);
        }
        let mut text = aligned(&rows);
        for failure in &self.failures {
            let _infallible = writeln!(text, "not played: {failure}");
        }
        text
    }

    /// The same as JSON.
    #[must_use]
    pub fn json(&self) -> String {
        let text = serde_json::to_string_pretty(self);
        text.expect("the report has no maps, and so no keys that are not text")
    }
}

fn limit(measure: &Measure) -> String {
    match measure.limit {
        Limit::AtMost(limit) => format!("<= {}", with_unit(limit, measure.unit)),
        Limit::AtLeast(limit) => format!(">= {}", with_unit(limit, measure.unit)),
    }
}

fn with_unit(value: f64, unit: &str) -> String {
    if value.is_nan() {
        return "none".to_owned();
    }
    let number = if value.fract().abs() < 0.005 || value.abs() >= 1_000.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    };
    if unit.is_empty() {
        number
    } else {
        format!("{number} {unit}")
    }
}

fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..N).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _infallible = write!(line, "{cell:<width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::Report;
    use crate::measure::Measure;

    #[test]
    fn the_worst_run_counts_by_its_own_limit() {
        let mut report = Report::default();
        report.add("frozen", vec![Measure::ms("p99", 9.0, 20.0)]);
        report.add("frozen", vec![Measure::ms("p99", 8.0, 8.5)]);
        report.add("frozen", vec![Measure::ms("p99", 3.0, 20.0)]);
        assert!(report.holds());
        assert!((report.lines[0].worst.value - 8.0).abs() < f64::EPSILON);
        report.add(
            "frozen",
            vec![Measure::ms("p99", f64::NAN, 20.0).beside("healthy: 1 ms")],
        );
        assert!(!report.holds());
        let table = report.table();
        assert!(
            table.contains("frozen    p99   none   <= 20 ms  4     BROKEN  healthy: 1 ms"),
            "{table}"
        );
        assert!(report.json().contains("null"), "{}", report.json());
    }

    #[test]
    fn what_was_not_played_does_not_hold() {
        let mut report = Report::default();
        assert!(!report.holds(), "nothing was measured");
        report.add("a", vec![Measure::never("lost", 0)]);
        assert!(report.holds());
        report.failures.push("a, run 2: a server".into());
        assert!(!report.holds() && report.table().contains("not played: a, run 2"));
    }
}
