//! The migrator is killed, at each statement and at any moment: the next run finishes by itself, and nothing tells that it did
//! not do all of it. What is done includes all that can't run in a transaction, concurrent builds of indexes above all.

mod tap;

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use prepnexus_devstack::{PgNode, Stack, StackConfig};
use tokio::task::spawn_blocking;

use self::tap::{Moment, Tap};
use super::{
    Programs, Setting,
    killed::{Ended, has_ended, kill, kill_within, migrator, odd},
    programs_of,
};
use crate::{error::Error, measure::Measure};

/// Kills at any moment, over all runs; those at each statement are some two hundred more.
const RANDOM_KILLS: u32 = 100;
/// Every so many of the statements in the short form.
const QUICK_STRIDE: u32 = 25;
const QUICK_KILLS: u32 = 5;
/// What a run that nobody disturbs leaves: each step done once, and the rows of the table.
const CONTENT: &str = "indexes|1\nlength|1\nthings|1\ntidy|1\nview|1\nword|1\n5000|160000";

pub(super) async fn play(setting: Setting) -> Result<Vec<Measure>, Error> {
    let programs = programs_of(&setting)?;
    spawn_blocking(move || migrate(&programs, &setting)).await?
}

/// Where migrations run: a server, and a new database for each attempt.
struct Ground {
    stack: Stack,
    programs: Programs,
    databases: u32,
}

/// How it went, over all attempts.
#[derive(Default)]
struct Tally {
    kills: u32,
    failed: usize,
    other_schema: usize,
    invalid: usize,
    other_content: usize,
}

/// All that is to be the same, however often a run was killed.
struct Outcome {
    schema: String,
    content: String,
    invalid: String,
}

fn migrate(programs: &Programs, setting: &Setting) -> Result<Vec<Measure>, Error> {
    let stack = Stack::start(StackConfig {
        replicas: 0,
        redis: false,
        ..StackConfig::for_tests()
    })?;
    let mut ground = Ground {
        stack,
        programs: programs.clone(),
        databases: 0,
    };
    let database = ground.database()?;
    let began = Instant::now();
    let ran = ground.up(&database).status();
    let took = began.elapsed();
    if !ran.is_ok_and(|status| status.success()) {
        return Err(odd("a run that nobody disturbs", "it failed"));
    }
    let clean = ground.outcome(&database)?;
    if (clean.content.as_str(), clean.invalid.as_str()) != (CONTENT, "") {
        return Err(odd("a run that nobody disturbs", &clean.content));
    }
    let mut tally = Tally::default();
    let statements = ground.kill_at_each(setting, &clean, &mut tally)?;
    let at_each = tally.kills;
    let kills = if setting.quick {
        QUICK_KILLS
    } else {
        RANDOM_KILLS.div_ceil(setting.runs)
    };
    while tally.kills < at_each + kills {
        ground.kill_at_any_moment(took, &clean, &mut tally)?;
    }
    let least = f64::from(kills)
        + if setting.quick {
            2.0
        } else {
            f64::from(statements) / f64::from(setting.runs)
        };
    Ok(vec![
        Measure::at_least("kills", "", f64::from(tally.kills), least).beside(format!(
            "{at_each} at one of {statements} statements, before or after it was sent"
        )),
        Measure::never("next runs that failed", tally.failed),
        Measure::never("schemas that differ from a clean run's", tally.other_schema),
        Measure::never("databases with an invalid index", tally.invalid),
        Measure::never(
            "databases where a step was not done once",
            tally.other_content,
        ),
    ])
}

impl Ground {
    /// Kills at each statement, or those of them that are this run's; how many statements there are.
    fn kill_at_each(
        &mut self,
        setting: &Setting,
        clean: &Outcome,
        tally: &mut Tally,
    ) -> Result<u32, Error> {
        let (stride, first) = if setting.quick {
            (QUICK_STRIDE, fastrand::u32(1..=QUICK_STRIDE))
        } else {
            (setting.runs, setting.run % setting.runs + 1)
        };
        let mut number = first;
        loop {
            for moment in [Moment::Before, Moment::After] {
                let database = self.database()?;
                let tap = Tap::start(self.node().addr(), number, moment)?;
                let mut child = self
                    .up(&database)
                    .env("DB_PORT", tap.port.to_string())
                    .spawn()?;
                if !tap.until_reached(|| has_ended(&mut child)) {
                    child.wait()?;
                    return Ok(tap.count());
                }
                kill(child)?;
                tally.kills += 1;
                self.finish(&database, clean, tally)?;
            }
            number += stride;
        }
    }

    /// Kills a run at any moment, and the next ones, until one of them ends.
    fn kill_at_any_moment(
        &mut self,
        took: Duration,
        clean: &Outcome,
        tally: &mut Tally,
    ) -> Result<(), Error> {
        let database = self.database()?;
        loop {
            match kill_within(self.up(&database), took)? {
                Ended::Killed => tally.kills += 1,
                Ended::Well => break,
                Ended::Badly => {
                    tally.failed += 1;
                    break;
                }
            }
        }
        self.finish(&database, clean, tally)
    }

    fn finish(&self, database: &str, clean: &Outcome, tally: &mut Tally) -> Result<(), Error> {
        tally.failed += usize::from(!self.up(database).status()?.success());
        let outcome = self.outcome(database)?;
        tally.other_schema += usize::from(outcome.schema != clean.schema);
        tally.other_content += usize::from(outcome.content != clean.content);
        tally.invalid += usize::from(!outcome.invalid.is_empty());
        self.node()
            .psql(&format!("DROP DATABASE {database} WITH (FORCE)"))?;
        Ok(())
    }

    fn outcome(&self, database: &str) -> Result<Outcome, Error> {
        let ask = |sql| self.node().psql_db(database, sql);
        Ok(Outcome {
            schema: self.node().dump_schema(database)?,
            content: ask(
                "SELECT step, count(*) FROM done GROUP BY 1 ORDER BY 1; SELECT count(*), sum(length) FROM things",
            )?,
            invalid: ask("SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid")?,
        })
    }

    fn database(&mut self) -> Result<String, Error> {
        self.databases += 1;
        let name = format!("migrate_{}", self.databases);
        self.node().psql(&format!("CREATE DATABASE {name}"))?;
        Ok(name)
    }

    fn node(&self) -> &PgNode {
        self.stack.primary()
    }

    fn up(&self, database: &str) -> Command {
        let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
        let mut command = migrator(&self.programs, self.node(), database);
        command.args(["up", "--migrations"]).arg(migrations);
        command
    }
}
