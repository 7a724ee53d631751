//! TLS by rustls, with libpq's meaning of each mode.
//!
//! `verify-full` is rustls's own verification. `verify-ca` verifies the chain and not the name;
//! `prefer` and `require` encrypt without knowing to whom, as libpq does without a root
//! certificate.

mod expiry;

use std::sync::Arc;

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore,
    SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{
    config::{ClusterConfig, SslMode},
    error::Error,
};

/// A TLS connector for the mode and certificates of `config`.
pub(crate) fn connector(config: &ClusterConfig) -> Result<MakeRustlsConnect, Error> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(Error::tls)?;
    let roots = match &config.ssl_root_cert {
        Some(path) => Some(read_roots(path)?),
        None => None,
    };
    let by_chain = |roots| {
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .map_err(Error::tls)
    };
    let chain = match (config.ssl_mode, roots) {
        (SslMode::VerifyFull | SslMode::VerifyCa, None) => {
            return Err(Error::Config(
                "ssl_root_cert is required to verify the server".into(),
            ));
        }
        // As in libpq, `require` with a root certificate verifies it.
        (SslMode::VerifyFull | SslMode::VerifyCa | SslMode::Require, Some(roots)) => {
            Some(by_chain(roots)?)
        }
        (SslMode::Require | SslMode::Prefer | SslMode::Disable, _) => None,
    };
    let verifier = Verifier {
        chain,
        takes_any_name: config.ssl_mode != SslMode::VerifyFull,
        provider,
    };
    let client = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    Ok(MakeRustlsConnect::new(client.with_no_client_auth()))
}

fn read_roots(path: &std::path::Path) -> Result<RootCertStore, Error> {
    let unusable = |detail: String| Error::Config(format!("{}: {detail}", path.display()));
    let mut roots = RootCertStore::empty();
    let certificates =
        CertificateDer::pem_file_iter(path).map_err(|error| unusable(error.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| unusable(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(unusable("holds no certificate".into()));
    }
    Ok(roots)
}

/// Verifies the chain, where there are roots to verify it by, and the name if it is to. Takes note of when certificates end:
/// of those that it refuses as well, for one may be refused because it has ended.
#[derive(Debug)]
struct Verifier {
    chain: Option<Arc<WebPkiServerVerifier>>,
    takes_any_name: bool,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        expiry::note(end_entity, server_name);
        let Some(chain) = &self.chain else {
            return Ok(ServerCertVerified::assertion());
        };
        match chain.verify_server_cert(end_entity, intermediates, server_name, ocsp, now) {
            Err(TlsError::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.takes_any_name => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
