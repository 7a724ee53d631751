//! `./dev bench report`: docs/BENCHMARKS.md and its plots, from what the benchmarks last wrote.
//!
//! What they wrote is kept beside the plots (`docs/benchmarks/*.json`), so that whoever reads the document has the numbers, and a test can tell
//! that it is made of them.

mod plot;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde_json::Value;

use self::plot::{Plot, Series};
use crate::{output::say, session::Session};

/// The benchmarks that the document tells of.
const TOLD_OF: [&str; 4] = ["users", "overload", "cache", "read"];

const INTRODUCTION: &str = "\
# Benchmarks

<!-- Made by `./dev bench report` of docs/benchmarks/*.json, which the benchmarks write. -->

What `./dev bench` measured, on one machine of two cores that the load, the servers and the database share: the numbers compare what was measured in one run, and
are no promise for another machine. Processor time per request is the steadiest of them. A limit that is missed is shown like one that is kept.
";

pub(super) fn run(session: &Session) -> Result<()> {
    let root = session.project.root();
    let docs = root.join("docs");
    let kept = docs.join("benchmarks");
    fs::create_dir_all(&kept)?;
    for name in TOLD_OF {
        let file = format!("{name}.json");
        let measured = root.join("target/bench").join(&file);
        if measured.exists() {
            fs::copy(&measured, kept.join(&file))
                .with_context(|| measured.display().to_string())?;
        }
    }
    for (path, text) in documents(&kept)? {
        let path = docs.join(path);
        fs::write(&path, text).with_context(|| format!("can't write {}", path.display()))?;
        say(format_args!("written to {}", path.display()));
    }
    Ok(())
}

/// All files, by their path below `docs`, made of what is kept in that folder.
fn documents(kept: &Path) -> Result<BTreeMap<PathBuf, String>> {
    let read = |name: &str| -> Result<Value> {
        match fs::read_to_string(kept.join(format!("{name}.json"))) {
            Ok(text) => Ok(serde_json::from_str(&text).with_context(|| name.to_owned())?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Value::Null),
            Err(error) => Err(error.into()),
        }
    };
    let mut text = INTRODUCTION.to_owned();
    let mut files = BTreeMap::new();
    let users = read("users")?;
    if !users.is_null() {
        for plot in plots(&users)? {
            let path = format!("benchmarks/{}.svg", plot.file);
            files.insert(path.into(), plot.svg()?);
        }
        text.push_str(&of_users(&users)?);
    }
    let overload = read("overload")?;
    if !overload.is_null() {
        text.push_str(&of_overload(&overload)?);
    }
    for (name, title, words) in [
        (
            "cache",
            "What is kept (`./dev bench cache`)",
            "Beside handlers that send the same bytes, or ask Redis once.",
        ),
        (
            "read",
            "What is read (`./dev bench read`)",
            "Beside handlers that run the same statement on a bare pool, and pgbench.",
        ),
    ] {
        let rows = read(name)?;
        if !rows.is_null() {
            let _ = write!(text, "\n## {title}\n\n{words}\n\n{}", any_table(&rows)?);
        }
    }
    files.insert("BENCHMARKS.md".into(), text);
    Ok(files)
}

fn list(value: &Value) -> Result<&Vec<Value>> {
    value.as_array().context("a list was expected")
}

fn number(row: &Value, name: &str) -> Result<f64> {
    row[name]
        .as_f64()
        .with_context(|| format!("no number {name} in {row}"))
}

fn text<'a>(row: &'a Value, name: &str) -> Result<&'a str> {
    row[name]
        .as_str()
        .with_context(|| format!("no text {name} in {row}"))
}

fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let headings: Vec<String> = headings.iter().map(|&heading| heading.to_owned()).collect();
    let dashes: Vec<String> = headings
        .iter()
        .enumerate()
        .map(|(at, _)| if at == 0 { "---" } else { "---:" }.to_owned())
        .collect();
    let rows: String = rows.iter().map(|row| line(row)).collect();
    format!("{}{}{rows}", line(&headings), line(&dashes))
}

/// Three digits or so.
fn short(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

const PLOTS: [(&str, &str, &str); 3] = [
    ("throughput", "per_second", "requests per second"),
    ("latency", "p99_ms", "p99, ms"),
    ("cpu", "cpu_us_per_request", "CPU per request, µs"),
];

fn plots(users: &Value) -> Result<Vec<Plot>> {
    let mut plots = Vec::new();
    for (file, field, label) in PLOTS {
        let mut series: Vec<Series> = Vec::new();
        for row in list(&users["rows"])? {
            let point = (number(row, "readers")?, number(row, field)?);
            let name = text(row, "server")?;
            match series.iter_mut().find(|one| one.name == name) {
                Some(one) => one.points.push(point),
                None => series.push(Series {
                    name: name.to_owned(),
                    points: vec![point],
                }),
            }
        }
        plots.push(Plot {
            file,
            label,
            series,
        });
    }
    Ok(plots)
}

fn of_users(users: &Value) -> Result<String> {
    let row = |row: &Value| -> Result<Vec<String>> {
        Ok(vec![
            text(row, "server")?.to_owned(),
            number(row, "readers")?.to_string(),
            short(number(row, "per_second")?),
            short(number(row, "p50_ms")?),
            short(number(row, "p99_ms")?),
            (number(row, "errors")? + number(row, "refused")?).to_string(),
            short(number(row, "cpu_us_per_request")?),
            short(number(row, "resident_mb")?),
        ])
    };
    let headings = [
        "server",
        "readers",
        "requests/s",
        "p50 ms",
        "p99 ms",
        "not served",
        "CPU µs",
        "memory MB",
    ];
    let rows: Vec<_> = list(&users["rows"])?
        .iter()
        .map(row)
        .collect::<Result<_>>()?;
    let open: Vec<_> = list(&users["open_loop"])?
        .iter()
        .map(row)
        .collect::<Result<_>>()?;
    let idle = &users["idle"];
    let costs = list(&users["costs"])?.iter().map(|cost| {
        Ok(vec![
            text(cost, "job")?.to_owned(),
            text(cost, "server")?.to_owned(),
            short(number(cost, "cpu_us_per_request")?),
            short(number(cost, "times_the_service")?),
            cost["wanted"]
                .as_f64()
                .map_or_else(|| "-".to_owned(), |wanted| format!("{wanted}")),
        ])
    });
    let costs: Vec<_> = costs.collect::<Result<_>>()?;
    let mut all = String::new();
    let _ = write!(
        all,
        "
## From one reader to ten thousand (`./dev bench users`)

A thousand posts read in any order, one request in ten the newest twenty, one in a hundred a change of a post: the service, the same job over SQLite (write-ahead log, memory-mapped,
prepared statements, in the server's own process, changes not waited for on the disk), and the same in FastAPI with asyncpg and redis-py (uvicorn, uvloop, orjson). Each
reader asks as soon as it was answered. What the service did not serve are changes that were told to come again (503, `Retry-After`): the machine had no processor time left for them. The database's own processor time is not in the servers'.

{}
",
        table(&headings, &rows)
    );
    for (file, _, label) in PLOTS {
        let _ = writeln!(all, "![{label}](benchmarks/{file}.svg)");
    }
    let _ = write!(
        all,
        "
The same load from an open loop (requests are due at fixed moments, and latencies count from there), {} requests a second: 70 % of the most that were served with none refused:

{}
Beside {} idle connections and {} clients that send a byte every half second, a hundred readers had a p99 of {} ms instead of {}, and the process had {} MB in memory instead of {}: it had served ten thousand readers before, and had kept what that took.

What a read costs the server, of a post that is kept and of one that is not, 16 readers:

{}",
        short(number(users, "open_loop_rate")?),
        table(&headings, &open),
        number(idle, "connections")?,
        number(idle, "slow_clients")?,
        short(number(idle, "p99_ms_with")?),
        short(number(idle, "p99_ms_before")?),
        short(number(idle, "resident_mb_with")?),
        short(number(idle, "resident_mb_before")?),
        table(&["a post that is", "server", "CPU µs", "times the service", "wanted"], &costs)
    );
    Ok(all)
}

fn of_overload(rows: &Value) -> Result<String> {
    let rows = list(rows)?.iter().map(|row| {
        let unit = text(row, "unit")?;
        let with = |name| {
            Ok::<_, anyhow::Error>(
                format!("{} {unit}", short(number(row, name)?))
                    .trim()
                    .to_owned(),
            )
        };
        Ok(vec![
            text(row, "what")?.to_owned(),
            with("measured")?,
            with("limit")?,
        ])
    });
    let rows: Vec<_> = rows.collect::<Result<_>>()?;
    Ok(format!(
        "\n## More than can be done (`./dev bench overload`)\n\nReads that are all the database's, from an open loop.\n\n{}",
        table(&["", "measured", "wanted"], &rows)
    ))
}

/// Rows of any form: their fields, in their order.
fn any_table(rows: &Value) -> Result<String> {
    let rows = list(rows)?;
    let first = rows.first().and_then(Value::as_object).context("no rows")?;
    let headings: Vec<String> = first.keys().map(|name| name.replace('_', " ")).collect();
    let cell = |value: &Value| match value {
        Value::Null => "-".to_owned(),
        Value::Number(number) => short(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| first.keys().map(|name| cell(&row[name])).collect())
        .collect();
    let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
    Ok(table(&headings, &cells))
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    #[test]
    fn the_document_is_made_of_what_was_measured() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        for (path, expected) in super::documents(&docs.join("benchmarks")).unwrap() {
            let found = fs::read_to_string(docs.join(&path)).unwrap_or_default();
            assert!(
                found == expected,
                "{}: run ./dev bench report",
                path.display()
            );
        }
    }
}
