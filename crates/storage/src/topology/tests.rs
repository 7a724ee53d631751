//! What tests of pure parts share.

use std::time::{Duration, Instant};

use super::{NodeState, NodeView, Observation, Role};
use crate::config::NodeAddr;

/// A node of cluster 7 that just answered.
pub(crate) fn node(port: u16, in_recovery: bool, timeline: u32, position: u64) -> NodeView {
    NodeView {
        addr: NodeAddr {
            host: "a".into(),
            port,
        },
        role: Role::Unknown,
        state: NodeState::Up,
        observation: Some(Observation {
            system_id: 7,
            in_recovery,
            timeline,
            position,
            received: None,
            began_at: None,
            receiver_age: None,
            seen_at: Instant::now(),
            response_time: Duration::from_millis(1),
        }),
        lag_bytes: None,
        lag: None,
        last_error: None,
    }
}
