//! `./dev test`: every check and test; the one command for CI.
//!
//! All checks run whatever an earlier one found, so that one call tells everything; the exit code is that of the first
//! that failed. The test runner comes last and nothing is printed after it, so that its summary ends the output.

use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context as _, Result};
use prepnexus_devstack::{Stack, StackConfig};

use crate::child;
use crate::output::note;
use crate::session::Session;

mod steps;

use steps::Step;

/// What to test.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Arguments for the test runner, which then runs alone: a name to filter by, or -p and a package.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    runner: Vec<String>,
}

/// The steps so far.
struct Progress<'a> {
    session: &'a Session,
    failed: Vec<&'static str>,
    code: Option<u8>,
}

pub(crate) fn test(session: &Session, arguments: &Arguments) -> Result<ExitCode> {
    let mut progress = Progress {
        session,
        failed: Vec::new(),
        code: None,
    };
    let has_nextest = steps::has_tool(session, "nextest")?;
    if arguments.runner.is_empty() {
        for step in steps::checks(has_nextest) {
            progress.take(step)?;
        }
        for step in steps::optional_checks() {
            progress.take_if_installed(step)?;
        }
        match steps::semver(session) {
            Some(step) => progress.take_if_installed(step)?,
            None => note("== cargo-semver-checks: nothing earlier to compare with: skipped"),
        }
    }
    note("== servers for the tests");
    let stack = Stack::start(StackConfig {
        replicas: 1,
        redis: true,
        ..StackConfig::for_tests()
    });
    let stack = stack.context("can't start the servers")?;
    if !progress.failed.is_empty() {
        note(format_args!(
            "== failed so far: {}",
            progress.failed.join(", ")
        ));
    }
    let mut runner = steps::runner(has_nextest, &arguments.runner);
    runner.env("PREPNEXUS_TEST_STACK", stack.dir());
    note("== tests");
    let code = child::run(runner, &session.interrupts)?.code();
    progress.ended("tests", code);
    Ok(ExitCode::from(progress.code.unwrap_or(0)))
}

impl Progress<'_> {
    fn take(&mut self, Step { name, command }: Step) -> Result<()> {
        note(format_args!("== {name}"));
        let started = Instant::now();
        let code = self.run(command)?;
        let result = if code == Some(0) { "ok" } else { "FAILED" };
        note(format_args!(
            "== {name}: {result}, {:.1} s",
            started.elapsed().as_secs_f64()
        ));
        self.ended(name, code);
        Ok(())
    }

    fn take_if_installed(&mut self, step: Step) -> Result<()> {
        if steps::is_installed(self.session, &step)? {
            return self.take(step);
        }
        note(format_args!("== {}: not installed: skipped", step.name));
        Ok(())
    }

    fn run(&self, command: Command) -> Result<Option<i32>> {
        Ok(child::run(command, &self.session.interrupts)?.code())
    }

    fn ended(&mut self, name: &'static str, code: Option<i32>) {
        if code != Some(0) {
            self.failed.push(name);
            let code = code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
            self.code.get_or_insert(code);
        }
    }
}
