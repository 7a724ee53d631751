//! What is deployed, judged by the tools of those who will read it.

mod deploy {
    mod kubernetes;
    mod lint;
    mod tools;
    mod units;
}
