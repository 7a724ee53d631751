//! The memory tier: entries by key, bounded by their weight in bytes. Their times are their own.

use std::sync::Arc;

use quick_cache::{Weighter, sync::Cache};

use crate::entry::Entry;

/// What an entry takes besides its bytes and its key: the map's slot, two counts of references, the header as read, what the
/// caller makes of it.
const BESIDES: usize = 768;
/// What the allocator loses between blocks of many sizes: one part in so many. Measured under churn: a twentieth to a fifth.
const LOST_PART: usize = 6;
/// To size the map by.
const USUAL: u64 = 8 * 1024;

/// Entries in memory.
pub(crate) struct Memory(Cache<Arc<str>, Arc<Entry>, Bytes>);

#[derive(Debug, Clone)]
struct Bytes;

impl Weighter<Arc<str>, Arc<Entry>> for Bytes {
    fn weight(&self, key: &Arc<str>, entry: &Arc<Entry>) -> u64 {
        let blocks = key.len() + entry.weight() + BESIDES;
        (blocks + blocks / LOST_PART) as u64
    }
}

impl Memory {
    /// At most `bytes` of entries.
    pub(crate) fn new(bytes: u64) -> Self {
        let usual = usize::try_from(bytes / USUAL).unwrap_or(usize::MAX).max(16);
        Self(Cache::with_weighter(usual, bytes, Bytes))
    }

    pub(crate) fn get(&self, key: &str) -> Option<Arc<Entry>> {
        self.0.get(key)
    }

    pub(crate) fn put(&self, key: Arc<str>, entry: Arc<Entry>) {
        self.0.insert(key, entry);
    }

    /// Entries, and their bytes.
    pub(crate) fn size(&self) -> (usize, u64) {
        (self.0.len(), self.0.weight())
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Instant};

    use super::Memory;
    use crate::entry::{Entry, Fill};

    #[test]
    fn its_weight_is_bounded() {
        let memory = Memory::new(1_000_000);
        for n in 0..10_000 {
            let fill = Fill {
                body: vec![b'a'; 900],
                ..Fill::default()
            };
            let entry = Entry::new(&fill, Instant::now(), 0).unwrap();
            memory.put(format!("key {n}").into(), Arc::new(entry));
            assert!(memory.size().1 <= 1_000_000);
        }
        let (entries, weight) = memory.size();
        assert!(entries > 400 && weight > 800_000, "{entries} {weight}");
    }
}
