//! `tls = { … }`: which certificates are trusted, and our own. Files are read here, so that a missing one is found
//! before anything is probed.

use super::{
    error::Mistake,
    masking::{credentials_in_whole, redact},
    reader::{Table, Value},
    text::Text,
};
use rustls::{
    RootCertStore,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use serde_json::{Value as Json, json};
use std::{path::PathBuf, sync::Arc};

/// How certificates are verified, and our own.
#[derive(Clone, Debug)]
pub struct TlsSpec {
    /// Trusted beside the system's roots.
    pub ca: Vec<CertificateDer<'static>>,
    /// Our own chain and key.
    pub client: Option<(Vec<CertificateDer<'static>>, Arc<PrivateKeyDer<'static>>)>,
    /// Accept any certificate. Its expiry is seen all the same.
    pub skip_verify: bool,
    /// A certificate with fewer days left than this makes the service `degraded`. 0 switches it off. Default 14.
    pub expiry_warning_days: u32,
}

impl Default for TlsSpec {
    fn default() -> TlsSpec {
        TlsSpec { ca: Vec::new(), client: None, skip_verify: false, expiry_warning_days: 14 }
    }
}

/// The keys as they were read, and redacted for the API.
pub(crate) struct Tls {
    pub(crate) spec: TlsSpec,
    pub(crate) shown: Json,
}

impl Default for Tls {
    fn default() -> Tls {
        let spec = TlsSpec::default();
        Tls { shown: shown(&spec, [None, None, None]), spec }
    }
}

/// The keys of the table.
pub(crate) const KEYS: [&str; 5] = ["ca", "client_cert", "client_key", "skip_verify", "expiry_warning_days"];

/// Reads `tls`; the defaults where there is none.
pub(crate) fn read(endpoint: &Table<'_>) -> Tls {
    endpoint.table("tls").map_or_else(Tls::default, |table| read_table(&table))
}

/// Reads `tls` where it may be `true` or `false` as well. None: no TLS, which is what nothing says, too, unless
/// `by_default`.
pub(crate) fn read_switch(endpoint: &Table<'_>, by_default: bool) -> Option<Tls> {
    match endpoint.get("tls") {
        Some(value) if value.is_table() => value.table().map(|table| read_table(&table)),
        Some(value) => value.boolean().unwrap_or(by_default).then(Tls::default),
        None => by_default.then(Tls::default),
    }
}

fn read_table(table: &Table<'_>) -> Tls {
    let mut spec = TlsSpec::default();
    let ca = table.get("ca").and_then(|value| {
        let (path, pem) = file(&value)?;
        spec.ca = trusted(&value, &pem)?;
        Some(path)
    });
    let chain = table.get("client_cert").and_then(|value| {
        let (path, pem) = file(&value)?;
        Some((path, certificates(&value, &pem)?))
    });
    let key = table.get("client_key").and_then(|value| {
        let (path, pem) = file(&value)?;
        match PrivateKeyDer::from_pem_slice(&pem) {
            Ok(key) => Some((path, key, value)),
            Err(_) => {
                let mistake = value.mistake("there is no private key in this file");
                table.source.report(mistake.label("a PEM file with a PRIVATE KEY, not encrypted, is needed"));
                None
            }
        }
    });
    for (one, other) in [("client_cert", "client_key"), ("client_key", "client_cert")] {
        if let (Some(value), None) = (table.peek(one), table.peek(other)) {
            let mistake = Mistake::at(value.key, format!("`{one}` without `{other}`"));
            table.source.report(mistake.label("they come together"));
        }
    }
    spec.skip_verify = table.boolean("skip_verify").unwrap_or(false);
    if let Some(days) = table.integer("expiry_warning_days", 0..=3650).and_then(|n| u32::try_from(n).ok()) {
        spec.expiry_warning_days = days;
    }
    table.finish(|_| None);

    let paths = [ca, chain.as_ref().map(|(path, _)| path.clone()), key.as_ref().map(|(path, ..)| path.clone())];
    if let (Some((_, chain)), Some((_, key, value))) = (chain, key) {
        match CertifiedKey::from_der(chain.clone(), key.clone_key(), &default_provider()) {
            Ok(_) => spec.client = Some((chain, Arc::new(key))),
            Err(error) => {
                let mistake = value.mistake("`client_key` does not go with `client_cert`").label(error.to_string());
                table.source.report(mistake);
            }
        }
    }
    Tls { shown: shown(&spec, paths), spec }
}

fn shown(spec: &TlsSpec, [ca, client_cert, client_key]: [Option<String>; 3]) -> Json {
    let mut shown = json!({
        "ca": ca,
        "client_cert": client_cert,
        "client_key": client_key,
        "skip_verify": spec.skip_verify,
        "expiry_warning_days": spec.expiry_warning_days,
    });
    if let Json::Object(settings) = &mut shown {
        settings.retain(|_, value| !value.is_null());
    }
    shown
}

/// The path as everyone may see it, and what is in the file.
fn file(value: &Value<'_>) -> Option<(String, Vec<u8>)> {
    let text: Text = value.filled()?;
    let path: PathBuf = value.source.folder.join(&text.value);
    match std::fs::read(&path) {
        Ok(bytes) => Some((text.shown(), bytes)),
        Err(error) => {
            let place = value.source.folder.join(redact(&text.written, credentials_in_whole(&text.written)));
            let mistake = value.mistake(format!("{} cannot be read", text.quoted())).label(error.to_string());
            value.source.report(mistake.help(format!(
                "looked for {}: paths are relative to the folder of the configuration",
                std::path::absolute(&place).unwrap_or(place).display()
            )));
            None
        }
    }
}

fn certificates(value: &Value<'_>, pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(certificates) if !certificates.is_empty() => Some(certificates),
        _ => {
            let mistake = value.mistake("there is no certificate in this file");
            value.source.report(mistake.label("a PEM file with one CERTIFICATE or more is needed"));
            None
        }
    }
}

/// Certificates that can be trusted: what is accepted here will be accepted by every probe.
fn trusted(value: &Value<'_>, pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let certificates = certificates(value, pem)?;
    let mut store = RootCertStore::empty();
    for certificate in &certificates {
        if store.add(certificate.clone()).is_err() {
            let mistake = value.mistake("a certificate in this file cannot be read");
            value.source.report(mistake.label("is the file complete?"));
            return None;
        }
    }
    Some(certificates)
}
