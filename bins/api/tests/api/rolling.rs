//! A new version is rolled out behind nginx, with the configuration of `deploy/machines`, and nobody notices.

use std::{
    fs,
    net::TcpStream,
    path::Path,
    process::{Child, Command},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use prepnexus_migrate::{Migrations, Migrator, UpOptions};
use prepnexus_testkit::TestDb;
use tempfile::TempDir;

use crate::{
    process::{Served, api, ask, database, eventually, free_port, psql, run},
    prometheus::repository,
};

const PROCESSES: usize = 3;

/// nginx, ended with the test.
struct Nginx {
    child: Child,
    port: u16,
    _dir: TempDir,
}

impl Nginx {
    /// With the configuration of the repository, but for what is this machine's: ports and directories.
    fn start(upstreams: &[u16]) -> Self {
        let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
        let path = dir.path().display();
        let read = |name: &str| {
            let path = repository("deploy/machines/nginx").join(name);
            fs::read_to_string(path).unwrap()
        };
        let mut text = read("prepnexus-upstream.conf") + &read("prepnexus.conf");
        for (number, upstream) in (8001..).zip(upstreams) {
            text = text.replace(
                &format!("127.0.0.1:{number} "),
                &format!("127.0.0.1:{upstream} "),
            );
        }
        let text = text
            .replace(
                "listen 80 default_server",
                &format!("listen 127.0.0.1:{port} default_server"),
            )
            .replace("    listen [::]:80 default_server;\n", "")
            .replace("/var/cache/nginx/prepnexus", &format!("{path}/cache"));
        let whole = format!(
            "daemon off; pid {path}/pid; error_log {path}/error.log; worker_processes 1; events {{ worker_connections 512; }}
             http {{ access_log off; client_body_temp_path {path}/body; proxy_temp_path {path}/proxy; fastcgi_temp_path {path}/fastcgi;
             uwsgi_temp_path {path}/uwsgi; scgi_temp_path {path}/scgi; {text} }}"
        );
        let config = dir.path().join("nginx.conf");
        fs::write(&config, whole).unwrap();
        open_to_all(dir.path());
        let nginx = || {
            let mut command = Command::new("nginx");
            command.arg("-c").arg(&config).arg("-p").arg(dir.path());
            command
        };
        let checked = nginx().arg("-t").output().unwrap();
        let said = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert!(checked.status.success(), "{said}");
        assert!(!said.contains("[warn]"), "{said}");
        let child = nginx().spawn().unwrap();
        eventually("nginx", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self {
            child,
            port,
            _dir: dir,
        }
    }
}

/// Started as root, its workers are another user's.
fn open_to_all(dir: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its workers end with it: SIGTERM rather than SIGKILL.
        let pid = i32::try_from(self.child.id()).expect("a process's number");
        let _ended = nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(pid),
            nix::sys::signal::Signal::SIGTERM,
        );
        let _gone = self.child.wait();
    }
}

/// The API on that port.
fn start(db: &TestDb, port: u16) -> Served {
    let served = Served::start_on(api(db), port);
    served.wait_until_ready();
    served
}

/// The next version's migration: it widens.
fn migrate(db: &TestDb) {
    let dir = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(repository("migrations")).unwrap().flatten() {
        fs::copy(entry.path(), dir.path().join(entry.file_name())).unwrap();
    }
    let built_in = Migrations::built_in().list().len();
    let file = dir
        .path()
        .join(format!("{:04}_subtitles.sql", built_in + 1));
    let sql = "ALTER TABLE posts ADD COLUMN subtitle text;\nALTER TABLE posts ADD CONSTRAINT posts_subtitle_length CHECK (length(subtitle) <= 300) NOT VALID;\n";
    fs::write(file, sql).unwrap();
    let migrations = Migrations::from_dir(dir.path()).unwrap();
    let migrator = Migrator::new(db.owner_config(), migrations).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let applied = runtime
        .unwrap()
        .block_on(migrator.up(UpOptions::default(), &mut |_| {}));
    applied.unwrap();
}

#[test]
fn no_request_fails_while_three_processes_are_replaced_and_a_migration_is_applied() {
    let db = database();
    let ports: Vec<u16> = (0..PROCESSES).map(|_| free_port()).collect();
    let mut processes: Vec<Served> = ports.iter().map(|port| start(&db, *port)).collect();
    let nginx = Nginx::start(&ports);
    let mut keys = api(&db);
    keys.args(["keys", "create", "--role", "author", "--name", "A"]);
    let key = run(&mut keys).stdout.trim().to_owned();

    let stop = Arc::new(AtomicBool::new(false));
    let (reads, writes) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let port = nginx.port;
    let load = |number: usize| {
        let (stop, reads, writes, key) = (
            Arc::clone(&stop),
            Arc::clone(&reads),
            Arc::clone(&writes),
            key.clone(),
        );
        thread::spawn(move || {
            let mut failed = Vec::new();
            for turn in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let (request, counter) = if turn % 10 == 0 {
                    let body = format!(
                        r#"{{"title": "Post {number} {turn}", "content": "Text", "status": "published"}}"#
                    );
                    let length = body.len();
                    let head = format!(
                        "POST /api/v1/posts HTTP/1.0\r\nhost: a\r\nauthorization: Bearer {key}\r\n"
                    );
                    (
                        format!(
                            "{head}content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
                        ),
                        &writes,
                    )
                } else {
                    // Each a question of its own, which nginx has no copy of.
                    (
                        format!(
                            "GET /api/v1/posts?limit={} HTTP/1.0\r\nhost: a\r\nauthorization: Bearer {key}\r\n\r\n",
                            turn % 100 + 1
                        ),
                        &reads,
                    )
                };
                let (status, body) = ask(port, &request);
                counter.fetch_add(1, Ordering::Relaxed);
                if !(200..300).contains(&status) {
                    failed.push(format!("{status}: {body}"));
                }
            }
            failed
        })
    };
    let loads: Vec<_> = (0..4).map(load).collect();
    let served_more = |than: u64| {
        eventually("requests", || reads.load(Ordering::Relaxed) > than);
    };
    served_more(50);
    for (index, port) in ports.iter().enumerate() {
        if index == 1 {
            migrate(&db);
        }
        let old = processes.remove(0);
        old.terminate();
        let (status, _) = old.wait();
        assert_eq!(status.code(), Some(0));
        processes.push(start(&db, *port));
        served_more(reads.load(Ordering::Relaxed) + 50);
    }
    stop.store(true, Ordering::Relaxed);
    let failed: Vec<String> = loads
        .into_iter()
        .flat_map(|load| load.join().unwrap())
        .collect();
    let (reads, writes) = (
        reads.load(Ordering::Relaxed),
        writes.load(Ordering::Relaxed),
    );
    eprintln!("{reads} reads, {writes} writes");
    assert!(
        failed.is_empty(),
        "{} of {}: {:?}",
        failed.len(),
        reads + writes,
        failed.first()
    );
    assert!(writes > 20, "{writes}");
    // What was asked of a second process because the first one ended is there once.
    let posts = psql(&db, "SELECT count(*), count(DISTINCT title) FROM posts");
    assert_eq!(posts, format!("{writes}|{writes}"));
}
