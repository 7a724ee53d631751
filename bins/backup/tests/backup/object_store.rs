//! A repository in an object store: over TLS, with signed requests, encrypted.
//!
//! The store is rclone's, which speaks the S3 protocol, checks signatures, and keeps objects as files that can be looked at.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc::channel,
    thread,
    time::Duration,
};

use prepnexus_testkit::wait_until;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    program::Program,
    rig::{Rig, files_below},
};

const BUCKET: &str = "backups";
const KEY: &str = "prepnexus";
const SECRET: &str = "a secret of the store";
/// What the repository is encrypted with.
const PHRASE: &str = "a phrase that nobody knows";

struct Store {
    server: Server,
    port: u16,
    dir: TempDir,
}

/// Ended with the value.
struct Server(Program);

impl Store {
    /// One with a bucket that is empty.
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        // The engine runs as the servers' user, and reads whom to trust.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir_all(dir.path().join("objects").join(BUCKET)).unwrap();
        let mut authority = CertificateParams::default();
        authority
            .distinguished_name
            .push(DnType::CommonName, "The store's authority");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap());
        let (authority, key) = (authority.unwrap(), KeyPair::generate().unwrap());
        let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = certificate.signed_by(&key, &authority).unwrap();
        for (name, text) in [
            ("authority.pem", authority.pem()),
            ("certificate.pem", certificate.pem()),
            ("key.pem", key.serialize_pem()),
        ] {
            fs::write(dir.path().join(name), text).unwrap();
        }
        let mut server = Server::start(dir.path(), 0);
        Self {
            port: server.port(),
            server,
            dir,
        }
    }

    /// What the engine is to be told of it, so that it trusts `authority`, and signs by `secret`.
    fn config(&self, authority: &Path, secret: &str) -> String {
        format!(
            "repo1-type=s3\nrepo1-s3-bucket={BUCKET}\nrepo1-s3-endpoint=localhost\nrepo1-s3-region=eu-central-1\n\
             repo1-s3-uri-style=path\nrepo1-s3-key={KEY}\nrepo1-s3-key-secret={secret}\nrepo1-storage-port={}\n\
             repo1-storage-ca-file={}\nrepo1-cipher-type=aes-256-cbc\nrepo1-cipher-pass={PHRASE}\nio-timeout=5\n",
            self.port,
            authority.display(),
        )
    }

    fn authority(&self) -> PathBuf {
        self.dir.path().join("authority.pem")
    }

    /// The same store, once more.
    fn start_again(&mut self) {
        self.server = Server::start(self.dir.path(), self.port);
        assert_eq!(self.server.port(), self.port);
    }

    fn objects(&self) -> Vec<PathBuf> {
        files_below(&self.dir.path().join("objects"))
    }
}

impl Server {
    /// Serves what is in a directory; on the port that it is given or, for 0, on one of the system's.
    fn start(dir: &Path, port: u16) -> Self {
        let programs = prepnexus_testkit::python("bins/backup/tests/backup/requirements.txt");
        let file = |name: &str| dir.join(name).display().to_string();
        let mut rclone = Command::new(programs.join("rclone"));
        rclone
            .args(["serve", "s3", "--addr", &format!("localhost:{port}")])
            .args(["--cert", &file("certificate.pem")])
            .args(["--key", &file("key.pem")])
            .args(["--auth-key", &format!("{KEY},{SECRET}")])
            .arg("--config=")
            .arg(file("objects"));
        Self(Program::start(rclone.stderr(Stdio::piped())))
    }

    /// Where it listens, as it says.
    fn port(&mut self) -> u16 {
        let lines = BufReader::new(self.0.0.stderr.take().unwrap()).lines();
        let (say, says) = channel();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _nobody_listens = say.send(line);
            }
        });
        loop {
            let line = says.recv_timeout(Duration::from_secs(30));
            let line = line.expect("it says where it listens");
            if let Some((_, address)) = line.split_once("https://") {
                let port = address.trim_end_matches("/]").rsplit(':').next();
                return port.unwrap().parse().unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_may_be_in_an_object_store_encrypted() {
    let store = Store::start();
    let rig = Rig::with(&store.config(&store.authority(), SECRET)).await;
    rig.must(&["init"]);
    rig.must(&["run", "--type", "full"]);
    let tag = "INSERT INTO tags (slug, name) VALUES ('graphs', 'Graphs')";
    rig.db.psql(tag).await;
    rig.must(&["run"]);
    rig.must(&["verify"]);
    let drill = rig.json(&["drill", "--json"]);
    assert_eq!(drill["error"], Value::Null);
    rig.must(&["status"]);

    // All of it is there, and no object can be read without the phrase.
    assert_eq!(rig.files("repository"), Vec::<PathBuf>::new());
    let objects = store.objects();
    assert!(objects.len() > 100, "{objects:?}");
    for object in &objects {
        let bytes = fs::read(object).unwrap();
        // How OpenSSL marks what a phrase has encrypted.
        assert!(bytes.starts_with(b"Salted__"), "{}", object.display());
    }

    // What is damaged there is found as it is elsewhere.
    let is_data = |path: &&PathBuf| path.to_string_lossy().contains("pg_data/base");
    let largest = objects
        .iter()
        .filter(is_data)
        .max_by_key(|path| fs::metadata(path).unwrap().len());
    let largest = largest.expect("a file of the backup");
    let mut bytes = fs::read(largest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(largest, bytes).unwrap();
    let verify = rig.run(&["verify"]);
    assert_eq!(verify.code, Some(1), "{}{}", verify.stdout, verify.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_or_another_is_told_of_and_nothing_is_lost() {
    let mut store = Store::start();
    let right = store.config(&store.authority(), SECRET);
    let rig = Rig::with(&right).await;
    rig.must(&["init"]);
    let fails = |engine: &str, saying: &str| {
        rig.configure(engine);
        let ran = rig.run(&["run", "--type", "full"]);
        let said = ran.stdout + &ran.stderr;
        assert_eq!(ran.code, Some(1), "{said}");
        assert!(said.contains(saying), "{said}");
        assert!(!said.contains(SECRET) && !said.contains(PHRASE), "{said}");
    };
    fails(
        &store.config(&store.authority(), "another secret"),
        "403 (Forbidden)",
    );
    let other = Store::start();
    fails(&store.config(&other.authority(), SECRET), "certificate");
    drop(other);
    store.server.0.kill();
    fails(&right, "connect");

    // What was written meanwhile is archived when it is back.
    let write = async |tag: &str| {
        let insert = format!("INSERT INTO tags (slug, name) VALUES ('{tag}', '{tag}')");
        rig.db.psql(&insert).await;
        rig.stack.primary().psql("SELECT pg_switch_wal()").unwrap();
    };
    write("heaps").await;
    let failed = async || {
        let sql = "SELECT coalesce(last_failed_time > last_archived_time, failed_count > 0) FROM pg_stat_archiver";
        rig.db.psql(sql).await == "t"
    };
    wait_until("a failure of the archiver", Duration::from_secs(60), failed).await;
    let status = rig.run(&["status"]);
    let said = status.stdout + &status.stderr;
    assert_eq!(status.code, Some(1), "{said}");
    assert!(said.contains("unable to connect"), "{said}");
    store.start_again();
    // Having failed a few times it sleeps for a minute, unless there is more to do.
    write("tries").await;
    let archived = async || {
        let sql = "SELECT last_archived_time > last_failed_time FROM pg_stat_archiver";
        rig.db.psql(sql).await == "t"
    };
    wait_until("the archiver", Duration::from_secs(90), archived).await;
    rig.must(&["run", "--type", "full"]);
    let drill = rig.json(&["drill", "--json"]);
    assert_eq!(drill["error"], Value::Null);
}
