//! The word of a certificate's authority that a server sends along with it (a stapled OCSP response, RFC 6960).

use crate::domain::time::UnixMs;
use rustls::pki_types::UnixTime;
use x509_cert::der::Decode;
use x509_ocsp::{BasicOcspResponse, CertStatus, OcspGeneralizedTime, OcspResponse, SingleResponse};

/// What it says of the server's own certificate.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Staple {
    /// Revoked, since then.
    Revoked(UnixMs),
    /// It was good, and has not been renewed since this moment.
    Stale(UnixMs),
    /// Good; or nothing that a client would act upon.
    Fine,
}

impl Staple {
    /// Reads what came along with `certificate`. Its signature is not verified: it came from who has the certificate's key,
    /// and only what is bad for that one is believed.
    pub(super) fn read(bytes: &[u8], certificate: &x509_cert::Certificate, now: UnixTime) -> Staple {
        let Some(response) = single(bytes, certificate) else { return Staple::Fine };
        match (response.cert_status, response.next_update) {
            (CertStatus::Revoked(revoked), _) => Staple::Revoked(moment(&revoked.revocation_time)),
            (CertStatus::Good(_), Some(next)) if seconds(&next) < now.as_secs() => Staple::Stale(moment(&next)),
            _ => Staple::Fine,
        }
    }
}

fn single(bytes: &[u8], certificate: &x509_cert::Certificate) -> Option<SingleResponse> {
    let outer = OcspResponse::from_der(bytes).ok()?.response_bytes?;
    let basic = BasicOcspResponse::from_der(outer.response.as_bytes()).ok()?;
    let serial = &certificate.tbs_certificate.serial_number;
    basic.tbs_response_data.responses.into_iter().find(|response| response.cert_id.serial_number == *serial)
}

fn seconds(time: &OcspGeneralizedTime) -> u64 {
    time.0.to_unix_duration().as_secs()
}

fn moment(time: &OcspGeneralizedTime) -> UnixMs {
    UnixMs(i64::try_from(seconds(time)).unwrap_or(i64::MAX).saturating_mul(1000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// A stranger chose them.
        #[test]
        fn whatever_bytes_are_sent_along_reading_ends(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            let certificate = x509_cert::Certificate::from_der(key.cert.der()).unwrap();
            let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_800_000_000));
            prop_assert_eq!(Staple::read(&bytes, &certificate, now), Staple::Fine);
        }
    }
}
