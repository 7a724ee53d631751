//! The metrics that every request touches, looked up once: a look-up by name and labels costs more
//! than all else that a request does here. They are of the recorder that is installed at their first use.

use std::{
    sync::OnceLock,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use metrics::{Counter, Histogram, counter, histogram};

use super::{QUERY, ROUTE, ROWS, WAIT};
use crate::{router::Reason, topology::Role};

const ROLES: usize = 3;

/// Where the requests of one cluster were sent, and why.
#[derive(Default)]
pub(crate) struct Routes([[OnceLock<Counter>; Reason::COUNT]; ROLES]);

impl Routes {
    /// A request was sent to a node in that role, for that reason.
    pub(crate) fn note(&self, target: Role, reason: Reason) {
        let make = || counter!(ROUTE, "target" => target.as_str(), "reason" => reason.as_str());
        let handle = &self.0[target as usize][reason as usize];
        handle.get_or_init(make).increment(1);
    }
}

/// How long requests waited for a connection to one node.
#[derive(Default)]
pub(crate) struct Waits {
    histogram: OnceLock<Histogram>,
    /// Those who did not have to wait, since they were told to the recorder last: nearly all.
    at_once: AtomicU32,
}

impl Waits {
    /// A request waited so long for the node of that name; zero for one that did not have to.
    pub(crate) fn note(&self, node: &str, time: Duration) {
        if time.is_zero() {
            self.at_once.fetch_add(1, Ordering::Relaxed);
        } else {
            self.histogram(node).record(time);
        }
    }

    /// Tells the recorder of those who did not have to wait.
    pub(crate) fn tell(&self, node: &str) {
        let count = self.at_once.swap(0, Ordering::Relaxed);
        self.histogram(node).record_many(0.0, count as usize);
    }

    fn histogram(&self, node: &str) -> &Histogram {
        self.histogram
            .get_or_init(|| histogram!(WAIT, "node" => node.to_owned()))
    }
}

/// The rows that a named statement gives or changes on a node in that role. To be kept, as the times.
pub(crate) fn rows(name: &'static str, role: Role) -> Counter {
    counter!(ROWS, "query" => name, "node_role" => role.as_str())
}

/// The times that a named statement takes on a node in that role. To be kept: this is the look-up.
pub(crate) fn query(name: &'static str, role: Role) -> Histogram {
    histogram!(QUERY, "query" => name, "node_role" => role.as_str())
}
