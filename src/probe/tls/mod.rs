//! TLS as probes need it: every certificate is recorded, invalid ones too, and a fault says in plain words what is wrong.

mod handshake;
mod refusal;
mod staple;

use self::{
    refusal::{blamed, intermediate, not_accepted, refusal},
    staple::Staple,
};
use super::{
    error::ProbeError,
    text::counted,
    trace::{Certificate, Fault, Trace},
};
use crate::{
    domain::check::{Class, Phase, Reason},
    settings::tls::TlsSpec,
};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, NamedGroup, RootCertStore,
    SignatureScheme,
    client::{
        ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};
use std::{sync::Arc, time::Duration};
use x509_cert::{
    der::{Decode, oid::db::rfc5280::ID_KP_SERVER_AUTH},
    ext::pkix::ExtendedKeyUsage,
};

/// What all probes of a process share: the cryptography and the trusted roots.
#[derive(Debug)]
pub(super) struct Roots {
    provider: Arc<CryptoProvider>,
    system: Arc<WebPkiServerVerifier>,
    plain: ClientConfig,
}

impl Roots {
    /// Reads the system's trusted roots; where there are none, takes those that came with the program, and says so.
    pub(super) fn load() -> Result<Roots, ProbeError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let why = found.errors.first().map_or_else(|| "it has none".to_owned(), ToString::to_string);
            tracing::warn!("no trusted roots on this system ({why}): using those that came with the program");
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        let system = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .map_err(|error| ProbeError::Roots(error.to_string()))?;
        // A template: its verifier is replaced in every check.
        let plain = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(ProbeError::Tls)?
            .with_webpki_verifier(Arc::clone(&system))
            .with_no_client_auth();
        Ok(Roots { provider, system, plain })
    }

    pub(super) fn client_config(&self) -> ClientConfig {
        self.plain.clone()
    }
}

/// How far a certificate is checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verification {
    /// Anything goes.
    Nothing,
    /// A trusted authority signed it, for whatever host.
    Chain,
    /// A trusted authority signed it, for this host.
    ChainAndName,
}

/// One service's TLS: built once, small, because what is large is shared.
#[derive(Debug)]
pub(super) struct Tls {
    base: ClientConfig,
    trust: Arc<Trust>,
}

/// Whom a service's certificates are trusted from.
#[derive(Debug)]
struct Trust {
    verification: Verification,
    /// The certificates of `tls.ca`: a server that shows one of them itself is trusted, too.
    named: Box<[CertificateDer<'static>]>,
    own: Option<Arc<WebPkiServerVerifier>>,
    system: Arc<WebPkiServerVerifier>,
}

impl Tls {
    pub(super) fn new(spec: &TlsSpec, verification: Verification, roots: &Roots) -> Result<Tls, ProbeError> {
        let own = if spec.ca.is_empty() {
            None
        } else {
            let mut store = RootCertStore::empty();
            for ca in &spec.ca {
                store.add(ca.clone()).map_err(ProbeError::Authority)?;
            }
            let verifier =
                WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(&roots.provider)).build();
            Some(verifier.map_err(|error| ProbeError::Roots(error.to_string()))?)
        };
        let base = match &spec.client {
            None => roots.plain.clone(),
            Some((chain, key)) => ClientConfig::builder_with_provider(Arc::clone(&roots.provider))
                .with_safe_default_protocol_versions()
                .map_err(ProbeError::Tls)?
                .with_webpki_verifier(Arc::clone(&roots.system))
                .with_client_auth_cert(chain.clone(), key.clone_key())
                .map_err(ProbeError::ClientCertificate)?,
        };
        let verification = if spec.skip_verify { Verification::Nothing } else { verification };
        let named = spec.ca.clone().into();
        Ok(Tls { base, trust: Arc::new(Trust { verification, named, own, system: Arc::clone(&roots.system) }) })
    }

    /// Whether a certificate that is not valid is refused.
    pub(super) fn verifies(&self) -> bool {
        self.trust.verification != Verification::Nothing
    }

    /// The configuration of one check, whose certificates and handshakes `trace` sees. No session is resumed: a check is
    /// a client that comes for the first time.
    pub(super) fn config(&self, trace: &Arc<Trace>, alpn: &[&[u8]]) -> ClientConfig {
        let mut config = self.base.clone();
        let seen = ObservingVerifier { trust: Arc::clone(&self.trust), trace: Arc::clone(trace) };
        config.dangerous().set_certificate_verifier(Arc::new(seen));
        config.resumption = Resumption::store(Arc::new(HelloHook(Arc::clone(trace))));
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        config
    }
}

impl Trust {
    fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.verification == Verification::Nothing {
            return Ok(ServerCertVerified::assertion());
        }
        if self.named.iter().any(|named| named == leaf) {
            return self.verify_named(leaf, name, now);
        }
        let verify = |verifier: &WebPkiServerVerifier| {
            let result = verifier.verify_server_cert(leaf, chain, name, ocsp, now);
            match &result {
                // The name is looked at last: all else is in order.
                Err(error) if self.verification == Verification::Chain && is_other_name(error) => {
                    Ok(ServerCertVerified::assertion())
                }
                _ => result,
            }
        };
        let own = match &self.own {
            None => return verify(&self.system),
            Some(own) => verify(own),
        };
        match own {
            // Not of our own authority: then it has to be of a public one.
            Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => verify(&self.system),
            other => other,
        }
    }

    /// The server's own certificate is one of those in `tls.ca`, byte for byte: nobody has to have signed it, and it may
    /// be an authority's (which is what `openssl req -x509` makes). All else has to be in order.
    fn verify_named(
        &self,
        leaf: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        // The parser refuses what it does not know and must not pass over, such as a critical extension.
        let certificate = ParsedCertificate::try_from(leaf)?;
        let tbs = x509_cert::Certificate::from_der(leaf).map_err(|_| CertificateError::BadEncoding)?.tbs_certificate;
        let (from, to) = (tbs.validity.not_before.to_unix_duration(), tbs.validity.not_after.to_unix_duration());
        if now.as_secs() < from.as_secs() {
            return Err(CertificateError::NotValidYet.into());
        }
        if now.as_secs() > to.as_secs() {
            return Err(CertificateError::Expired.into());
        }
        let purposes = tbs.get::<ExtendedKeyUsage>().map_err(|_| CertificateError::BadEncoding)?;
        if purposes.is_some_and(|(_, purposes)| !purposes.0.contains(&ID_KP_SERVER_AUTH)) {
            return Err(CertificateError::InvalidPurpose.into());
        }
        match verify_server_name(&certificate, name) {
            Err(error) if self.verification == Verification::Chain && is_other_name(&error) => {}
            result => result?,
        }
        Ok(ServerCertVerified::assertion())
    }
}

fn is_other_name(error: &rustls::Error) -> bool {
    use CertificateError::{NotValidForName, NotValidForNameContext};
    matches!(error, rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }))
}

/// How many intermediate certificates are looked at that end before the server's own: a stranger may send many.
const MOST_ASKED: usize = 8;

/// When a certificate ends, in seconds since 1970.
fn ends(certificate: &x509_cert::Certificate) -> i64 {
    let end = certificate.tbs_certificate.validity.not_after.to_unix_duration();
    i64::try_from(end.as_secs()).unwrap_or(i64::MAX)
}

/// The verifier of one check: it records in the trace every certificate that is shown, and verifies it then.
#[derive(Debug)]
struct ObservingVerifier {
    trust: Arc<Trust>,
    trace: Arc<Trace>,
}

impl ObservingVerifier {
    /// The intermediate certificate whose end is the end of the valid chain. None where that is the server's own.
    ///
    /// A certificate that is sent and not needed does not count: the verifier itself decides whether one is needed,
    /// for the second after its end. Where the server's own ends first, as nearly everywhere, the verifier is not called.
    fn first_to_end<'s>(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
        parsed: &x509_cert::Certificate,
        sent: &'s [x509_cert::Certificate],
    ) -> Option<&'s x509_cert::Certificate> {
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let mut earlier: Vec<_> = sent.iter().filter(|sent| (now..ends(parsed)).contains(&ends(sent))).collect();
        earlier.sort_by_key(|sent| ends(sent));
        earlier.truncate(MOST_ASKED);
        earlier.into_iter().find(|sent| {
            let after = UnixTime::since_unix_epoch(Duration::from_secs(ends(sent).unsigned_abs() + 1));
            self.trust.verify(leaf, chain, name, &[], after).is_err()
        })
    }
}

impl ServerCertVerifier for ObservingVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let mut result = self.trust.verify(leaf, chain, name, ocsp, now);
        let Ok(parsed) = x509_cert::Certificate::from_der(leaf) else { return result };
        let sent: Vec<_> = chain.iter().filter_map(|der| x509_cert::Certificate::from_der(der).ok()).collect();
        let mut revoked = None;
        if !ocsp.is_empty() && result.is_ok() && self.trust.verification != Verification::Nothing {
            match Staple::read(ocsp, &parsed, now) {
                Staple::Revoked(since) => {
                    result = Err(CertificateError::Revoked.into());
                    revoked = Some(since);
                }
                Staple::Stale(since) => self.trace.saw_stale_staple(since),
                Staple::Fine => {}
            }
        }
        let broken = match &result {
            Err(rustls::Error::InvalidCertificate(error)) => Some(error),
            _ => None,
        };
        let counts = match broken {
            Some(error) => blamed(error, &sent),
            None => self.first_to_end(leaf, chain, name, now, &parsed, &sent),
        };
        self.trace.saw(Certificate {
            not_after: ends(counts.unwrap_or(&parsed)),
            seen_at: i64::try_from(now.as_secs()).unwrap_or(i64::MAX),
            host: name.to_str().into_owned(),
            intermediate: counts.map(|certificate| certificate.tbs_certificate.subject.to_string()),
        });
        if let Some(error) = broken {
            self.trace.refuse_certificate(match revoked {
                Some(since) => {
                    let day = since.utc().format("%Y-%m-%d %H:%M UTC");
                    format!(
                        "certificate is revoked since {day}, as the OCSP response says that the server itself sends"
                    )
                }
                None => refusal(error, &parsed, &sent, name, now),
            });
        }
        result
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match self.trust.verification {
            // A signature proves that the server owns its certificate, which here proves nothing; and checking it would
            // refuse old kinds of certificate that are to be accepted.
            Verification::Nothing => Ok(HandshakeSignatureValid::assertion()),
            _ => self.trust.system.verify_tls12_signature(message, cert, dss),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match self.trust.verification {
            Verification::Nothing => Ok(HandshakeSignatureValid::assertion()),
            _ => self.trust.system.verify_tls13_signature(message, cert, dss),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.system.supported_verify_schemes()
    }
}

/// Never resumes a session. rustls requests a session when it makes the first message of a handshake. At that moment
/// the connection is there and TLS begins: HTTP clients do not report it otherwise.
#[derive(Debug)]
struct HelloHook(Arc<Trace>);

impl HelloHook {
    fn hello(&self) {
        self.0.enter_from(Phase::Connect, Phase::Tls);
    }
}

impl ClientSessionStore for HelloHook {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}
    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        self.hello();
        None
    }
    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}
    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.hello();
        None
    }
    fn remove_tls12_session(&self, _: &ServerName<'static>) {}
    fn insert_tls13_ticket(&self, _: ServerName<'static>, _: Tls13ClientSessionValue) {}
    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.hello();
        None
    }
}

/// A handshake that failed, or what came of it later.
pub(super) fn fault(error: &rustls::Error, trace: &Trace) -> Fault {
    use AlertDescription as A;
    let message = match error {
        rustls::Error::InvalidCertificate(error) => trace.refused_certificate().unwrap_or_else(|| not_accepted(error)),
        rustls::Error::NoCertificatesPresented => "the server shows no certificate".to_owned(),
        rustls::Error::AlertReceived(A::CertificateRequired) => "the server requires a client certificate".to_owned(),
        rustls::Error::AlertReceived(
            alert @ (A::BadCertificate
            | A::UnknownCA
            | A::CertificateExpired
            | A::CertificateRevoked
            | A::AccessDenied
            | A::CertificateUnknown
            | A::UnsupportedCertificate),
        ) => format!("the server does not accept the client certificate: {alert:?}"),
        rustls::Error::AlertReceived(A::NoApplicationProtocol) => {
            "the server has no application protocol in common (ALPN)".to_owned()
        }
        rustls::Error::AlertReceived(A::UnrecognisedName) => format!("the server knows no host {}", trace.host()),
        rustls::Error::AlertReceived(A::HandshakeFailure) => {
            "the server refused the TLS handshake: it has no cipher in common, or wants a client certificate".to_owned()
        }
        rustls::Error::AlertReceived(A::ProtocolVersion | A::InsufficientSecurity)
        | rustls::Error::PeerIncompatible(_) => "no TLS version and cipher in common with the server".to_owned(),
        rustls::Error::AlertReceived(alert) => format!("the server broke off the TLS session: {alert:?}"),
        rustls::Error::InvalidMessage(_) => format!("{} does not speak TLS", trace.peer()),
        other => format!("TLS failed: {other}"),
    };
    Fault::new(Class::Tls, Some(Phase::Tls), message)
}

/// The reason for `degraded` where the server goes on sending an OCSP response that is out of date: clients that insist
/// on one refuse it.
pub(super) fn staple_warning(trace: &Trace) -> Option<Reason> {
    let day = trace.stale_staple()?.utc().format("%Y-%m-%d %H:%M UTC").to_string();
    let message = format!("the OCSP response that the server sends along was valid until {day}");
    Some(Reason { class: Class::Certificate, phase: Some(Phase::Tls), message })
}

/// The reason for `degraded` where a certificate expires within `warning_days`.
pub(super) fn expiry_warning(trace: &Trace, warning_days: u32, host: &str) -> Option<Reason> {
    let certificate = trace.certificate()?;
    let days = certificate.days_left();
    if days >= i64::from(warning_days) {
        return None;
    }
    let mut whose = certificate.intermediate.as_deref().map_or_else(|| "certificate".to_owned(), intermediate);
    if certificate.host != host {
        whose += &format!(" of {}", certificate.host);
    }
    let message = match days {
        0 => format!("{whose} expires in less than a day"),
        1.. => format!("{whose} expires in {}", counted(days.unsigned_abs(), "day")),
        // Rounded down: what ended an hour ago has -1 days left.
        -1 => format!("{whose} expired less than a day ago"),
        _ => format!("{whose} expired {} ago", counted(days.unsigned_abs() - 1, "day")),
    };
    Some(Reason { class: Class::Certificate, phase: Some(Phase::Tls), message })
}
