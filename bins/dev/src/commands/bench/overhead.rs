//! `./dev bench overhead`: what `prepnexus-storage` costs over a bare pool. It is a benchmark of that
//! crate, with servers of its own; it prints its table and writes its JSON itself.

use anyhow::Result;

use crate::child;
use crate::output::note;
use crate::session::Session;

pub(super) fn run(session: &Session) -> Result<()> {
    note("building the benchmark");
    let mut cargo = child::command("cargo");
    cargo.args([
        "bench",
        "-q",
        "--profile",
        "dist",
        "-p",
        "prepnexus-storage",
        "--bench",
        "overhead",
    ]);
    child::run_well(cargo, &session.interrupts)
}
