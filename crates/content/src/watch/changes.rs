//! What is another than when it was last looked.

use std::collections::BTreeMap;

use prepnexus_health::{BreakerState, Component, Timeline};
use prepnexus_storage::NodeStatus;

/// What was last seen, of what.
#[derive(Debug, Default)]
pub(super) struct Seen(BTreeMap<String, String>);

impl Seen {
    /// Tells the timeline what has changed, and remembers what is.
    pub(super) fn note(
        &mut self,
        nodes: &[NodeStatus],
        components: &BTreeMap<&'static str, Component>,
        timeline: &Timeline,
    ) {
        for node in nodes {
            let why = node.view.last_error.as_ref();
            self.one(node.view.addr.to_string(), of_node(node), why, timeline);
        }
        for (name, component) in components {
            let is = component.status.as_str().to_owned();
            self.one((*name).to_owned(), is, component.reason.as_ref(), timeline);
        }
    }

    fn one(&mut self, subject: String, is: String, why: Option<&String>, timeline: &Timeline) {
        let was = self.0.insert(subject.clone(), is.clone());
        if was.as_ref() == Some(&is) {
            return;
        }
        timeline.record(subject, was, is, why.cloned());
    }
}

/// A node's role and state in words, and its breaker's state while that is not closed.
fn of_node(node: &NodeStatus) -> String {
    let (role, state) = (node.view.role.as_str(), node.view.state.as_str());
    match node.breaker {
        BreakerState::Closed => format!("{role}, {state}"),
        breaker => format!("{role}, {state}, breaker {breaker}"),
    }
}
