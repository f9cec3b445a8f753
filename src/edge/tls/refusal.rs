//! Why there is no TLS with the upstream, in words that say what to do.

use std::io;

use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError, Error};

/// Why a handshake with the upstream came to nothing.
#[derive(Clone, Debug, thiserror::Error)]
#[error("TLS: {0}")]
pub(crate) struct HandshakeFault(String);

impl HandshakeFault {
    /// `name`: whose certificate was wanted; `private`: whether `tls.ca` says who vouches for it; `section`: of the configuration, where it does.
    pub(super) fn of(error: &io::Error, name: &ServerName<'_>, private: bool, section: &str) -> Self {
        Self(match alert_or_fault(error) {
            Some(Error::InvalidCertificate(refused)) => of_certificate(refused, name, private, section),
            Some(Error::InvalidMessage(_)) => "it does not speak TLS on this port".to_owned(),
            Some(Error::AlertReceived(alert)) => of_alert(*alert),
            Some(other) => other.to_string(),
            None if error.kind() == io::ErrorKind::UnexpectedEof => "it closed the connection amid the handshake".to_owned(),
            None => error.to_string(),
        })
    }

    pub(super) fn no_http2(section: &str) -> Self {
        Self(format!("it does not agree on HTTP/2, which {section}.http2 asks for"))
    }
}

fn of_certificate(refused: &CertificateError, name: &ServerName<'_>, private: bool, section: &str) -> String {
    // The second: it is of another authority by the same name.
    if matches!(refused, CertificateError::UnknownIssuer | CertificateError::BadSignature) {
        return if private {
            format!("nobody in {section}.tls.ca vouches for its certificate")
        } else {
            format!("nobody whom browsers trust vouches for its certificate: {section}.tls.ca names who else does")
        };
    }
    if matches!(refused, CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }) {
        return format!("its certificate is not for {}: {refused}", name.to_str());
    }
    if matches!(refused, CertificateError::Expired | CertificateError::ExpiredContext { .. }) {
        return format!("its certificate has expired: {refused}");
    }
    if matches!(refused, CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) {
        return format!("its certificate is not valid yet: {refused}");
    }
    format!("its certificate is refused: {refused}")
}

fn of_alert(alert: AlertDescription) -> String {
    if alert == AlertDescription::CertificateRequired {
        "it asks for a certificate, and has been shown none that it takes: upstream.tls.cert and upstream.tls.key say which".to_owned()
    } else if alert == AlertDescription::NoApplicationProtocol {
        "it speaks none of the versions of HTTP that it was offered".to_owned()
    } else {
        format!("it refuses: {alert:?}")
    }
}

/// What TLS itself says in an error of a stream; `None`: it is none of TLS.
pub(crate) fn said_by_tls(error: &io::Error) -> Option<HandshakeFault> {
    let fault = alert_or_fault(error)?;
    Some(HandshakeFault(if let Error::AlertReceived(alert) = fault { of_alert(*alert) } else { fault.to_string() }))
}

fn alert_or_fault(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref::<Error>()
}
