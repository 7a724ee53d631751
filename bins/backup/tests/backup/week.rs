//! Three programs that keep one schedule for a week of a clock that the test sets, with the real engine.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use jiff::{SignedDuration, Timestamp, civil::Weekday, tz::TimeZone};
use nix::sys::signal::Signal;
use prepnexus_domain::clock::{Clock as _, SystemClock};
use prepnexus_testkit::wait_until;

use crate::{
    program::Program,
    rig::{REHEARSED, Rig, as_servers_user},
};

/// What the programs, and those that they start, take for the time: the system's with so much more, which a library that
/// is loaded before the others reads from a file whenever it is asked. How long something lasts is left as it is.
struct SimulatedClock {
    file: PathBuf,
    ahead: SignedDuration,
}

impl SimulatedClock {
    /// As it is now.
    fn start(rig: &Rig) -> Self {
        Self {
            file: rig.path("state").join("clock"),
            ahead: SignedDuration::ZERO,
        }
    }

    fn now(&self) -> Timestamp {
        SystemClock.now() + self.ahead
    }

    fn advance_to(&mut self, time: Timestamp) {
        // It is told in whole seconds.
        self.ahead += time.duration_since(self.now()) + SignedDuration::from_secs(1);
        let text = format!("{:+}\n", self.ahead.as_secs());
        // Nobody is to see half of it.
        let new = self.file.with_extension("new");
        fs::write(&new, text).unwrap();
        fs::rename(&new, &self.file).unwrap();
    }

    /// The command with that clock, begun as the servers' user: what the library shares with the programs that this one
    /// starts is its user's alone.
    fn on(&self, command: &Command) -> Command {
        // Of this machine's architecture, which is in the name of a directory.
        let directories = fs::read_dir("/usr/lib").unwrap().flatten();
        let mut libraries =
            directories.map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"));
        let library = libraries.find(|path| path.exists());
        let library = library.expect("libfaketime is installed");
        let mut clocked = as_servers_user("env");
        clocked
            .arg(format!("LD_PRELOAD={}", library.display()))
            .arg(command.get_program())
            .args(command.get_args())
            .env_clear()
            .envs(
                command
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .env("FAKETIME_TIMESTAMP_FILE", &self.file)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("NO_FAKE_STAT", "1");
        clocked
    }
}

/// A differential backup at one o'clock, a full one on Sundays; an incremental one twelve hours later; a check at four, a
/// rehearsal at five.
const SCHEDULE: [(&str, &str); 6] = [
    ("BACKUP_FULL_AT", "0 1 * * SUN"),
    ("BACKUP_DIFF_AT", "0 1 * * *"),
    ("BACKUP_INCR_AT", "0 13 * * *"),
    ("BACKUP_VERIFY_AT", "0 4 * * *"),
    ("BACKUP_DRILL_AT", "0 5 * * *"),
    ("BACKUP_JITTER", "1ms"),
];

struct Week {
    /// Ended before their database is dropped.
    programs: Vec<Program>,
    rig: Rig,
    clock: SimulatedClock,
    /// When it begins.
    sunday: Timestamp,
    /// What was to be run until now, and when.
    wanted: Vec<(Timestamp, &'static str)>,
}

impl Week {
    /// Half past midnight on a Sunday that is to come.
    async fn start() -> Self {
        let rig = Rig::start().await;
        rig.must(&["init"]);
        let mut clock = SimulatedClock::start(&rig);
        let today = clock.now().to_zoned(TimeZone::UTC);
        let sunday = today.nth_weekday(1, Weekday::Sunday).unwrap();
        let sunday = sunday.start_of_day().unwrap().timestamp();
        let begun = sunday + SignedDuration::from_mins(30);
        clock.advance_to(begun);
        let mut week = Self {
            programs: Vec::new(),
            rig,
            clock,
            sunday,
            wanted: Vec::new(),
        };
        week.start_programs();
        // What was never done waits for no slot.
        week.await_runs(begun, &["full", "verify", "drill"]).await;
        week
    }

    fn start_programs(&mut self) {
        self.programs = ["a", "b", "c"].map(|name| self.program(name)).into();
    }

    /// One of three, with a directory of its own, as on another machine.
    fn program(&self, name: &str) -> Program {
        let state = self.rig.path("state").join(name);
        fs::create_dir_all(&state).unwrap();
        self.rig.give(&state);
        let mut command = self.rig.command(&["schedule"]);
        command.envs(SCHEDULE).env("BACKUP_STATE_DIR", &state);
        let mut command = self.clock.on(&command);
        command.stdout(Stdio::null()).stderr(Stdio::inherit());
        Program::start(&mut command)
    }

    /// Sets the clock to that time, and waits for what is to be run then.
    async fn run_at(&mut self, time: Timestamp, actions: &[&'static str]) {
        self.clock.advance_to(time);
        self.await_runs(time, actions).await;
    }

    /// Waits until what is to be run at that time, which it is, has ended.
    async fn await_runs(&mut self, time: Timestamp, actions: &[&'static str]) {
        let wanted = actions.iter().map(|action| (time, *action));
        self.wanted.extend(wanted);
        let ended = format!(
            "SELECT (SELECT count(*) FROM backup_runs) >= {} AND runner IS NULL FROM backup_scheduler",
            self.wanted.len()
        );
        let what = format!("{actions:?} at {time}");
        wait_until(&what, REHEARSED, async || {
            self.rig.db.psql(&ended).await == "t"
        })
        .await;
    }

    /// A time of the week, its Sunday being day 0.
    fn at(&self, day: i64, time: SignedDuration) -> Timestamp {
        self.sunday + SignedDuration::from_hours(24 * day) + time
    }

    /// The slots of a day, as the schedule is read by people.
    async fn day(&mut self, day: i64) {
        let first = if day == 0 { "full" } else { "diff" };
        for (hour, action) in [(1, first), (4, "verify"), (5, "drill"), (13, "incr")] {
            let slot = self.at(day, SignedDuration::from_hours(hour));
            self.run_at(slot, &[action]).await;
        }
    }

    /// What was recorded is what was wanted: nothing else, nothing twice, each begun within a minute of its time.
    async fn check(&self) {
        let recorded = "SELECT string_agg(concat_ws(' ', action, extract(epoch FROM started_at), error), E'\n' ORDER BY started_at)
                        FROM backup_runs";
        let recorded = self.rig.db.psql(recorded).await;
        let mut runs = recorded.lines();
        for (time, action) in &self.wanted {
            let run = runs.next().unwrap_or_default();
            let began = run
                .strip_prefix(action)
                .and_then(|rest| rest.trim().parse::<f64>().ok());
            let late = began.unwrap_or(f64::NAN) - time.as_duration().as_secs_f64();
            assert!(
                (0.0..60.0).contains(&late),
                "{action} at {time}: {recorded}"
            );
        }
        assert_eq!(runs.next(), None, "{recorded}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_programs_keep_a_week_each_slot_once_and_an_outage_is_made_up_for() {
    let mut week = Week::start().await;
    week.day(0).await;
    // One of them is frozen for a day.
    week.programs[0].signal(Signal::SIGSTOP);
    week.day(1).await;
    week.programs[0].signal(Signal::SIGCONT);
    week.day(2).await;

    // All of them are gone from Tuesday on, until Friday at half past ten.
    for program in &mut week.programs {
        program.end();
    }
    let back = week.at(5, SignedDuration::from_mins(10 * 60 + 30));
    week.clock.advance_to(back);
    week.start_programs();
    week.await_runs(back, &["diff", "verify", "drill"]).await;
    let next = week.at(5, SignedDuration::from_hours(13));
    week.run_at(next, &["incr"]).await;
    week.day(6).await;

    for program in &mut week.programs {
        program.end();
    }
    week.check().await;
}
