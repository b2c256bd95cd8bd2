//! What is wrong with a certificate, in words for whoever operates the server.

use crate::{domain::time::UnixMs, probe::text::counted};
use rustls::{
    CertificateError, OtherError,
    pki_types::{ServerName, UnixTime},
};
use x509_cert::{
    certificate::Version,
    ext::pkix::{BasicConstraints, SubjectAltName, name::GeneralName},
};

/// The intermediate certificate, among those that were sent, that caused the verifier's error.
pub(super) fn blamed<'s>(
    error: &CertificateError,
    sent: &'s [x509_cert::Certificate],
) -> Option<&'s x509_cert::Certificate> {
    let validity = |sent: &x509_cert::Certificate| sent.tbs_certificate.validity;
    sent.iter().find(|sent| match error {
        CertificateError::ExpiredContext { not_after, .. } => {
            validity(sent).not_after.to_unix_duration().as_secs() == not_after.as_secs()
        }
        CertificateError::NotValidYetContext { not_before, .. } => {
            validity(sent).not_before.to_unix_duration().as_secs() == not_before.as_secs()
        }
        _ => false,
    })
}

/// What is wrong with a certificate.
pub(super) fn refusal(
    error: &CertificateError,
    certificate: &x509_cert::Certificate,
    sent: &[x509_cert::Certificate],
    name: &ServerName<'_>,
    now: UnixTime,
) -> String {
    use CertificateError as E;
    let tbs = &certificate.tbs_certificate;
    let (dates, whose) = match blamed(error, sent) {
        Some(other) => (other.tbs_certificate.validity, intermediate(&other.tbs_certificate.subject.to_string())),
        None => (tbs.validity, "certificate".to_owned()),
    };
    let is_authority = matches!(tbs.get::<BasicConstraints>(), Ok(Some((_, BasicConstraints { ca: true, .. }))));
    match error {
        E::Expired | E::ExpiredContext { .. } => {
            let ended = dates.not_after.to_unix_duration().as_secs();
            match now.as_secs().saturating_sub(ended) / 86_400 {
                0 => format!("{whose} expired less than a day ago"),
                days => format!("{whose} expired {} ago", counted(days, "day")),
            }
        }
        E::NotValidYet | E::NotValidYetContext { .. } => {
            let from = dates.not_before.to_unix_duration().as_secs();
            let from = UnixMs(i64::try_from(from).unwrap_or(i64::MAX).saturating_mul(1000));
            format!("{whose} is not valid before {}", from.utc().format("%Y-%m-%d %H:%M UTC"))
        }
        E::NotValidForName | E::NotValidForNameContext { .. } => {
            format!("certificate is for {}, not for {}", names(certificate), name.to_str())
        }
        // Of those that are an authority's as well the issuer is not even looked for.
        E::UnknownIssuer | E::Other(_) if tbs.issuer == tbs.subject && (*error == E::UnknownIssuer || is_authority) => {
            "certificate is self-signed, and not trusted: to trust it, name it in `tls.ca`".to_owned()
        }
        E::Other(_) if is_authority => {
            "certificate is an authority's, not a server's: to trust it all the same, name it in `tls.ca`".to_owned()
        }
        E::UnknownIssuer => unknown_issuer(certificate, sent),
        E::Other(_) if tbs.version == Version::V1 => {
            format!("certificate {OF_VERSION_1}")
        }
        E::Other(_) if let Some(old) = sent.iter().find(|sent| sent.tbs_certificate.version == Version::V1) => {
            format!("{} {OF_VERSION_1}", intermediate(&old.tbs_certificate.subject.to_string()))
        }
        E::Revoked => "certificate is revoked".to_owned(),
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => "certificate is not one for servers".to_owned(),
        E::BadSignature => format!(
            "certificate's signature is wrong: most likely its authority, {}, was made anew under the same name, and the old \
             one is trusted",
            tbs.issuer
        ),
        other => not_accepted(other),
    }
}

const OF_VERSION_1: &str =
    "is one of X.509 version 1, which cannot say for which host it is: make it anew, as version 3";

/// Follows the issuers as far as they were sent, and says where that ends.
fn unknown_issuer(certificate: &x509_cert::Certificate, sent: &[x509_cert::Certificate]) -> String {
    let mut last = certificate;
    // No longer than there are certificates: two may name each other.
    for _ in sent {
        let tbs = &last.tbs_certificate;
        match sent.iter().find(|sent| sent.tbs_certificate.subject == tbs.issuer && tbs.issuer != tbs.subject) {
            Some(issuer) => last = issuer,
            None => break,
        }
    }
    let issuer = &last.tbs_certificate.issuer;
    if std::ptr::eq(last, certificate) {
        return format!(
            "certificate is signed by an authority that is neither trusted nor sent, {issuer}: most likely the server does \
             not send its intermediate certificate"
        );
    }
    format!("certificate is signed, in the end, by an authority that is not trusted: {issuer}")
}

/// How an intermediate certificate is named in a message.
pub(super) fn intermediate(subject: &str) -> String {
    format!("intermediate certificate {subject}")
}

/// What is left has no words of its own but the names of its types: those, as words.
pub(super) fn not_accepted(error: &CertificateError) -> String {
    let name = match error {
        CertificateError::Other(OtherError(error)) => error.to_string(),
        error => format!("{error:?}"),
    };
    let mut words = String::new();
    for c in name.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == ' ') {
        if c.is_ascii_uppercase() && !words.is_empty() && !words.ends_with(' ') {
            words.push(' ');
        }
        words.push(c.to_ascii_lowercase());
    }
    format!("certificate is not accepted: {}", words.trim_end())
}

/// The hosts that a certificate is for, the first few of them.
fn names(certificate: &x509_cert::Certificate) -> String {
    let tbs = &certificate.tbs_certificate;
    let alternatives = tbs.get::<SubjectAltName>().ok().flatten();
    let mut names: Vec<String> = alternatives.iter().flat_map(|(_, names)| &names.0).filter_map(name_of).collect();
    if names.is_empty() {
        // Whoever made it thinks that it is for the host in there.
        return format!("no host at all (it has no subjectAltName, only the subject {})", tbs.subject);
    }
    if names.len() > 5 {
        names.truncate(5);
        names.push("…".to_owned());
    }
    names.join(", ")
}

fn name_of(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(name.to_string()),
        GeneralName::IpAddress(bytes) => {
            let bytes = bytes.as_bytes();
            let v4 = <[u8; 4]>::try_from(bytes).map(std::net::IpAddr::from);
            v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(std::net::IpAddr::from)).ok().map(|ip| ip.to_string())
        }
        _ => None,
    }
}
