//! The metrics that every request touches, looked up once: a look-up by name and labels costs more
//! than all else that a request does here. They are of the recorder that is installed at their first use.

use std::{
    collections::HashMap,
    sync::{OnceLock, PoisonError, RwLock},
    time::Duration,
};

use metrics::{Counter, Histogram, counter, histogram};

use super::{QUERY, ROUTE, WAIT};
use crate::{router::Reason, topology::Role};

const ROLES: usize = 3;

/// Of one cluster.
pub(crate) struct Handles {
    /// Names of the nodes.
    nodes: Vec<String>,
    waits: Vec<OnceLock<Histogram>>,
    routes: [[OnceLock<Counter>; Reason::COUNT]; ROLES],
    queries: RwLock<HashMap<(&'static str, Role), Histogram>>,
}

impl Handles {
    pub(crate) fn new(nodes: Vec<String>) -> Self {
        Self {
            waits: nodes.iter().map(|_| OnceLock::new()).collect(),
            nodes,
            routes: Default::default(),
            queries: RwLock::default(),
        }
    }

    /// A request waited so long for a connection to the node of that index.
    pub(crate) fn wait(&self, node: usize, time: Duration) {
        let make = || histogram!(WAIT, "node" => self.nodes[node].clone());
        self.waits[node].get_or_init(make).record(time);
    }

    /// A request was sent to a node in that role, for that reason.
    pub(crate) fn route(&self, target: Role, reason: Reason) {
        let make = || counter!(ROUTE, "target" => target.as_str(), "reason" => reason.as_str());
        let handle = &self.routes[target as usize][reason as usize];
        handle.get_or_init(make).increment(1);
    }

    /// A named statement took so long.
    pub(crate) fn query(&self, name: &'static str, role: Role, time: Duration) {
        let known = self.queries.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = known.get(&(name, role)) {
            return handle.record(time);
        }
        drop(known);
        let handle = histogram!(QUERY, "query" => name, "node_role" => role.as_str());
        handle.record(time);
        let mut known = self.queries.write().unwrap_or_else(PoisonError::into_inner);
        known.insert((name, role), handle);
    }
}
