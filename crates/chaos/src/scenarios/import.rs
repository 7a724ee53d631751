//! The import of the old system's file is killed at any moment, again and again: nobody ever sees a part of it, and in the end
//! all is as if nobody had disturbed it.

use std::{
    fs,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use prepnexus_devstack::{PgNode, Stack, StackConfig};
use serde_json::Value;
use tokio::task::spawn_blocking;

use super::{
    Programs, Setting,
    killed::{Ended, kill_within, migrator, odd},
    programs_of,
};
use crate::{
    error::Error,
    measure::Measure,
    old_file::{self, Planted},
};

/// Kills over all runs.
const KILLS: u32 = 50;
const QUICK_KILLS: u32 = 4;
/// Kills of one import at most: what is not staged but published begins anew, so that it needs its time at last.
const KILLS_IN_A_ROW: u32 = 5;
const POSTS: u32 = 60_000;
const QUICK_POSTS: u32 = 3_000;
/// Far longer than an import takes: a part of it, by chance, is enough.
const LONGEST: Duration = Duration::from_secs(3_600);
/// For a look at all that was imported: longer than for other questions.
const PATIENCE: Duration = Duration::from_secs(600);
/// Posts with some damage, of a thousand.
const DAMAGED: u32 = 30;

/// All that readers can see of an import, whatever numbers authors and tags have.
const CONTENT: &str = "
    SELECT md5(string_agg(row, E'\\n' ORDER BY row)) FROM (
        SELECT concat_ws('|', p.id, p.slug, p.title, p.excerpt, p.content, p.html, p.status, a.name, p.image_url, p.created_at,
                   p.updated_at, p.published_at, v.view_count,
                   ARRAY(SELECT t.name FROM post_tags pt JOIN tags t ON t.id = pt.tag_id
                         WHERE pt.post_id = p.id ORDER BY pt.position)) AS row
        FROM posts p JOIN authors a ON a.id = p.author_id JOIN post_views v ON v.post_id = p.id
        UNION ALL
        SELECT concat_ws('|', a.name, e.email) FROM authors a LEFT JOIN author_emails e ON e.author_id = a.id
    ) s";
/// Says of each row that it was written.
const WRITTEN: &str = "
    SELECT md5(string_agg(row, ',' ORDER BY row)) FROM (
        SELECT concat_ws('|', xmin, id) AS row FROM posts UNION ALL SELECT concat_ws('|', xmin, id) FROM authors
        UNION ALL SELECT concat_ws('|', xmin, id) FROM tags UNION ALL SELECT concat_ws('|', xmin, post_id) FROM post_views
        UNION ALL SELECT concat_ws('|', xmin, tag_id, post_id) FROM post_tags
        UNION ALL SELECT concat_ws('|', xmin, email) FROM author_emails UNION ALL SELECT xid::text FROM change_events
    ) s";

pub(super) async fn play(setting: Setting) -> Result<Vec<Measure>, Error> {
    let programs = programs_of(&setting)?;
    spawn_blocking(move || import(&programs, &setting)).await?
}

/// A file, and a server with a new database for each attempt.
struct Ground {
    stack: Stack,
    programs: Programs,
    file: PathBuf,
    databases: u32,
}

#[derive(Default)]
struct Tally {
    kills: u32,
    failed: usize,
    partial: usize,
    other_content: usize,
    written_again: usize,
}

fn import(programs: &Programs, setting: &Setting) -> Result<Vec<Measure>, Error> {
    let stack = Stack::start(StackConfig {
        replicas: 0,
        redis: false,
        ..StackConfig::for_tests()
    })?;
    let dir = std::env::temp_dir().join(format!("prepnexus-import-{}", std::process::id()));
    fs::create_dir_all(&dir)?;
    let ground = Ground {
        stack,
        programs: programs.clone(),
        file: dir.join("old.sqlite"),
        databases: 0,
    };
    let measured = ground.play(setting);
    fs::remove_dir_all(&dir)?;
    measured
}

impl Ground {
    fn play(mut self, setting: &Setting) -> Result<Vec<Measure>, Error> {
        let posts = if setting.quick { QUICK_POSTS } else { POSTS };
        let planted = old_file::write(&self.file, posts, DAMAGED)?;
        let source = fs::read(&self.file)?;
        let database = self.database()?;
        let began = Instant::now();
        if !self.import(&database).status()?.success() {
            return Err(odd("an import that nobody disturbs", "it failed"));
        }
        let took = began.elapsed();
        let clean = self.ask(&database, CONTENT)?;
        let miscounted = miscounted(&planted, &self.report()?);
        let kills = if setting.quick {
            QUICK_KILLS
        } else {
            KILLS.div_ceil(setting.runs)
        };
        let mut tally = Tally::default();
        while tally.kills < kills {
            self.kill_at_any_moment(took, &clean, &planted, &mut tally)?;
        }
        let changed = usize::from(fs::read(&self.file)? != source);
        Ok(vec![
            Measure::at_least("kills", "", f64::from(tally.kills), f64::from(kills))
                .beside(format!("in imports of {posts} posts")),
            Measure::never(
                "kinds of damage found more or less often than planted",
                miscounted,
            ),
            Measure::never("imports that failed", tally.failed),
            Measure::never("moments at which a part was visible", tally.partial),
            Measure::never(
                "imports with another content than one that nobody disturbed",
                tally.other_content,
            ),
            Measure::never("second runs that wrote something", tally.written_again),
            Measure::never("changes of the file", changed),
        ])
    }

    /// Kills an import at any moment, and the next ones, until one of them ends.
    fn kill_at_any_moment(
        &mut self,
        took: Duration,
        clean: &str,
        planted: &Planted,
        tally: &mut Tally,
    ) -> Result<(), Error> {
        let database = self.database()?;
        let all = planted.rows[0] - planted.rejected();
        let mut in_a_row = 0;
        loop {
            let longest = if in_a_row < KILLS_IN_A_ROW {
                took
            } else {
                LONGEST
            };
            match kill_within(self.import(&database), longest)? {
                Ended::Killed => (tally.kills, in_a_row) = (tally.kills + 1, in_a_row + 1),
                Ended::Well => break,
                Ended::Badly => {
                    tally.failed += 1;
                    break;
                }
            }
            let seen = self.ask(&database, "SELECT count(*) FROM posts")?;
            tally.partial += usize::from(seen != "0" && seen != all.to_string());
        }
        tally.other_content += usize::from(self.ask(&database, CONTENT)? != clean);
        let before = self.ask(&database, WRITTEN)?;
        tally.failed += usize::from(!self.import(&database).status()?.success());
        let said = self.report()?["written_rows"].as_u64();
        let is_same = self.ask(&database, WRITTEN)? == before;
        tally.written_again += usize::from(said != Some(0) || !is_same);
        self.node()
            .psql(&format!("DROP DATABASE {database} WITH (FORCE)"))?;
        Ok(())
    }

    fn database(&mut self) -> Result<String, Error> {
        self.databases += 1;
        let name = format!("import_{}", self.databases);
        self.node().psql(&format!("CREATE DATABASE {name}"))?;
        if !migrator(&self.programs, self.node(), &name)
            .arg("up")
            .status()?
            .success()
        {
            return Err(odd("migrating a database", "it failed"));
        }
        Ok(name)
    }

    fn ask(&self, database: &str, sql: &str) -> Result<String, Error> {
        Ok(self.node().psql_within(PATIENCE, database, sql)?)
    }

    fn report(&self) -> Result<Value, Error> {
        let text = fs::read(self.report_path())?;
        serde_json::from_slice(&text).map_err(|error| odd("an import's report", &error.to_string()))
    }

    fn report_path(&self) -> PathBuf {
        self.file.with_extension("report.json")
    }

    fn node(&self) -> &PgNode {
        self.stack.primary()
    }

    fn import(&self, database: &str) -> Command {
        let mut command = migrator(&self.programs, self.node(), database);
        command.arg("import-sqlite").arg(&self.file);
        command.args(["--allow-rejects", "100000", "--report"]);
        command.arg(self.report_path());
        command
    }
}

/// How many reasons the report has more or less often than they were planted, and sums that don't add up.
fn miscounted(planted: &Planted, report: &Value) -> usize {
    let blogs = &report["tables"]["blogs"];
    let reasons = blogs["reasons"].as_object();
    let found = |code: &str| reasons.and_then(|reasons| reasons.get(code)?.as_u64());
    let expected = planted.reasons();
    let unequal = expected
        .iter()
        .filter(|(code, count)| found(code) != Some(**count));
    let unplanted = reasons
        .into_iter()
        .flatten()
        .filter(|(code, _)| !expected.contains_key(code.as_str()));
    let number = |name: &str| blogs[name].as_u64();
    let sums = [
        number("source") == Some(planted.rows[0]),
        number("rejected") == Some(planted.rejected()),
        number("imported") == Some(planted.rows[0] - planted.rejected()),
        report["verified_rows"].as_u64()
            == Some(planted.rows[0] - planted.rejected() + planted.rows[1]),
    ];
    unequal.count() + unplanted.count() + sums.iter().filter(|is_right| !**is_right).count()
}
