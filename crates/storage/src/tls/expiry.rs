//! When the certificates end that servers present, so that somebody is told before.

use rustls::pki_types::{CertificateDer, ServerName};
use x509_cert::{Certificate, der::Decode as _};

use crate::metric;

/// Takes note of it. A certificate that can't be read is for the verifier to refuse.
pub(super) fn note(certificate: &CertificateDer<'_>, server: &ServerName<'_>) {
    if let Ok(certificate) = Certificate::from_der(certificate) {
        let end = certificate.tbs_certificate.validity.not_after;
        let end = end.to_unix_duration().as_secs_f64();
        metric::certificate_expiry(&server.to_str(), end);
    }
}
