//! The state of the pretended network, which all connections of a proxy look at and wait for.

use std::collections::HashMap;
use std::net::{Shutdown, TcpStream};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What the network does at the moment.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) cut: bool,
    pub(super) refusing: bool,
    pub(super) delay: Duration,
    /// 0 for no limit.
    pub(super) bytes_per_s: u64,
    next_id: u64,
    sockets: HashMap<u64, Vec<TcpStream>>,
}

/// [`State`], and a signal when it changes.
#[derive(Debug, Default)]
pub(super) struct Link {
    state: Mutex<State>,
    changed: Condvar,
}

impl Link {
    /// Changes the state; refusing closes all connections.
    pub(super) fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        if state.refusing {
            for socket in state.sockets.values().flatten() {
                let _ = socket.shutdown(Shutdown::Both);
            }
        }
        self.changed.notify_all();
    }

    pub(super) fn is_refusing(&self) -> bool {
        self.state().refusing
    }

    pub(super) fn open_connections(&self) -> usize {
        self.state().sockets.len()
    }

    /// Lists a connection; `None` when connections are refused.
    pub(super) fn open(&self) -> Option<u64> {
        let mut state = self.state();
        state.next_id += 1;
        let id = state.next_id;
        if state.refusing {
            return None;
        }
        state.sockets.insert(id, Vec::new());
        Some(id)
    }

    /// Has a socket of a connection shut down with it; false when that has happened already.
    pub(super) fn watch(&self, id: u64, socket: &TcpStream) -> bool {
        let mut state = self.state();
        if state.refusing {
            return false;
        }
        match (socket.try_clone(), state.sockets.get_mut(&id)) {
            (Ok(socket), Some(sockets)) => {
                sockets.push(socket);
                true
            }
            _ => false,
        }
    }

    pub(super) fn close(&self, id: u64) {
        self.state().sockets.remove(&id);
    }

    /// Waits until what arrived at `arrival` may pass; gives the rate it may pass at, or `None` when connections are being
    /// closed.
    pub(super) fn wait_to_pass(&self, arrival: Instant) -> Option<u64> {
        let mut state = self.state();
        loop {
            if state.refusing {
                return None;
            }
            let left = (arrival + state.delay).saturating_duration_since(Instant::now());
            state = if state.cut {
                self.changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner)
            } else if left.is_zero() {
                return Some(state.bytes_per_s);
            } else {
                let waited = self.changed.wait_timeout(state, left);
                waited.unwrap_or_else(PoisonError::into_inner).0
            };
        }
    }

    /// Lets `pause` pass, or less when connections are being closed.
    pub(super) fn pause(&self, pause: Duration) {
        let end = Instant::now() + pause;
        let mut state = self.state();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if state.refusing || left.is_zero() {
                return;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
