//! How the C library's allocator is to work for this process.
//!
//! By default each thread gets an arena of its own, up to eight for each core. Answers are kept by whichever thread loaded them, and
//! what one arena has free does not help another. With the memory cache full and in churn, a process grew by 1.26 times the
//! cache's weight; with two arenas by 1.00 to 1.10 times (`crates/cache/tests/weight.rs`). With threads and encoders counted in, it
//! was 1.6 times the weight by default, 1.3 with two arenas, 1.9 with jemalloc, and 3.6 with mimalloc.

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
