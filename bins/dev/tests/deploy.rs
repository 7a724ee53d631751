//! What is deployed, judged by the tools of those who will read it.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod deploy {
    mod bindings;
    mod kubernetes;
    mod lint;
    mod package;
    mod tools;
    mod units;
}
