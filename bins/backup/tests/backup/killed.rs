//! A rehearsal that is killed at whatever moment leaves nothing behind.

use std::{
    fs,
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::rig::Rig;

/// How often it is killed.
const KILLS: u32 = 20;
/// How long what is left may take to go.
const LIMIT: Duration = Duration::from_secs(10);
/// Between two looks at what was started.
const STEP: Duration = Duration::from_millis(20);

/// What is there of a rehearsal: processes that work below `dir`, and directories.
fn left(dir: &Path) -> Vec<String> {
    let processes = fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| {
            let path = entry.path();
            entry.file_name().to_str()?.parse::<u32>().ok()?;
            let cwd = fs::read_link(path.join("cwd")).ok()?;
            let works_there = cwd.to_string_lossy().starts_with(&*dir.to_string_lossy());
            let command = fs::read(path.join("cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            (works_there || command.contains(&*dir.to_string_lossy()))
                .then(|| format!("{path:?} {command}"))
        });
    let entries = fs::read_dir(dir)
        .unwrap()
        .flatten()
        .map(|entry| entry.path());
    let directories = entries
        .filter(|path| path.is_dir())
        .map(|path| path.display().to_string());
    processes.chain(directories).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_killed_at_any_moment_leaves_nothing_and_the_next_one_passes() {
    let rig = Rig::start().await;
    rig.must(&["init"]);
    rig.must(&["run", "--type", "full"]);
    let state = rig.path("state");
    let whole = Instant::now();
    rig.must(&["drill"]);
    let whole = whole.elapsed();
    let mut seen = 0;
    for number in 0..KILLS {
        let mut drill = rig.spawn(&["drill"]);
        // A moment is what this is about; the first one may have taken longer than this one does.
        let moment = whole * fastrand::u32(number * 50..number * 50 + 50) / (KILLS * 50);
        let started = Instant::now();
        while let Some(rest) = moment.checked_sub(started.elapsed())
            && !drill.has_ended()
        {
            sleep(rest.min(STEP));
        }
        seen += usize::from(!left(&state).is_empty());
        drill.kill();
        let started = Instant::now();
        while !left(&state).is_empty() {
            assert!(
                started.elapsed() < LIMIT,
                "killed after {moment:?}: {:#?}",
                left(&state)
            );
            sleep(STEP);
        }
    }
    assert!(seen >= 5, "there was something to leave behind: {seen}");
    let drill = rig.json(&["drill", "--json"]);
    assert_eq!(drill["error"], Value::Null, "{drill:#}");
    assert!(left(&state).is_empty(), "{:?}", left(&state));
}
