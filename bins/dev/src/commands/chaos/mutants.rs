//! `./dev chaos --mutants`: each patch of crates/chaos/mutants breaks one rule that keeps copies right. The scenario `cache` is
//! played against a build of it until a promise is broken: a checker that finds nothing then is asleep.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use prepnexus_chaos::{Programs, Report, Setting, choose, run};

use super::until_interrupted;
use crate::child;
use crate::output::{note, say};
use crate::session::Session;

/// How often the short form is played against each, at most.
const ATTEMPTS: u32 = 25;
/// Schedules of one short form: each attempt plays others.
const SCHEDULES: u32 = 12;

pub(super) fn mutants(session: &Session) -> Result<ExitCode> {
    let root = session.project.root();
    let sources = "target/mutants/source";
    fs::create_dir_all(root.join(sources)).context("can't make a directory")?;
    // What is staged or committed, with its own times, so that what was built before need not be again.
    git(
        session,
        root,
        &[
            "checkout-index",
            "-a",
            "-f",
            &format!("--prefix={sources}/"),
        ],
    )?;
    let mut is_awake = true;
    for patch in patches(root)? {
        let name = patch
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let place = format!("--directory={sources}");
        let path = patch.to_string_lossy();
        git(session, root, &["apply", &place, &path])?;
        let played = build(session, root).and_then(|api| play(session, &name, &api));
        git(session, root, &["apply", "-R", &place, &path])?;
        match played? {
            Some(attempts) => say(format_args!(
                "{name}: caught, in {attempts} of at most {ATTEMPTS} times {SCHEDULES} schedules"
            )),
            None => {
                say(format_args!(
                    "{name}: NOT CAUGHT in {ATTEMPTS} times {SCHEDULES} schedules"
                ));
                is_awake = false;
            }
        }
    }
    Ok(if is_awake {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn patches(root: &Path) -> Result<Vec<PathBuf>> {
    let dir = root.join("crates/chaos/mutants");
    let entries = fs::read_dir(&dir).with_context(|| format!("can't read {}", dir.display()))?;
    let mut patches = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    patches.sort_unstable();
    if patches.is_empty() {
        bail!("there is no mutant in {}", dir.display());
    }
    Ok(patches)
}

fn git(session: &Session, root: &Path, arguments: &[&str]) -> Result<()> {
    let mut git = child::command("git");
    git.arg("-C").arg(root).args(arguments);
    child::output(git, &session.interrupts)?;
    Ok(())
}

/// The broken `api`, unoptimized: what is asked is whether it is caught, not when.
fn build(session: &Session, root: &Path) -> Result<PathBuf> {
    let (dir, target) = (
        root.join("target/mutants/source"),
        root.join("target/mutants/target"),
    );
    let mut cargo = child::command("cargo");
    cargo.args(["build", "--quiet", "-p", "prepnexus-api"]);
    cargo.arg("--manifest-path").arg(dir.join("Cargo.toml"));
    cargo.arg("--target-dir").arg(&target);
    child::output(cargo, &session.interrupts)?;
    Ok(target.join("debug/api"))
}

/// In which attempt it was caught.
fn play(session: &Session, name: &str, api: &Path) -> Result<Option<u32>> {
    let chosen = choose(&["cache".to_owned()])?;
    for attempt in 1..=ATTEMPTS {
        let mut setting = Setting::quick(Some(Programs {
            api: api.to_owned(),
            // Not started by this scenario.
            migrator: api.with_file_name("migrator"),
        }));
        setting.seed = (attempt - 1) * SCHEDULES;
        let report: Report = until_interrupted(session, async {
            run(&chosen, &setting, 1, |line| {
                note(format!("{name}: {line}"));
            })
            .await
        })?;
        if let Some(failure) = report.failures.first() {
            bail!("{name} could not be played: {failure}");
        }
        if !report.holds() {
            return Ok(Some(attempt));
        }
    }
    Ok(None)
}
