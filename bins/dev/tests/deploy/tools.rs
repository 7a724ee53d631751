//! Where the tools come from: Debian, PyPI and npm.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// A path in the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
        .join(path)
}

/// Runs it to its end, which has to be a good one; what it printed.
pub(crate) fn must(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command:?}:\n{stdout}{stderr}");
    stdout + &stderr
}

/// The directory of the programs of `requirements.txt`.
pub(crate) fn python() -> PathBuf {
    prepnexus_testkit::python("bins/dev/tests/deploy/requirements.txt")
}

/// The directory in which the packages of `package.json` are.
pub(crate) fn node() -> PathBuf {
    prepnexus_testkit::node("bins/dev/tests/deploy/package.json")
}
