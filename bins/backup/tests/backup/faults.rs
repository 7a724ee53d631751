//! Each fault that backups can have: it makes the program exit with failure, it is measured, and an alert fires.

use std::{
    fs,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use prepnexus_testkit::wait_until;
use tokio::runtime::Runtime;

use crate::{
    alerts::firing,
    rig::{Ran, Rig, as_servers_user, postgres_programs},
};

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.enable_all().build().expect("a runtime can be made")
}

/// A server with all that a day does done, and nothing to be told of.
fn well(runtime: &Runtime, engine: &str) -> Rig {
    let rig = runtime.block_on(Rig::with(engine));
    for words in [
        &["init"][..],
        &["run", "--type", "full"],
        &["verify"],
        &["drill"],
    ] {
        rig.must(words);
    }
    rig.must(&["status"]);
    assert_eq!(firing(runtime, &rig), Vec::<String>::new());
    rig
}

fn fails(rig: &Rig, words: &[&str], saying: &str) {
    let Ran {
        code,
        stderr,
        stdout,
    } = rig.run(words);
    assert_eq!(code, Some(1), "{words:?}: {stdout}{stderr}");
    assert!(
        format!("{stdout}{stderr}").contains(saying),
        "{words:?}: {stdout}{stderr}"
    );
}

/// Waits until the server says so, which it is asked again and again.
fn eventually(rig: &Rig, runtime: &Runtime, sql: &str) {
    let holds = async || rig.db.psql(sql).await == "t";
    runtime.block_on(wait_until(sql, Duration::from_secs(30), holds));
}

#[test]
fn what_is_damaged_missing_or_old_fails_and_is_told() {
    let runtime = runtime();
    let rig = well(&runtime, "");

    // A damaged file.
    let files = rig.files("repository/backup");
    let is_data =
        |path: &&PathBuf| path.to_string_lossy().contains("pg_data/base") && size(path) > 4_000;
    let file = files.iter().find(is_data).expect("a file of the backup");
    let sound = fs::read(file).unwrap();
    let mut damaged = sound.clone();
    damaged[2_000] ^= 0xff;
    fs::write(file, damaged).unwrap();
    fails(&rig, &["verify"], "checksum invalid: 1");
    fails(&rig, &["status"], "verify failed");
    assert_eq!(firing(&runtime, &rig), ["PrepnexusBackupFailing"]);
    fs::write(file, sound).unwrap();

    // A segment that the engine does not miss.
    let segments = rig.files("repository/archive");
    let is_segment = |path: &&PathBuf| path.extension().is_some_and(|end| end == "zst");
    let mut segments: Vec<_> = segments.iter().filter(is_segment).collect();
    segments.sort_unstable();
    let segment = segments[segments.len() - 2];
    let aside = rig.path("aside");
    fs::rename(segment, &aside).unwrap();
    let name = segment.file_name().unwrap().to_string_lossy();
    fails(&rig, &["verify"], &name[..24]);
    assert_eq!(firing(&runtime, &rig), ["PrepnexusBackupFailing"]);
    fs::rename(&aside, segment).unwrap();
    rig.must(&["verify"]);
    rig.must(&["status"]);
    assert_eq!(firing(&runtime, &rig), Vec::<String>::new());

    // A last backup that is old.
    let ran = Ran::of(rig.command(&["status"]).env("BACKUP_MAX_AGE", "1s"));
    assert_eq!(ran.code, Some(1));
    assert!(ran.stdout.contains("hours old"), "{}", ran.stdout);
    let older = "UPDATE backup_runs SET started_at = started_at - '27 h'::interval, ended_at = ended_at - '27 h'::interval WHERE action = 'full'";
    runtime.block_on(rig.db.psql(older));
    assert_eq!(firing(&runtime, &rig), ["PrepnexusBackupTooOld"]);
    rig.must(&["run"]);
    assert_eq!(firing(&runtime, &rig), Vec::<String>::new());

    // An archiver that can't.
    let set = |command: &str| {
        let sql = format!("ALTER SYSTEM {command}");
        rig.stack.primary().psql(&sql).unwrap();
        rig.stack.primary().psql("SELECT pg_reload_conf()").unwrap();
    };
    set("SET archive_command = 'false'");
    runtime.block_on(
        rig.db
            .psql("INSERT INTO tags (slug, name) VALUES ('heaps', 'Heaps')"),
    );
    rig.stack.primary().psql("SELECT pg_switch_wal()").unwrap();
    let failed =
        "SELECT coalesce(last_failed_time > last_archived_time, false) FROM pg_stat_archiver";
    eventually(&rig, &runtime, failed);
    fails(&rig, &["status"], "does not get its log archived");
    let ran = Ran::of(rig.command(&["drill"]).env("BACKUP_ARCHIVE_LIMIT", "3s"));
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stderr.contains("the log to be archived"),
        "{}",
        ran.stderr
    );
    assert_eq!(
        firing(&runtime, &rig),
        ["PrepnexusArchivingFails", "PrepnexusDrillFailed"]
    );
    set("RESET archive_command");
    eventually(&rig, &runtime, &failed.replace(" >", " <"));
    rig.must(&["drill"]);
    assert_eq!(firing(&runtime, &rig), Vec::<String>::new());

    // A scheduler that is gone: here it was killed, and then it is three minutes later.
    let mut scheduler = rig.spawn(&["schedule"]);
    eventually(
        &rig,
        &runtime,
        "SELECT beat_at IS NOT NULL FROM backup_scheduler",
    );
    scheduler.kill();
    rig.must(&["status"]);
    runtime.block_on(
        rig.db
            .psql("UPDATE backup_scheduler SET beat_at = beat_at - '3 min'::interval"),
    );
    fails(&rig, &["status"], "Nobody keeps the schedule");
    assert_eq!(firing(&runtime, &rig), ["PrepnexusSchedulerGone"]);
}

#[test]
fn a_primary_whose_files_are_not_what_its_log_says_is_found_out() {
    let runtime = runtime();
    let rig = well(&runtime, "");
    let word = "PREPNEXUS CANARY";
    let psql = |sql: &str| runtime.block_on(rig.db.psql(sql));
    psql(&format!(
        "INSERT INTO tags (slug, name) VALUES ('canary', '{word}')"
    ));
    psql("CHECKPOINT");
    let path = psql("SELECT pg_relation_filepath('tags')");
    // Checksums that are made anew are right for whatever a disk gives back: nothing but a comparison tells.
    let primary = rig.stack.primary();
    let file = primary.data_dir().join(path);
    primary.stop().unwrap();
    checksums(primary.data_dir(), "--disable");
    let opened = fs::File::options()
        .read(true)
        .write(true)
        .open(&file)
        .unwrap();
    let bytes = fs::read(&file).unwrap();
    let position = bytes
        .windows(word.len())
        .position(|part| part == word.as_bytes())
        .expect("the row is there");
    opened
        .write_all_at(b"PREPNEXUS CANARX", position as u64)
        .unwrap();
    drop(opened);
    checksums(primary.data_dir(), "--enable");
    primary.start().unwrap();
    // The checkpointer, which heeds archive_timeout, may have gone to sleep for five minutes before the server had started.
    psql("CHECKPOINT");
    fails(&rig, &["drill"], "public.tags has other content");
    assert_eq!(firing(&runtime, &rig), ["PrepnexusDrillFailed"]);
    assert!(
        rig.files("state")
            .iter()
            .all(|path| path.ends_with("runs.ndjson")),
        "the copy is gone"
    );
}

#[test]
fn a_repository_that_has_another_key_or_no_room_fails_and_is_told() {
    let runtime = runtime();
    let key = |word: &str| format!("repo1-cipher-type=aes-256-cbc\nrepo1-cipher-pass={word}");
    let rig = well(&runtime, &key("the-right-one"));
    rig.configure(&key("another-one"));
    fails(&rig, &["verify"], "No usable backup.info");
    fails(&rig, &["status"], "unable to load info file");
    assert!(firing(&runtime, &rig).contains(&"PrepnexusBackupFailing".to_owned()));
    rig.configure(&key("the-right-one"));
    rig.must(&["verify"]);
    rig.must(&["drill"]);

    // Room, by what is to stay free: a rehearsal is given up before it begins.
    let ran = Ran::of(rig.command(&["drill"]).env("BACKUP_FREE_MIB", "900000000"));
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("are to stay free"), "{}", ran.stderr);
    assert_eq!(firing(&runtime, &rig), ["PrepnexusDrillFailed"]);
    rig.must(&["drill"]);

    // A file system that is full, where whoever runs this may make a small one.
    if let Some(repository) = Small::mount(&rig.path("small")) {
        let text = format!(
            "{}\nrepo2-path={}\nrepo2-cipher-type=none",
            key("the-right-one"),
            repository.0.display()
        );
        rig.give(&repository.0);
        rig.configure(&text);
        rig.must(&["init"]);
        fs::write(repository.0.join("ballast"), vec![0; 23 << 20]).unwrap();
        let ran = Ran::of(
            rig.command(&["run", "--type", "full"])
                .env("PGBACKREST_REPO", "2")
                .env("PGBACKREST_JOB_RETRY", "0"),
        );
        assert_eq!(ran.code, Some(1), "{}", ran.stdout);
        assert!(ran.stderr.contains("unable to write"), "{}", ran.stderr);
        assert!(firing(&runtime, &rig).contains(&"PrepnexusBackupFailing".to_owned()));
        rig.configure(&key("the-right-one"));
    }
}

/// A file system of 24 MiB.
struct Small(PathBuf);

impl Small {
    fn mount(dir: &Path) -> Option<Self> {
        fs::create_dir(dir).unwrap();
        let mut mount = Command::new("mount");
        let mount = mount
            .args(["-t", "tmpfs", "-o", "size=24m", "none"])
            .arg(dir);
        let mounted = mount.output().unwrap().status.success();
        mounted.then(|| Self(dir.to_owned()))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _unmounted = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |found| found.len())
}

/// Has all checksums of a stopped server made anew, or taken away.
fn checksums(data: &Path, what: &str) {
    let mut command = as_servers_user(postgres_programs().join("pg_checksums"));
    let ran = Ran::of(command.args([what, "--no-sync", "--pgdata"]).arg(data));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}
