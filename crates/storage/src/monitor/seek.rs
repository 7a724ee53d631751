//! Readers that wait for a replica to get somewhere, and the look-outs that ask it for them.
//!
//! A token that was just given is a few milliseconds ahead of every replica. However many readers
//! wait, one question at a time goes to each replica, on the monitor's own connection, and none while
//! nobody waits.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tokio::sync::{Notify, watch};

/// The pause between two questions.
pub(super) const PAUSE: Duration = Duration::from_millis(1);

/// One node's waiting readers.
#[derive(Debug, Default)]
struct LookOut {
    readers: AtomicUsize,
    wanted: Notify,
}

/// All nodes' waiting readers.
#[derive(Debug)]
pub(crate) struct Seek {
    look_outs: Vec<LookOut>,
    /// Counts the answers.
    answers: watch::Sender<u64>,
}

/// A reader's place among those who wait, until it is dropped.
struct Reader<'a>(&'a LookOut);

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        self.0.readers.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Seek {
    pub(super) fn new(nodes: usize) -> Self {
        Self {
            look_outs: (0..nodes).map(|_| LookOut::default()).collect(),
            answers: watch::Sender::new(0),
        }
    }

    /// Waits until `arrived`, while the nodes of these indexes are asked where they are.
    pub(crate) async fn until(&self, nodes: &[usize], mut arrived: impl FnMut() -> bool) {
        let mut answers = self.answers.subscribe();
        let _readers: Vec<Reader<'_>> = nodes
            .iter()
            .map(|index| {
                let look_out = &self.look_outs[*index];
                look_out.readers.fetch_add(1, Ordering::AcqRel);
                look_out.wanted.notify_one();
                Reader(look_out)
            })
            .collect();
        while !arrived() {
            if answers.changed().await.is_err() {
                return;
            }
        }
    }

    /// Waits until a reader waits for the node of that index.
    pub(super) async fn wanted(&self, index: usize) {
        let look_out = &self.look_outs[index];
        while !self.is_wanted(index) {
            look_out.wanted.notified().await;
        }
    }

    pub(super) fn is_wanted(&self, index: usize) -> bool {
        self.look_outs[index].readers.load(Ordering::Acquire) > 0
    }

    /// Tells all who wait that a node has answered.
    pub(super) fn answered(&self) {
        self.answers.send_modify(|count| *count += 1);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::Seek;

    #[tokio::test]
    async fn a_reader_is_woken_by_answers_and_the_node_is_asked_only_meanwhile() {
        let (seek, position) = (Seek::new(2), AtomicU64::new(0));
        assert!(!seek.is_wanted(1));
        let waiting = seek.until(&[1], || position.load(Ordering::Relaxed) >= 3);
        let asking = async {
            seek.wanted(1).await;
            while seek.is_wanted(1) {
                position.fetch_add(1, Ordering::Relaxed);
                seek.answered();
                tokio::task::yield_now().await;
            }
        };
        tokio::join!(waiting, asking);
        assert!(position.load(Ordering::Relaxed) >= 3);
        assert!(!seek.is_wanted(0) && !seek.is_wanted(1));
    }
}
