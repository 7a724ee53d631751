//! The fault suite: what the storage crate and the API promise when servers fail, measured.
//!
//! Each [scenario](SCENARIOS) starts real servers, loads them from an open loop that sends at its own
//! rate whatever comes back, runs a script of faults, and is judged from outside: by the
//! [`history`] of what the clients saw, by the rows that the servers hold in the end, and by a
//! [`checker`] that knows nothing of routers. What is measured is compared with a limit; the worst
//! of the runs counts.
//!
//! ```no_run
//! # async fn example() -> Result<(), prepnexus_chaos::Error> {
//! let setting = prepnexus_chaos::Setting::quick(None);
//! let chosen = prepnexus_chaos::choose(&["promotion".to_owned()])?;
//! let report = prepnexus_chaos::run(&chosen, &setting, 1, |line| eprintln!("{line}")).await;
//! print!("{}", report.table());
//! assert!(report.holds());
//! # Ok(())
//! # }
//! ```
//!
//! Several clusters in one process stand for several API nodes: a client's successive operations go to
//! different ones, carrying its token. Deliberately absent: mocks, and trust in the clock of a server.

pub mod checker;
mod client;
pub mod coherence;
mod error;
mod eye;
pub mod history;
pub mod latency;
mod load;
mod measure;
pub mod old_file;
mod report;
mod rig;
mod scenarios;
mod seed;
mod site;
mod suite;
mod visitor;

pub use error::Error;
pub use measure::{Limit, Measure};
pub use report::{Line, Report};
pub use scenarios::{Programs, SCENARIOS, Scenario, Setting};
pub use suite::{choose, run};
