//! The commit that a release is built from: `PREPNEXUS_COMMIT`, or what git says. Builds for development have none, so that
//! a commit does not build everything anew.

#![expect(
    clippy::disallowed_methods,
    reason = "what cargo tells a build script is in the environment"
)]

use std::{env, process::Command};

fn main() {
    println!("cargo::rerun-if-env-changed=PREPNEXUS_COMMIT");
    let given = env::var("PREPNEXUS_COMMIT").ok();
    let is_release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let commit = given.filter(|commit| !commit.is_empty()).or_else(|| {
        println!("cargo::rerun-if-changed=../../.git/HEAD");
        println!("cargo::rerun-if-changed=../../.git/refs/heads");
        is_release.then(ask_git).flatten()
    });
    let commit = commit.unwrap_or_else(|| "development".into());
    println!("cargo::rustc-env=PREPNEXUS_COMMIT={commit}");
}

fn ask_git() -> Option<String> {
    let mut git = Command::new("git");
    let output = git
        .args(["rev-parse", "--short=12", "HEAD"])
        .output()
        .ok()?;
    let commit = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| commit.trim().to_owned())
}
