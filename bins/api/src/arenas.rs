//! How the C library's allocator is to work for this process.
//!
//! By default each thread gets an arena of its own, up to eight for each core. Answers are kept by whichever thread loaded them, and
//! what one arena has free does not help another: with the memory cache full and in churn, the process took a quarter more than
//! the cache's weight, and with two arenas nothing more (`crates/cache/tests/weight.rs`). Other allocators took twice as much
//! and more (jemalloc 1.9 times, mimalloc 3.6 times the weight).

use std::{env, os::unix::process::CommandExt as _, process::Command};

const VARIABLE: &str = "MALLOC_ARENA_MAX";
const ARENAS: &str = "2";

/// Begins the program anew, as the same process, with few arenas; who has set their number himself keeps it. The allocator reads the
/// variable before `main`.
#[expect(
    clippy::disallowed_methods,
    reason = "the variable is the C library's, and no setting of ours"
)]
pub(crate) fn limit() {
    if env::var_os(VARIABLE).is_some() {
        return;
    }
    let Ok(program) = env::current_exe() else {
        return;
    };
    let mut arguments = env::args_os();
    let mut again = Command::new(program);
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    // It only comes back if it failed, and then the program goes on as it is.
    let _failed = again.args(arguments).env(VARIABLE, ARENAS).exec();
}
