//! TLS with a real server: who is trusted, and what is said of who isn't.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use prepnexus_cache::{ClientCertificate, Error, RedisConfig, RedisPool, Tls};
use prepnexus_devstack::{RedisNode, RedisTls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;

use crate::support::{Redis, at, patient};

/// The name in the server's certificate; the address that it listens on isn't.
const NAME: &str = "localhost";

/// A certificate authority, and where its files are.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: TempDir,
}

impl Authority {
    fn new(name: &str) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Ok(Self {
            issuer: CertifiedIssuer::self_signed(params, KeyPair::generate()?)?,
            dir: tempfile::tempdir()?,
        })
    }

    /// A certificate and its key.
    fn certify(&self, name: &str) -> Result<(String, String)> {
        let key = KeyPair::generate()?;
        let params = CertificateParams::new(vec![name.to_owned()])?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok((certificate.pem(), key.serialize_pem()))
    }

    fn server(&self, asks_clients: bool) -> Result<RedisNode> {
        let (certificate, key) = self.certify(NAME)?;
        Ok(RedisNode::start_with_tls(&RedisTls {
            authority: self.issuer.pem(),
            certificate,
            key,
            asks_clients,
        })?)
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.dir.path().join(name);
        fs::write(&path, text)?;
        Ok(path)
    }

    fn tls(&self) -> Result<Tls> {
        Ok(Tls {
            ca_file: Some(self.write("ca.pem", &self.issuer.pem())?),
            client: None,
        })
    }
}

fn config(host: &str, port: u16, tls: Option<Tls>) -> RedisConfig {
    patient(RedisConfig {
        tls,
        ..at(host, port)
    })
}

/// Why there is no connection.
async fn reason(config: RedisConfig) -> Result<String> {
    let connect_timeout = RedisConfig::default().connect_timeout;
    let pool = RedisPool::new(RedisConfig {
        checkout_timeout: connect_timeout * 3,
        connect_timeout,
        ..config
    })?;
    match pool.get("key").await {
        Err(Error::Unavailable { reason }) => Ok(reason.into_owned()),
        other => anyhow::bail!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_set_over_tls_is_got() -> Result<()> {
    let authority = Authority::new("ours")?;
    let server = authority.server(false)?;
    let pool = RedisPool::new(config(NAME, server.port(), Some(authority.tls()?)))?;
    pool.set("key", "value", 600_000).await?;
    assert_eq!(pool.get("key").await?.as_deref(), Some(&b"value"[..]));
    assert_eq!(server.cli(&["GET", "key"])?, "value");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_who_it_says_is_refused() -> Result<()> {
    let (authority, other) = (Authority::new("ours")?, Authority::new("another")?);
    let server = authority.server(false)?;
    let (port, trusted) = (server.port(), authority.tls()?);
    for (host, tls, expected) in [
        (NAME, other.tls()?, "UnknownIssuer"),
        // The system's roots don't know it either.
        (NAME, Tls::default(), "UnknownIssuer"),
        ("127.0.0.1", trusted, "not valid for name"),
    ] {
        let reason = reason(config(host, port, Some(tls))).await?;
        assert!(reason.contains(expected), "{host}: {reason}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_brings_no_tls_or_meets_none_is_told_so() -> Result<()> {
    let authority = Authority::new("ours")?;
    let server = authority.server(false)?;
    let reason_of = reason(config(NAME, server.port(), None)).await?;
    assert!(
        reason_of.ends_with("does it expect TLS (rediss://)?"),
        "{reason_of}"
    );
    let plain = Redis::start()?;
    let met = reason(config(NAME, plain.server.port(), Some(authority.tls()?))).await?;
    assert_eq!(met, "connecting took longer than 500 ms");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_asks_for_a_certificate_gets_one() -> Result<()> {
    let authority = Authority::new("ours")?;
    let server = authority.server(true)?;
    let (certificate, key) = authority.certify("api")?;
    let tls = Tls {
        client: Some(ClientCertificate {
            cert_file: authority.write("client.pem", &certificate)?,
            key_file: authority.write("client.key", &key)?,
        }),
        ..authority.tls()?
    };
    let pool = RedisPool::new(config(NAME, server.port(), Some(tls)))?;
    pool.set("key", "value", 600_000).await?;
    let without = reason(config(NAME, server.port(), Some(authority.tls()?))).await?;
    assert!(without.contains("CertificateRequired"), "{without}");
    Ok(())
}

#[test]
fn files_that_are_of_no_use_are_refused_at_the_start() -> Result<()> {
    let authority = Authority::new("ours")?;
    let empty = authority.write("empty.pem", "no certificate")?;
    let (certificate, key) = authority.certify("api")?;
    let cert_file = authority.write("client.pem", &certificate)?;
    let other_key = authority.write("other.key", &authority.certify("api")?.1)?;
    let key_file = authority.write("client.key", &key)?;
    let refused = |tls: Tls| {
        let config = config(NAME, 6379, Some(tls));
        config.check_tls().map_err(|error| error.field)
    };
    for ca_file in [Path::new("/nowhere/ca.pem"), &empty] {
        let ca_file = Some(ca_file.to_owned());
        let tls = Tls {
            ca_file,
            client: None,
        };
        assert_eq!(refused(tls), Err("tls.ca_file"));
    }
    let client = |cert_file: &Path, key_file: &Path| Tls {
        ca_file: None,
        client: Some(ClientCertificate {
            cert_file: cert_file.to_owned(),
            key_file: key_file.to_owned(),
        }),
    };
    assert_eq!(refused(client(&cert_file, &key_file)), Ok(()));
    for (cert_file, key_file) in [
        (&empty, &key_file),
        (&cert_file, &empty),
        (&cert_file, &other_key),
    ] {
        assert_eq!(refused(client(cert_file, key_file)), Err("tls.client"));
    }
    Ok(())
}
