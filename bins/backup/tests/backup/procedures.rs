//! The procedures of docs/DISASTER_RECOVERY.md, with the commands that stand there.

use std::{
    fs,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use prepnexus_testkit::{commands, wait_until};

use crate::{
    program::Program,
    rig::{Ran, Rig, as_servers_user, postgres_programs},
};

const DOCUMENT: &str = "DISASTER_RECOVERY.md";
/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the commands of a section as the servers' user; what they print.
fn follow(rig: &Rig, section: &str, variables: &[(&str, String)]) -> String {
    // Where the program was built may be closed to that user.
    let programs = rig.path("programs");
    if !programs.exists() {
        fs::create_dir(&programs).unwrap();
        fs::copy(env!("CARGO_BIN_EXE_backup"), programs.join("backup")).unwrap();
    }
    let postgres = postgres_programs();
    let owner = rig.db.owner_config();
    let password = owner.password.as_ref().unwrap().expose().to_owned();
    let mut command = as_servers_user("bash");
    command.args(["-euo", "pipefail", "-c", &commands(DOCUMENT, section)]);
    let like = rig.command(&[]);
    command.env_clear().current_dir(rig.path("state"));
    let given = like
        .get_envs()
        .filter_map(|(name, value)| Some((name, value?)));
    command.envs(given);
    let path = format!(
        "{}:{}:/usr/bin:/bin",
        programs.display(),
        postgres.display()
    );
    command
        .env("PATH", path)
        .env("PGHOST", &owner.nodes[0].host)
        .env("PGPORT", owner.nodes[0].port.to_string())
        .env("PGDATABASE", &owner.database)
        .env("PGUSER", &owner.user)
        .env("PGPASSWORD", password)
        .env("DATA", rig.stack.primary().data_dir())
        .env("COPY", rig.path("state/copy"))
        .env("COPY_PORT", free_port())
        .envs(variables.iter().map(|(name, value)| (name, value)));
    let started = Instant::now();
    let ran = Ran::of(&mut command);
    assert_eq!(ran.code, Some(0), "{section}: {}{}", ran.stdout, ran.stderr);
    eprintln!("{section}: {:.1} s", started.elapsed().as_secs_f64());
    ran.stdout
}

fn free_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port().to_string()
}

/// A server that a procedure started, ended with the test.
struct Server(PathBuf);

impl Drop for Server {
    fn drop(&mut self) {
        let mut command = as_servers_user(postgres_programs().join("pg_ctl"));
        let command = command.args(["stop", "--mode=immediate", "--pgdata"]);
        let _ended = command.arg(&self.0).output();
    }
}

async fn backed_up() -> Rig {
    let rig = Rig::start().await;
    rig.must(&["init"]);
    rig.db
        .psql(
            "INSERT INTO authors (slug, name) VALUES ('ada', 'Ada');
             INSERT INTO posts (slug, title, excerpt, content, content_format, html, status, author_id, reading_time_minutes, published_at)
             SELECT 'post-' || n, 'Post ' || n, 'About ' || n, 'Text ' || n, 'markdown', '<p>Text ' || n || '</p>', 'published', id, 1, now()
             FROM authors, generate_series(1, 200) AS n",
        )
        .await;
    rig.must(&["run", "--type", "full"]);
    rig
}

/// A moment that can be recovered to: the engine wants a backup of an earlier second.
async fn moment(rig: &Rig) -> Timestamp {
    let passed = "SELECT extract(epoch FROM clock_timestamp())::bigint > max(extract(epoch FROM ended_at))::bigint + 1 FROM backup_runs";
    let has_passed = async || rig.db.psql(passed).await == "t";
    wait_until("the next second", PATIENCE, has_passed).await;
    rig.db
        .psql("SELECT clock_timestamp()")
        .await
        .parse()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_table() {
    let rig = backed_up().await;
    let owner = rig.db.owner_config().user;
    rig.db
        .psql(&format!(
            "CREATE TABLE readers (id int PRIMARY KEY, name text); INSERT INTO readers SELECT n, 'Reader ' || n FROM generate_series(1, 500) n;
             ALTER TABLE readers OWNER TO {owner}; GRANT SELECT ON readers TO prepnexus_api"
        ))
        .await;
    const ALL: &str = "SELECT count(*), sum(hashtextextended(r::text, 0)), has_table_privilege('prepnexus_api', 'readers', 'SELECT') FROM readers r";
    let before = rig.db.psql(ALL).await;
    let moment = moment(&rig).await;
    rig.db.psql("DROP TABLE readers").await;
    rig.db
        .psql("UPDATE posts SET title = 'Written since' WHERE slug = 'post-1'")
        .await;
    let variables = [("MOMENT", moment.to_string()), ("TABLE", "readers".into())];
    let said = follow(&rig, "A dropped table", &variables);
    assert!(said.contains("a server answers at"), "{said}");
    assert_eq!(rig.db.psql(ALL).await, before);
    let since = rig
        .db
        .psql("SELECT title FROM posts WHERE slug = 'post-1'")
        .await;
    assert_eq!(since, "Written since", "the rest is as it was");
    assert!(!rig.path("state/copy").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_primary() {
    let rig = backed_up().await;
    let mut keeping = rig.command(&["schedule"]);
    let keeping = ["FULL", "DIFF", "INCR", "VERIFY", "DRILL"]
        .iter()
        .fold(&mut keeping, |command, action| {
            command.env(format!("BACKUP_{action}_AT"), "")
        });
    let mut keeping = Program::start(keeping);
    let beats = "SELECT beat_at > min(ended_at) + '4 s'::interval FROM backup_scheduler, backup_runs GROUP BY beat_at";
    let beats = async || rig.db.psql(beats).await == "t";
    wait_until("some heartbeats", PATIENCE, beats).await;
    let primary = rig.stack.primary();
    let killed: Timestamp = rig
        .db
        .psql("SELECT clock_timestamp()")
        .await
        .parse()
        .unwrap();
    primary.kill().unwrap();
    keeping.kill();
    fs::remove_dir_all(primary.data_dir()).unwrap();

    let _server = Server(primary.data_dir().to_owned());
    let said = follow(&rig, "A lost primary", &[]);
    assert!(said.contains("no primary answers"), "{said}");
    assert_eq!(rig.db.psql("SELECT count(*) FROM posts").await, "200");
    let beat: Timestamp = rig
        .db
        .psql("SELECT beat_at FROM backup_scheduler")
        .await
        .parse()
        .unwrap();
    let lost = killed.duration_since(beat).as_secs_f64();
    eprintln!("lost: {lost:.2} s");
    assert!(lost < 10.0, "with archive_timeout = 1: {lost} s");
    let timeline = rig
        .db
        .psql("SELECT timeline_id FROM pg_control_checkpoint()")
        .await;
    assert_eq!(timeline, "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_machine() {
    let rig = backed_up().await;
    let primary = rig.stack.primary();
    // The server's configuration, which is put in place on the new machine.
    let machine = rig.path("machine");
    fs::create_dir(&machine).unwrap();
    rig.give(&machine);
    let settings = primary.data_dir().join("../stack.conf");
    fs::copy(settings, machine.join("stack.conf")).unwrap();
    primary.kill().unwrap();
    fs::remove_dir_all(primary.data_dir()).unwrap();
    let data = machine.join("data");
    let _server = Server(data.clone());
    let port = free_port();
    let variables = [
        ("COPY", data.display().to_string()),
        ("NEW_PORT", port.clone()),
    ];
    let said = follow(&rig, "A lost machine", &variables);
    assert!(said.contains("full  ended"), "{said}");
    assert_eq!(rig.ask_at(&port, "SELECT count(*) FROM posts"), "200");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_migration() {
    let rig = backed_up().await;
    let moment = moment(&rig).await;
    rig.db.psql("UPDATE posts SET excerpt = ''").await;
    rig.db
        .psql("UPDATE posts SET title = 'Written since' WHERE slug = 'post-1'")
        .await;
    follow(&rig, "A bad migration", &[("MOMENT", moment.to_string())]);
    let whole = "SELECT count(*) FROM posts WHERE excerpt = 'About ' || substr(slug, 6)";
    assert_eq!(rig.db.psql(whole).await, "200");
    let since = rig
        .db
        .psql("SELECT title FROM posts WHERE slug = 'post-1'")
        .await;
    assert_eq!(since, "Written since");
    let told = "SELECT count(*) FROM change_events WHERE 'everything' = ANY (tags)";
    assert_eq!(rig.db.psql(told).await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupted_page() {
    let rig = backed_up().await;
    let path = rig.db.psql("SELECT pg_relation_filepath('posts')").await;
    rig.db
        .psql("INSERT INTO tags (slug, name) VALUES ('the-last', 'The last')")
        .await;
    let primary = rig.stack.primary();
    primary.stop().unwrap();
    let file = fs::File::options()
        .write(true)
        .open(primary.data_dir().join(path))
        .unwrap();
    file.write_all_at(&[0x5a; 64], 8_192 - 600).unwrap();
    drop(file);
    primary.start().unwrap();
    let read = primary.psql_db(rig.db.database(), "SELECT sum(length(content)) FROM posts");
    assert!(format!("{read:?}").contains("invalid page"), "{read:?}");

    let _server = Server(primary.data_dir().to_owned());
    follow(&rig, "A corrupted page", &[]);
    assert_eq!(rig.db.psql("SELECT count(content) FROM posts").await, "200");
    assert_eq!(
        rig.db
            .psql("SELECT count(*) FROM tags WHERE slug = 'the-last'")
            .await,
        "1"
    );
}

/// Each section that has commands is followed by a test.
#[test]
fn every_procedure_has_a_test() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(DOCUMENT);
    let text = fs::read_to_string(path).unwrap();
    let sections = text
        .split("\n## ")
        .skip(1)
        .filter(|section| section.contains("```sh"));
    let titles: Vec<_> = sections
        .filter_map(|section| section.lines().next())
        .collect();
    assert_eq!(
        titles,
        [
            "A dropped table",
            "A lost primary",
            "A lost machine",
            "A bad migration",
            "A corrupted page",
            "An overwritten article"
        ]
    );
}
