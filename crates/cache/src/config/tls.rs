//! TLS to Redis: whom to trust, and as whom to come.

use std::{
    fmt::Display,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use bb8_redis::redis::{ClientTlsConfig, TlsCertificates};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use super::ConfigError;

const CA: &str = "tls.ca_file";
const CLIENT: &str = "tls.client";

/// TLS. The server's certificate is always verified, its name included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// A PEM file of the certificate authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Whom to present oneself as, to a server that asks.
    pub client: Option<ClientCertificate>,
}

/// A client's certificate and its key, as PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate, then those that lead to its authority.
    pub cert_file: PathBuf,
    /// Its private key.
    pub key_file: PathBuf,
}

impl Tls {
    /// Reads the files, and checks that a connection can be made with what is in them.
    pub(crate) fn read(&self) -> Result<TlsCertificates, ConfigError> {
        // The client takes the process's provider, and would panic where several are compiled in and none was chosen.
        if CryptoProvider::get_default().is_none() {
            // It fails if another thread was quicker: then there is one.
            let _chosen = ring::default_provider().install_default();
        }
        let root_cert = self.ca_file.as_deref();
        let root_cert = root_cert.map(|path| read(CA, path)).transpose()?;
        let mut roots = RootCertStore::empty();
        if let (Some(pem), Some(path)) = (&root_cert, &self.ca_file) {
            for certificate in chain(CA, path, pem)? {
                let added = roots.add(certificate);
                added.map_err(|error| unusable(CA, path, &error))?;
            }
        }
        let client_tls = self.client.as_ref();
        let client_tls = client_tls.map(|client| client.read(roots)).transpose()?;
        Ok(TlsCertificates {
            client_tls,
            root_cert,
        })
    }
}

impl ClientCertificate {
    fn read(&self, roots: RootCertStore) -> Result<ClientTlsConfig, ConfigError> {
        let client_cert = read(CLIENT, &self.cert_file)?;
        let client_key = read(CLIENT, &self.key_file)?;
        let certificates = chain(CLIENT, &self.cert_file, &client_cert)?;
        let key = PrivateKeyDer::from_pem_slice(&client_key)
            .map_err(|error| unusable(CLIENT, &self.key_file, &error))?;
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                let builder = builder.with_root_certificates(roots);
                builder.with_client_auth_cert(certificates, key)
            })
            .map_err(|error| unusable(CLIENT, &self.key_file, &error))?;
        Ok(ClientTlsConfig {
            client_cert,
            client_key,
        })
    }
}

fn read(field: &'static str, path: &Path) -> Result<Vec<u8>, ConfigError> {
    fs::read(path).map_err(|error| unusable(field, path, &error))
}

/// The certificates of a file; at least one.
fn chain(
    field: &'static str,
    path: &Path,
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let certificates = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|error| unusable(field, path, &error))?;
    if certificates.is_empty() {
        return Err(unusable(field, path, &"holds no certificate"));
    }
    Ok(certificates)
}

fn unusable(field: &'static str, path: &Path, problem: &dyn Display) -> ConfigError {
    ConfigError::new(field, format!("{}: {problem}", path.display()))
}
