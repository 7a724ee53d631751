//! The commands behind each step of `./dev test`.

use std::process::{Command, Stdio};

use anyhow::Result;

use crate::child;
use crate::session::Session;

/// A check with a name.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) command: Command,
}

/// What needs nothing but Rust. With nextest the examples in the documentation need a run of their own.
pub(super) fn checks(has_nextest: bool) -> Vec<Step> {
    let mut rustdoc = cargo(&[
        "doc",
        "--workspace",
        "--no-deps",
        "--document-private-items",
    ]);
    rustdoc.env("RUSTDOCFLAGS", "-D warnings");
    let clippy = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ];
    let mut steps = vec![
        Step {
            name: "format",
            command: cargo(&["fmt", "--all", "--check"]),
        },
        Step {
            name: "clippy",
            command: cargo(&clippy),
        },
        Step {
            name: "documentation",
            command: rustdoc,
        },
    ];
    if has_nextest {
        steps.push(Step {
            name: "documentation's examples",
            command: cargo(&["test", "--workspace", "--doc"]),
        });
    }
    steps
}

/// What is run only where it is installed: building these tools takes longer than all the rest.
pub(super) fn optional_checks() -> Vec<Step> {
    vec![
        Step {
            name: "cargo-deny",
            command: cargo(&["deny", "--offline", "check", "licenses", "bans", "sources"]),
        },
        Step {
            name: "cargo-machete",
            command: cargo(&["machete"]),
        },
        Step {
            name: "typos",
            command: child::command("typos"),
        },
    ]
}

/// Whether the storage crate still fits those who embed it: against its last release, which is the newest tag
/// `storage-v…` before this commit; without one, against where this branch left `main`. Nothing, where there is nothing
/// earlier. The feature `driver` is outside the promise. A change that breaks on purpose raises the version.
pub(super) fn semver(session: &Session) -> Option<Step> {
    let release = ["describe", "--tags", "--match", "storage-v*", "--abbrev=0"];
    let head = git(session, &["rev-parse", "HEAD"]);
    let fork =
        || git(session, &["merge-base", "main", "HEAD"]).filter(|fork| Some(fork) != head.as_ref());
    let baseline = git(session, &release).or_else(fork)?;
    Some(Step {
        name: "cargo-semver-checks",
        command: cargo(&[
            "semver-checks",
            "--package",
            "prepnexus-storage",
            "--only-explicit-features",
            "--baseline-rev",
            &baseline,
        ]),
    })
}

/// What git answers, if it does: a copy of the project need not be a repository.
fn git(session: &Session, arguments: &[&str]) -> Option<String> {
    let mut command = child::command("git");
    command.args(arguments).stderr(Stdio::null());
    let answer = child::output(command, &session.interrupts).ok()?;
    Some(answer.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The test runner.
pub(super) fn runner(has_nextest: bool, arguments: &[String]) -> Command {
    let mut command = if has_nextest {
        cargo(&["nextest", "run", "--no-fail-fast"])
    } else {
        cargo(&["test", "--no-fail-fast"])
    };
    if arguments.is_empty() {
        command.arg("--workspace");
    }
    command.args(arguments);
    command
}

/// Whether the program behind a step is there.
pub(super) fn is_installed(session: &Session, step: &Step) -> Result<bool> {
    match step.name.strip_prefix("cargo-") {
        Some(tool) => has_tool(session, tool),
        None => answers(session, child::command(step.name)),
    }
}

/// Whether cargo has this subcommand.
pub(super) fn has_tool(session: &Session, tool: &str) -> Result<bool> {
    answers(session, cargo(&[tool]))
}

fn answers(session: &Session, mut command: Command) -> Result<bool> {
    command
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Ok(child::run(command, &session.interrupts)?.success())
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = child::command("cargo");
    command.args(arguments);
    command
}
