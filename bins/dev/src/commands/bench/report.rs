//! The table a benchmark prints, and the same as JSON under `target/bench/`.

use std::fs;

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::output::say;
use crate::session::Session;

/// Prints the rows under their headings, columns aligned, numbers to the right.
pub(super) fn print(headings: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells
            .max()
            .unwrap_or(0)
            .max(headings[column].chars().count())
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let aligned = cells
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, width))| {
                if column == 0 {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                }
            });
        say(aligned.collect::<Vec<_>>().join("  "));
    };
    line(headings.to_vec());
    for row in rows {
        line(row.iter().map(String::as_str).collect());
    }
}

/// Writes `target/bench/<name>.json`.
pub(super) fn write(session: &Session, name: &str, report: &impl Serialize) -> Result<()> {
    let dir = session.project.root().join("target/bench");
    fs::create_dir_all(&dir).with_context(|| format!("can't make {}", dir.display()))?;
    let path = dir.join(format!("{name}.json"));
    let text = serde_json::to_string_pretty(report)?;
    fs::write(&path, text + "\n").with_context(|| format!("can't write {}", path.display()))?;
    say(format_args!("written to {}", path.display()));
    Ok(())
}

/// The middle one; of an even number, the lower of the two.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values
        .get(values.len().saturating_sub(1) / 2)
        .copied()
        .unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_median_is_the_middle_one() {
        assert!((super::median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((super::median(vec![4.0, 1.0, 2.0, 3.0]) - 2.0).abs() < f64::EPSILON);
        assert!(super::median(vec![]).is_nan());
    }
}
