//! Why a receiver is not told over HTTP, in words for people: what was wrong with its certificate, before all. No address
//! stands in them. Start with [`told`].

use rustls::CertificateError;

/// Why a request came to nothing. What a library says may hold the address.
pub fn told(error: &ureq::Error) -> String {
    match refused_certificate(error) {
        Some(refused) => of_certificate(refused),
        None => match error {
            ureq::Error::Io(e) => e.to_string(),
            other => other.to_string(),
        },
    }
}

/// What was wrong with the server's certificate, wherever in the error it stands.
fn refused_certificate(error: &ureq::Error) -> Option<&CertificateError> {
    let cause = match error {
        ureq::Error::Rustls(e) => Some(e),
        ureq::Error::Io(e) => e.get_ref().and_then(|e| e.downcast_ref().or_else(|| e.source()?.downcast_ref())),
        _ => None,
    };
    match cause? {
        rustls::Error::InvalidCertificate(refused) => Some(refused),
        _ => None,
    }
}

fn of_certificate(refused: &CertificateError) -> String {
    match refused {
        CertificateError::UnknownIssuer => {
            "its certificate was issued by nobody whom this machine trusts: put the issuer's into \
             /usr/local/share/ca-certificates and run `update-ca-certificates`, or have the server send its whole chain"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "its certificate has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet, or this machine's clock is wrong"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another name than that in the address"
        }
        CertificateError::BadSignature => "its certificate was not signed by the issuer that it names",
        CertificateError::Revoked => "its certificate was revoked",
        other => return format!("its certificate cannot be trusted: {other:?}"),
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn what_is_wrong_with_a_certificate_is_said_in_words_however_deep_it_stands() {
        let refused = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let deep = io::Error::new(io::ErrorKind::InvalidData, refused.clone());

        for error in [ureq::Error::Rustls(refused), ureq::Error::Io(deep)] {
            assert!(told(&error).contains("`update-ca-certificates`"), "{}", told(&error));
        }
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert_eq!(told(&ureq::Error::Io(refused)), "connection refused");
    }
}
