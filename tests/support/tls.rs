//! Certificates made for a test, and servers that show them.

use super::net::{http, read_head, serve};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, date_time_ymd,
};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
    sign::{CertifiedKey, SingleCertAndKey},
};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsAcceptor;

const DAY: Duration = Duration::from_secs(86_400);

/// An authority of our own.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// Between it and one that signs itself, itself included.
    chain: Vec<CertificateDer<'static>>,
}

/// A certificate and its key.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: Arc<PrivateKeyDer<'static>>,
    pub(crate) certificate_pem: String,
    pub(crate) key_pem: String,
}

impl Authority {
    pub(crate) fn new() -> Authority {
        let issuer = CertifiedIssuer::self_signed(authority("Test Authority"), KeyPair::generate().unwrap()).unwrap();
        Authority { issuer, chain: Vec::new() }
    }

    /// An authority of this name below this one, whose certificate ends in so many days; negative: ended.
    pub(crate) fn intermediate(&self, name: &str, days: i32) -> Authority {
        self.signing(lasting(authority(name), -100, days), KeyPair::generate().unwrap())
    }

    /// Another certificate of `other`, of the same name and key, signed by this one.
    pub(crate) fn cross_sign(&self, other: &Authority, name: &str, days: i32) -> CertificateDer<'static> {
        let key = KeyPair::try_from(other.issuer.key().serialize_der()).unwrap();
        self.signing(lasting(authority(name), -100, days), key).der()
    }

    fn signing(&self, params: CertificateParams, key: KeyPair) -> Authority {
        let issuer = CertifiedIssuer::signed_by(params, key, &self.issuer).unwrap();
        let chain = [&[issuer.der().clone()], self.chain.as_slice()].concat();
        Authority { issuer, chain }
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    /// Its certificate, as a file has it.
    pub(crate) fn pem(&self) -> String {
        use base64::{Engine, engine::general_purpose::STANDARD};
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(self.der()))
    }

    /// A certificate for these hosts (or, as a client's, of this name), that ends in so many days; negative: ended.
    pub(crate) fn issue(&self, hosts: &[&str], days: i32) -> Identity {
        self.issue_from(hosts, -100, days)
    }

    /// The same, valid from so many days to so many.
    pub(crate) fn issue_from(&self, hosts: &[&str], from: i32, to: i32) -> Identity {
        let mut params = params(hosts, from, to);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let mut identity = Identity::of(&params.signed_by(&key, &self.issuer).unwrap(), &key);
        identity.chain.extend_from_slice(&self.chain);
        identity
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

impl Identity {
    fn of(certificate: &Certificate, key: &KeyPair) -> Identity {
        Identity {
            chain: vec![certificate.der().clone()],
            key: Arc::new(PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()))),
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        }
    }

    /// As `openssl req -x509` makes it: signed by its own key, and an authority's. Valid from so many days to so many.
    pub(crate) fn self_signed(hosts: &[&str], from: i32, to: i32) -> Identity {
        Identity::self_signed_for(hosts, from, to, &[])
    }

    /// The same, for these purposes only.
    pub(crate) fn self_signed_for(
        hosts: &[&str],
        from: i32,
        to: i32,
        purposes: &[ExtendedKeyUsagePurpose],
    ) -> Identity {
        let mut params = params(hosts, from, to);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.extended_key_usages = purposes.to_vec();
        let key = KeyPair::generate().unwrap();
        Identity::of(&params.self_signed(&key).unwrap(), &key)
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.chain[0].clone()
    }
}

/// A certificate for these hosts, valid from so many days to so many. An hour more than whole days: "9 days left" for as
/// long as the test runs.
fn params(hosts: &[&str], from: i32, to: i32) -> CertificateParams {
    lasting(CertificateParams::new(hosts.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap(), from, to)
}

fn lasting(mut params: CertificateParams, from: i32, to: i32) -> CertificateParams {
    let now = date_time_ymd(1970, 1, 1) + since_1970() + Duration::from_secs(3600);
    let day = |days: i32| if days < 0 { now - DAY * days.unsigned_abs() } else { now + DAY * days.unsigned_abs() };
    (params.not_before, params.not_after) = (day(from), day(to));
    params
}

#[expect(clippy::disallowed_methods, reason = "a certificate's dates are those of the real clock")]
pub(crate) fn since_1970() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap()
}

/// A server with this identity; `clients` asks for certificates of that authority.
pub(crate) fn acceptor(identity: &Identity, clients: Option<&Authority>) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.der()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
    };
    let config = builder.with_single_cert(identity.chain.clone(), identity.key.clone_key()).unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// Answers every HTTPS request with 200 and `ok`.
pub(crate) async fn https(identity: &Identity, clients: Option<&Authority>) -> SocketAddr {
    let acceptor = acceptor(identity, clients);
    serve(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                read_head(&mut stream).await;
                let _ = stream.write_all(&http("200 OK", &[], "ok")).await;
                let _ = stream.shutdown().await;
            }
        }
    })
    .await
}

/// Shows these certificates, whatever they are, over this version of TLS; the key is for the first.
pub(crate) async fn showing(
    chain: Vec<CertificateDer<'static>>,
    key: &PrivateKeyDer<'static>,
    version: &'static rustls::SupportedProtocolVersion,
) -> SocketAddr {
    presenting(certified(chain, key), &[version]).await
}

/// Sends this along with its certificate, as the word of the authority.
pub(crate) async fn stapling(identity: &Identity, word: Vec<u8>) -> SocketAddr {
    let mut shown = certified(identity.chain.clone(), &identity.key);
    shown.ocsp = Some(word);
    presenting(shown, rustls::DEFAULT_VERSIONS).await
}

fn certified(chain: Vec<CertificateDer<'static>>, key: &PrivateKeyDer<'static>) -> CertifiedKey {
    let provider = rustls::crypto::ring::default_provider();
    CertifiedKey::new(chain, provider.key_provider.load_private_key(key.clone_key()).unwrap())
}

async fn presenting(shown: CertifiedKey, versions: &[&'static rustls::SupportedProtocolVersion]) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let shown = Arc::new(SingleCertAndKey::from(shown));
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(shown);
    let acceptor = TlsAcceptor::from(Arc::new(config));
    serve(move |stream| {
        let accepting = acceptor.accept(stream);
        async move { drop(accepting.await) }
    })
    .await
}
