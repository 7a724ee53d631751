//! Takes note of when the certificates that servers present end, so that somebody is told before.

use std::sync::Arc;

use rustls::{
    DigitallySignedStruct, Error as TlsError, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use x509_cert::{Certificate, der::Decode as _};

use crate::metric;

/// Verifies as another one does, and notes the end of each certificate that it was shown: of those that it refuses as
/// well, for a certificate may be refused because it has ended.
#[derive(Debug)]
pub(super) struct NotesExpiry(pub(super) Arc<dyn ServerCertVerifier>);

impl ServerCertVerifier for NotesExpiry {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        // One that can't be read is for the verifier to refuse.
        if let Ok(certificate) = Certificate::from_der(end_entity) {
            let end = certificate.tbs_certificate.validity.not_after;
            let end = end.to_unix_duration().as_secs_f64();
            metric::certificate_expiry(&server_name.to_str(), end);
        }
        self.0
            .verify_server_cert(end_entity, intermediates, server_name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.0
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.0
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
