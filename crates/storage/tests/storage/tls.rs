//! TLS with a real server: who is trusted in which mode.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
};

use metrics_exporter_prometheus::PrometheusBuilder;
use prepnexus_devstack::{PgNode, Stack};
use prepnexus_storage::{Cluster, ClusterConfig, Error, Freshness, SslMode};
use prepnexus_testkit::{TestDb, wait_until};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::support::{SOON, own_stack, patience, patient, with_node};

/// The name in the server's certificate; the address it listens on isn't.
const NAME: &str = "localhost";

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    fn write(&self, path: PathBuf) -> PathBuf {
        fs::write(&path, self.0.pem()).unwrap();
        path
    }
}

/// A file that the server can read and nobody else, as it demands of its key.
fn place(node: &PgNode, name: &str, text: &str) {
    let path = node.data_dir().join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let owner = fs::metadata(node.data_dir()).unwrap();
    chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
}

/// A server that takes the tests' roles by TLS alone.
async fn encrypted(authority: &Authority) -> (Stack, TestDb) {
    let (stack, db) = own_stack(0).await;
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority.0).unwrap();
    let (certificate, key) = (certificate.pem(), key.serialize_pem());
    with_node(stack.primary(), move |node| {
        place(node, "server.crt", &certificate);
        place(node, "server.key", &key);
        let hba = node.data_dir().join("pg_hba.conf");
        let rules = fs::read_to_string(&hba).unwrap();
        place(
            node,
            "pg_hba.conf",
            &format!("hostnossl all prepnexus_test_api all reject\n{rules}"),
        );
        node.psql("ALTER SYSTEM SET ssl = on").unwrap();
        node.psql("SELECT pg_reload_conf()").unwrap();
    })
    .await;
    let on = async || db.psql("SHOW ssl").await == "on";
    wait_until("TLS", SOON, on).await;
    (stack, db)
}

/// Whether the session is encrypted, or why there is none.
async fn connect(config: ClusterConfig) -> Result<bool, Error> {
    let cluster = Cluster::start(&patient(config))?;
    let conn = cluster.read(Freshness::Any, patience()).await?;
    const SQL: &str = "-- tls\nSELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    conn.query_one(SQL, &[]).await?.get("ssl")
}

fn by(db: &TestDb, host: &str, ssl_mode: SslMode, authority: Option<&Path>) -> ClusterConfig {
    let mut config = db.config();
    host.clone_into(&mut config.nodes[0].host);
    ClusterConfig {
        ssl_mode,
        ssl_root_cert: authority.map(Path::to_owned),
        ..config
    }
}

fn reason(outcome: Result<bool, Error>) -> String {
    match outcome {
        Err(Error::Unavailable { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_mode_trusts_whom_libpq_trusts() {
    let (authority, dir) = (Authority::new(), tempfile::tempdir().unwrap());
    let (_stack, db) = encrypted(&authority).await;
    let known = authority.write(dir.path().join("ca.pem"));
    let unknown = Authority::new().write(dir.path().join("other.pem"));
    let (address, known, unknown) = ("127.0.0.1", Some(&*known), Some(&*unknown));
    for (host, mode, authority) in [
        (NAME, SslMode::VerifyFull, known),
        (NAME, SslMode::VerifyCa, known),
        (address, SslMode::VerifyCa, known),
        (address, SslMode::Require, known),
        (address, SslMode::Require, None),
        (address, SslMode::Prefer, None),
    ] {
        let outcome = connect(by(&db, host, mode, authority)).await;
        assert!(
            matches!(outcome, Ok(true)),
            "{host} {mode:?} {authority:?}: {outcome:?}"
        );
    }
    for (host, mode, authority, why) in [
        (NAME, SslMode::VerifyFull, unknown, "certificate"),
        (address, SslMode::VerifyFull, known, "certificate"),
        (address, SslMode::VerifyCa, unknown, "certificate"),
        (address, SslMode::Require, unknown, "certificate"),
        (address, SslMode::Disable, None, "28000"),
    ] {
        let outcome = reason(connect(by(&db, host, mode, authority)).await);
        assert!(
            outcome.contains(why),
            "{host} {mode:?} {authority:?}: {outcome}"
        );
    }
}

#[tokio::test]
async fn without_encryption_prefer_connects_and_require_does_not() {
    let db = TestDb::new().await;
    let prefer = connect(by(&db, "127.0.0.1", SslMode::Prefer, None)).await;
    assert!(matches!(prefer, Ok(false)), "{prefer:?}");
    let outcome = reason(connect(by(&db, "127.0.0.1", SslMode::Require, None)).await);
    assert!(outcome.contains("TLS"), "{outcome}");
}

#[tokio::test]
async fn authorities_that_cannot_be_read_are_refused_at_the_start() {
    let (db, dir) = (TestDb::new().await, tempfile::tempdir().unwrap());
    let empty = dir.path().join("empty.pem");
    fs::write(&empty, "no certificate").unwrap();
    let absent = dir.path().join("absent.pem");
    for authority in [None, Some(&*empty), Some(&*absent)] {
        let config = by(&db, NAME, SslMode::VerifyFull, authority);
        let error = Cluster::start(&config).unwrap_err();
        assert!(matches!(error, Error::Config(_)), "{error}");
    }
}

#[tokio::test]
async fn when_the_servers_certificate_ends_can_be_scraped() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let scraped = recorder.handle();
    // Of this test's one thread: everything runs on it.
    let _recorder = metrics::set_default_local_recorder(&recorder);
    let authority = Authority::new();
    let (_stack, db) = encrypted(&authority).await;
    let outcome = connect(by(&db, NAME, SslMode::Require, None)).await;
    assert!(matches!(outcome, Ok(true)), "{outcome:?}");
    let end = CertificateParams::default().not_after.unix_timestamp();
    let line =
        format!("prepnexus_db_certificate_expiry_timestamp_seconds{{host=\"{NAME}\"}} {end}");
    let scraped = scraped.render();
    assert!(scraped.contains(&line), "{line}: {scraped}");
}
