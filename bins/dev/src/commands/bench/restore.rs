//! `./dev bench restore`: a restore to a moment by `backup restore`, beside what the engine alone needs for the same; and how
//! much is lost with a primary whose data directory is gone, with the archive settings that are documented.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use nix::unistd::geteuid;
use prepnexus_devstack::Repository;
use serde::Serialize;

use super::{
    report,
    rig::{Rig, free_port},
};
use crate::{
    child::{self, Child},
    output::{note, say},
    poll,
    session::Session,
};

/// As documented: so much is lost at most.
const ARCHIVE_TIMEOUT: Duration = Duration::from_secs(60);
/// Of about two kilobytes each.
const POSTS: u32 = 200_000;
/// How often each restore is timed.
const RESTORES: usize = 3;
/// How long after the last segment was archived the primary is lost, in seconds.
const LOST_AFTER: [u64; 3] = [5, 30, 58];
const LIMIT: Duration = Duration::from_secs(300);
/// Each table, how many rows it has, and a hash of them all, which doesn't ask for their order.
const TABLES: &str = "
SELECT concat_ws(' ', name, (xpath('/row/n/text()', counted))[1], (xpath('/row/h/text()', counted))[1])
FROM (SELECT oid::regclass::text AS name,
             query_to_xml(format('SELECT count(*) AS n, coalesce(sum(hashtextextended(t::text, 0)), 0) AS h FROM %s AS t',
                                 oid::regclass), false, true, '') AS counted
      FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace) AS tables
ORDER BY name";

#[derive(Debug, Serialize)]
struct Report {
    database_mib: u64,
    engine_seconds: Vec<f64>,
    restore_seconds: Vec<f64>,
    /// The middle ones', ours by the engine's.
    ratio: f64,
    /// Which was dropped: any of them.
    dropped: String,
    /// In all tables.
    rows_lost_at_target: i64,
    archive_timeout_seconds: u64,
    /// What was lost with the primary, in seconds, each time.
    lost_seconds: Vec<f64>,
}

struct Bench<'a> {
    session: &'a Session,
    rig: Rig,
    repository: Repository,
}

pub(super) fn run(session: &Session) -> Result<()> {
    let repository = Repository::make()?;
    let rig = Rig::durable_with(session, repository.settings(ARCHIVE_TIMEOUT))?;
    repository.configure(&rig.stack, "")?;
    let bench = Bench {
        session,
        rig,
        repository,
    };
    bench.fill()?;
    let report = bench.measure()?;
    let seconds = |all: &[f64]| {
        let texts: Vec<String> = all.iter().map(|one| format!("{one:.1}")).collect();
        texts.join(", ")
    };
    let rows = [
        (
            "engine alone, until it can be written",
            seconds(&report.engine_seconds),
        ),
        (
            "backup restore --to … --start",
            seconds(&report.restore_seconds),
        ),
        ("ratio of the middle ones", format!("{:.2}", report.ratio)),
        (
            "rows lost at the target",
            format!(
                "{} ({} dropped)",
                report.rows_lost_at_target, report.dropped
            ),
        ),
        ("lost with the primary", seconds(&report.lost_seconds)),
    ];
    say(format_args!(
        "\n{} MiB, archive_timeout {} s; seconds",
        report.database_mib, report.archive_timeout_seconds
    ));
    let rows: Vec<_> = rows
        .map(|(what, value)| vec![what.to_owned(), value])
        .into();
    report::print(&["", ""], &rows);
    report::write(session, "restore", &report)
}

impl Bench<'_> {
    fn fill(&self) -> Result<()> {
        note(format_args!("making {POSTS} posts"));
        let posts = format!(
            "INSERT INTO authors (slug, name) VALUES ('a', 'A');
             INSERT INTO posts (slug, title, excerpt, content, html, status, author_id, reading_time_minutes, published_at)
             SELECT 'post-' || n, 'Post ' || n, '', repeat(md5(n::text), 30), repeat(md5(n::text), 30), 'published',
                    (SELECT id FROM authors WHERE slug = 'a'), 1, now()
             FROM generate_series(1, {POSTS}) AS n;
             CREATE TABLE heartbeats (n int, at timestamptz)"
        );
        self.rig.psql_within(LIMIT, &posts)?;
        self.backup(&["init"])?;
        self.backup(&["run", "--type", "full"])
    }

    fn measure(&self) -> Result<Report> {
        let schedule = self.command(&["schedule"])?;
        let schedule = Child::spawn(schedule, &self.session.interrupts)?;
        let mut lost_seconds = Vec::new();
        for after in LOST_AFTER {
            lost_seconds.push(self.lose_the_primary(after)?);
        }
        drop(schedule);
        let bytes = self
            .rig
            .psql("SELECT pg_database_size(current_database())")?;

        note("a heartbeat each second, then a table dropped");
        for n in 1..=10 {
            self.rig.psql(&format!(
                "INSERT INTO heartbeats VALUES ({n}, clock_timestamp())"
            ))?;
            self.session.interrupts.pause(Duration::from_secs(1))?;
        }
        let before = self.rig.psql_within(LIMIT, TABLES)?;
        let moment = self.rig.psql("SELECT clock_timestamp()")?;
        let dropped = self.drop_a_table(&before)?;
        self.rig.stack.primary().psql("SELECT pg_switch_wal()")?;
        let (mut engine_seconds, mut restore_seconds) = (Vec::new(), Vec::new());
        let mut rows_lost_at_target = 0;
        for _ in 0..RESTORES {
            engine_seconds.push(self.by_the_engine(&moment)?);
            let (seconds, after) = self.by_ours(&moment)?;
            restore_seconds.push(seconds);
            ensure!(
                after == before,
                "what came back is {after:?} and not {before:?}"
            );
            rows_lost_at_target += rows(&before)? - rows(&after)?;
        }
        let middle = report::median;
        Ok(Report {
            database_mib: bytes.parse::<u64>()? >> 20,
            ratio: middle(restore_seconds.clone()) / middle(engine_seconds.clone()),
            engine_seconds,
            restore_seconds,
            dropped,
            rows_lost_at_target,
            archive_timeout_seconds: ARCHIVE_TIMEOUT.as_secs(),
            lost_seconds,
        })
    }

    /// Drops any table, whatever else hangs on it; which.
    fn drop_a_table(&self, tables: &str) -> Result<String> {
        let names: Vec<_> = tables
            .lines()
            .filter_map(|line| line.split(' ').next())
            .collect();
        let name = fastrand::choice(names).context("there is no table")?;
        note(format_args!("dropping {name}"));
        self.rig.psql(&format!("DROP TABLE {name} CASCADE"))?;
        Ok(name.to_owned())
    }

    /// The engine's restore and a server's start, with the commands of its manual.
    fn by_the_engine(&self, moment: &str) -> Result<f64> {
        let data = self.repository.path("state").join("engine");
        let (config, port) = (self.repository.config(), free_port()?);
        let began = Instant::now();
        let mut restore = as_servers_user("pgbackrest");
        restore.arg(format!("--config={}", config.display()));
        restore.args([
            "--stanza=main",
            "--archive-mode=off",
            "--type=time",
            "--target-action=promote",
        ]);
        restore
            .arg(format!("--target={moment}"))
            .arg(format!("--pg1-path={}", data.display()));
        child::run_well(arg(restore, "restore"), &self.session.interrupts)?;
        // Settings that a stack keeps beside its data.
        let stack_conf = self.rig.stack.primary().data_dir().join("../stack.conf");
        fs::copy(stack_conf, self.repository.path("state").join("stack.conf"))?;
        let mut start = as_servers_user(pg_ctl()?);
        start
            .args([
                "start",
                "--silent",
                "--wait",
                "--timeout=300",
                "--log=/dev/null",
                "--pgdata",
            ])
            .arg(&data);
        start.arg("--options").arg(format!(
            "-p {port} -c unix_socket_directories={}",
            self.repository.path("socket").display()
        ));
        child::run_well(start, &self.session.interrupts)?;
        poll::until("the engine's copy", LIMIT, &self.session.interrupts, || {
            let mut ask = child::command("psql");
            ask.args([
                "-XAtqw",
                "-h",
                "127.0.0.1",
                "-U",
                "postgres",
                "-p",
                &port.to_string(),
            ]);
            ask.args(["-d", "postgres", "-c", "SELECT pg_is_in_recovery()"]);
            let said = child::output(ask, &self.session.interrupts)?;
            Ok((said.trim() == "f").then_some(()))
        })?;
        let seconds = began.elapsed().as_secs_f64();
        self.remove(&data)?;
        Ok(seconds)
    }

    /// `backup restore`; how long it took, and what the tables then have.
    fn by_ours(&self, moment: &str) -> Result<(f64, String)> {
        let data = self.repository.path("state").join("ours");
        let place = data.display().to_string();
        // PostgreSQL writes the hours of an offset alone, as the command takes it.
        let began = Instant::now();
        self.backup(&["restore", "--into", &place, "--to", moment, "--start"])?;
        let seconds = began.elapsed().as_secs_f64();
        let pid_file = fs::read_to_string(data.join("postmaster.pid"))?;
        let port = pid_file.lines().nth(3).context("the copy has no port")?;
        let mut ask = as_servers_user("psql");
        ask.args([
            "-XAtqw",
            "-U",
            "postgres",
            "-d",
            self.rig.setting("DB_NAME")?,
            "-p",
            port,
            "-c",
            TABLES,
            "-h",
        ]);
        ask.arg(data.join("prepnexus"));
        let after = child::output(ask, &self.session.interrupts)?;
        self.remove(&data)?;
        Ok((seconds, after.trim().to_owned()))
    }

    /// Loses the primary so long after its log was archived; how much of what was written is not in what is restored.
    fn lose_the_primary(&self, after: u64) -> Result<f64> {
        let primary = self.rig.stack.primary();
        // It heeds archive_timeout from its next checkpoint on.
        primary.psql("CHECKPOINT")?;
        note(format_args!(
            "losing the primary, {after} s after its log was archived"
        ));
        let count = || primary.psql("SELECT archived_count FROM pg_stat_archiver");
        let seen = count()?;
        poll::until(
            "a segment archived",
            LIMIT,
            &self.session.interrupts,
            || Ok((count()? != seen).then_some(())),
        )?;
        self.session.interrupts.pause(Duration::from_secs(after))?;
        let killed = self
            .rig
            .psql("SELECT extract(epoch FROM clock_timestamp())")?;
        primary.kill()?;
        fs::remove_dir_all(primary.data_dir())?;
        let place = primary.data_dir().display().to_string();
        self.backup(&["restore", "--into", &place, "--as-primary"])?;
        primary.start()?;
        poll::until("the new primary", LIMIT, &self.session.interrupts, || {
            Ok((primary.psql("SELECT pg_is_in_recovery()")? == "f").then_some(()))
        })?;
        let beat = self
            .rig
            .psql("SELECT extract(epoch FROM beat_at) FROM backup_scheduler")?;
        let lost = killed.parse::<f64>()? - beat.parse::<f64>()?;
        self.backup(&["run", "--type", "full"])?;
        Ok(lost)
    }

    fn remove(&self, data: &Path) -> Result<()> {
        let mut stop = as_servers_user(pg_ctl()?);
        stop.args(["stop", "--silent", "--mode=immediate", "--pgdata"])
            .arg(data);
        child::run_well(stop, &self.session.interrupts)?;
        fs::remove_dir_all(data)?;
        Ok(())
    }

    fn backup(&self, words: &[&str]) -> Result<()> {
        let mut command = self.command(words)?;
        command.stdout(std::process::Stdio::null());
        child::run_well(command, &self.session.interrupts)
    }

    /// `backup`, whose schedule does nothing but beat.
    fn command(&self, words: &[&str]) -> Result<Command> {
        let mut command = self.rig.binaries.command("backup", &self.rig.env)?;
        command
            .args(words)
            .env("BACKUP_CONFIG", self.repository.config())
            .env("BACKUP_STATE_DIR", self.repository.path("state"));
        for action in ["FULL", "DIFF", "INCR", "VERIFY", "DRILL"] {
            command.env(format!("BACKUP_{action}_AT"), "");
        }
        Ok(command)
    }
}

/// Of all tables.
fn rows(tables: &str) -> Result<i64> {
    let counts = tables.lines().filter_map(|line| line.split(' ').nth(1));
    Ok(counts.map(str::parse::<i64>).sum::<Result<_, _>>()?)
}

fn arg(mut command: Command, word: &str) -> Command {
    command.arg(word);
    command
}

/// A program of PostgreSQL's, which must not be root's.
fn as_servers_user(program: impl AsRef<Path>) -> Command {
    let mut command = child::command("setpriv");
    if geteuid().is_root() {
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
    }
    command.arg("--").arg(program.as_ref());
    command
}

fn pg_ctl() -> Result<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql")?.flatten();
    let majors = versions.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let newest = majors.max().context("PostgreSQL is not installed")?;
    Ok(PathBuf::from(format!(
        "/usr/lib/postgresql/{newest}/bin/pg_ctl"
    )))
}
