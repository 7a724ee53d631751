//! Reads what a server has logged since a moment: its log grows over all of its starts.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// How much of a log is looked at, and shown in an error.
const TAIL_BYTES: u64 = 4_096;

/// How long the log is now: where what comes next begins.
pub(crate) fn length(path: &Path) -> u64 {
    path.metadata().map_or(0, |metadata| metadata.len())
}

/// The end of what was logged since the log had `start` bytes.
pub(crate) fn since(path: &Path, start: u64) -> String {
    let mut bytes = Vec::new();
    if let Ok(mut file) = File::open(path) {
        let from = start.max(length(path).saturating_sub(TAIL_BYTES));
        if file.seek(SeekFrom::Start(from)).is_ok() {
            let _ = file.read_to_end(&mut bytes);
        }
    }
    String::from_utf8_lossy(&bytes).trim_end().to_owned()
}
