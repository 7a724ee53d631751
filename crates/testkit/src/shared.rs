//! The servers that the tests of a process share.

use std::sync::OnceLock;

use anyhow::Context;
use prepnexus_devstack::{Stack, StackConfig};

/// The directory of a running stack to use instead of one of this process.
const VARIABLE: &str = "PREPNEXUS_TEST_STACK";

/// The stack that all tests of this process share, with a replica and Redis. Blocks while the first caller starts it.
///
/// It is never dropped: its servers end with the process, however that ends, and the next stack for tests removes what
/// they leave. Don't stop its servers.
///
/// # Panics
/// When it can't be started, or the variable names no stack.
pub fn stack() -> &'static Stack {
    static STACK: OnceLock<Stack> = OnceLock::new();
    STACK.get_or_init(|| match find_or_start() {
        Ok(stack) => stack,
        Err(error) => panic!("no servers for tests: {error:#}"),
    })
}

fn find_or_start() -> anyhow::Result<Stack> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test has no other way to hear of servers that run already"
    )]
    let named = std::env::var_os(VARIABLE).filter(|dir| !dir.is_empty());
    if let Some(dir) = named {
        let found = Stack::attach(&dir).with_context(|| format!("{VARIABLE}={}", dir.display()))?;
        return found.with_context(|| format!("{VARIABLE}={}: no stack is there", dir.display()));
    }
    let config = StackConfig {
        replicas: 1,
        redis: true,
        ..StackConfig::for_tests()
    };
    Ok(Stack::start(config)?)
}

/// A prefix for Redis keys that no other test has.
#[must_use]
pub fn redis_prefix() -> String {
    format!("test:{:016x}:", fastrand::u64(..))
}
