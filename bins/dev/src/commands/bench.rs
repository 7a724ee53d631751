//! `./dev bench`: finds the benchmark of that name. Each is a module of its own below this one.

mod cache;
mod document;
mod import;
mod load;
mod open_loop;
mod overhead;
mod overload;
mod pages;
mod pgbench;
mod read;
mod reference;
mod report;
mod restore;
mod rig;
mod users;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::session::Session;

/// What a benchmark is: it prints its table and writes it as JSON.
type Benchmark = fn(&Session) -> Result<()>;

/// All of them, by name.
const BENCHMARKS: &[(&str, Benchmark)] = &[
    ("read", read::run),
    ("cache", cache::run),
    ("pages", pages::run),
    ("overhead", overhead::run),
    ("import", import::run),
    ("overload", overload::run),
    ("users", users::run),
    ("restore", restore::run),
    ("report", document::run),
];

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The benchmark; all of them without a name.
    name: Option<String>,
}

pub(crate) fn bench(session: &Session, arguments: &Arguments) -> Result<ExitCode> {
    let chosen = chosen(BENCHMARKS, arguments.name.as_deref())?;
    for benchmark in chosen {
        benchmark(session)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn chosen(all: &[(&str, Benchmark)], name: Option<&str>) -> Result<Vec<Benchmark>> {
    let found = all
        .iter()
        .filter(|(own, _)| name.is_none_or(|name| name == *own));
    let found: Vec<Benchmark> = found.map(|(_, benchmark)| *benchmark).collect();
    if found.is_empty() {
        let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        let known = if names.is_empty() {
            "none yet".to_owned()
        } else {
            names.join(", ")
        };
        bail!(
            "no benchmark is called {:?}; there are: {known}",
            name.unwrap_or_default()
        );
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_is_an_error_that_lists_the_known_ones() {
        let all: [(&str, Benchmark); 2] = [("read", |_| Ok(())), ("write", |_| Ok(()))];
        assert_eq!(chosen(&all, None).unwrap().len(), 2);
        assert_eq!(chosen(&all, Some("read")).unwrap().len(), 1);
        let error = chosen(&all, Some("raed")).unwrap_err().to_string();
        assert_eq!(
            error,
            "no benchmark is called \"raed\"; there are: read, write"
        );
    }
}
