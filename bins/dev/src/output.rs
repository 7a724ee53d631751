//! Words for the user. A closed pipe must not end the program by a panic, with servers still running.

use std::fmt::Display;
use std::io::{self, Write as _};

/// A line on standard output.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// A line on standard error, about what is being done.
pub(crate) fn note(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// The line that says why the program failed.
pub(crate) fn complain(line: &str) {
    note(format_args!("error: {line}"));
}
