//! `type = "http"`.

use super::{
    auth, expect,
    names::{NAMES, OF_THE_BODY},
    payload, resolve, route,
    spec::{Auth, HttpSpec},
};
use crate::{
    domain::{
        secret::{REDACTED, Secret},
        service::Kind,
    },
    probe::{
        conditions::{Condition, section},
        descriptor::{Descriptor, ParsedEndpoint, Section},
    },
    settings::{
        error::Mistake,
        masking::{credentials_in_whole, names_a_credential},
        nearest, network,
        reader::Table,
        text::Text,
        tls, weburl,
    },
};
use reqwest::{
    Method,
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
};
use serde_json::{Map, Value as Json, json};

/// What the configuration and its messages know of this kind.
pub(crate) const DESCRIPTOR: Descriptor = Descriptor {
    kind: Kind::Http,
    article: "an",
    aliases: &["https", "url", "web"],
    schemes: &["http", "https"],
    url_example: "http://api:8000/health",
    keys: &[
        "url",
        "ip_version",
        "allow_metadata",
        "resolve",
        "tls",
        "method",
        "headers",
        "body",
        "form",
        "multipart",
        "expect_status",
        "expect_body",
        "expect_body_regex",
        "expect_json",
        "expect",
        "degraded",
        "basic_auth",
        "bearer_token",
        "oauth2",
        "proxy",
        "no_proxy",
        "http_version",
        "redirects",
        "max_redirects",
    ],
    inner_keys: &[
        "path",
        "value",
        "user",
        "password",
        "filename",
        "content_type",
        "content",
        "token_url",
        "client_id",
        "client_secret",
        "scope",
        "audience",
        "style",
    ],
    sent_keys: &["headers", "body", "form", "multipart", "content"],
    ..Descriptor::NONE
};

pub(crate) fn read(section: &Section<'_>) -> Option<ParsedEndpoint<HttpSpec>> {
    let table = section.table;
    let url = section.url().and_then(|text| weburl::read(table, &text).map(|url| (url, text.span)));
    let method = method(table);
    let headers = headers(table);
    let payload = payload::read(table);
    let resolve = resolve::read(table);
    let (conditions, mut of_conditions) = section::read(table, "expect", NAMES);
    let (degraded, of_degraded) = section::read(table, "degraded", NAMES);
    of_conditions.extend(of_degraded);
    let expect_status = expect::status(table, &conditions);
    let expect_body = table.filled("expect_body");
    let expect_body_regex = expect::body_regex(table);
    let expect_json = expect::json(table);
    let (mut way, mut of_way) = (Map::new(), Vec::new());
    let auth = auth::read(table, &url, &headers, &mut of_way, &mut way);
    let (proxy, of_proxy) = route::proxy(table, &mut way);
    of_way.extend(of_proxy);
    let http_version = route::http_version(table, &mut way);
    let tls = tls::read(table);
    let ip_version = network::ip_version(table);
    let max_redirects = table.integer("max_redirects", 0..=10).and_then(|n| usize::try_from(n).ok()).unwrap_or(10);
    let forbid_redirects = forbid_redirects(table);
    if method == Some(Method::HEAD) {
        let needs_body = |conditions: &[Condition]| {
            conditions.iter().any(|condition| OF_THE_BODY.into_iter().any(|name| condition.names(name)))
        };
        for (key, needs_body) in [
            ("expect_body", true),
            ("expect_body_regex", true),
            ("expect_json", true),
            ("expect", needs_body(&conditions)),
            ("degraded", needs_body(&degraded)),
        ] {
            if let Some(value) = table.peek(key).filter(|_| needs_body) {
                let mistake = Mistake::at(value.key, format!("`{key}` cannot hold with the method HEAD"));
                table.source.report(mistake.label("an answer to HEAD has no body"));
            }
        }
    }

    let (url, _) = url?;
    let mut secrets = url.secrets.clone();
    // What is expected is quoted where it is missing.
    let expected = expect_body.iter().chain(expect_body_regex.iter().map(|(_, text)| text));
    secrets.extend(expected.flat_map(Text::secrets));
    secrets.extend(payload.secrets.iter().cloned());
    secrets.extend(expect_json.iter().flat_map(|(expectation, shown)| expect::json_secrets(expectation, shown)));
    secrets.extend(of_conditions);
    secrets.extend(of_way);
    for (name, text) in &headers {
        if is_guarded(name, text) {
            secrets.push(Secret::new(&text.value));
            // An echo of `Bearer …` may come without the first word.
            secrets.extend(text.value.split_once(' ').map(|(_, token)| Secret::new(token.trim())));
        }
    }
    secrets.extend(headers.iter().flat_map(|(_, text)| text.secrets()));
    match &auth {
        Some(Auth::Basic { password: secret, .. }) | Some(Auth::Bearer(secret)) => secrets.push(secret.clone()),
        Some(Auth::OAuth2(oauth2)) => secrets.push(oauth2.client_secret.clone()),
        None => {}
    }
    let method = method.unwrap_or(if payload.is_form() { Method::POST } else { Method::GET });
    let mut shown = Map::new();
    shown.insert("url".to_owned(), json!(url.target));
    shown.insert("method".to_owned(), json!(method.as_str()));
    shown.insert("headers".to_owned(), headers_shown(&headers));
    shown.insert("body".to_owned(), Json::Null);
    shown.extend(payload.shown);
    shown.insert("expect_status".to_owned(), expect::status_shown(&expect_status));
    shown.insert("expect_body".to_owned(), json!(expect_body.as_ref().map(Text::shown)));
    shown.insert("expect_body_regex".to_owned(), json!(expect_body_regex.as_ref().map(|(_, text)| text.shown())));
    shown.insert("expect_json".to_owned(), expect::json_shown(&expect_json));
    shown.insert("expect".to_owned(), section::shown(&conditions));
    shown.insert("degraded".to_owned(), section::shown(&degraded));
    match &auth {
        Some(Auth::Basic { user, .. }) => {
            shown.insert("basic_auth".to_owned(), json!({ "user": user, "password": REDACTED }));
        }
        Some(Auth::Bearer(_)) => {
            shown.insert("bearer_token".to_owned(), json!(REDACTED));
        }
        Some(Auth::OAuth2(_)) | None => {}
    }
    shown.extend(way);
    shown.insert("tls".to_owned(), tls.shown);
    shown.insert("ip_version".to_owned(), network::ip_version_shown(ip_version));
    let allow_metadata = network::allow_metadata(table, &mut shown);
    if !resolve.is_empty() {
        shown.insert("resolve".to_owned(), resolve::shown(&resolve));
    }
    shown.insert("redirects".to_owned(), json!(if forbid_redirects { "forbid" } else { "follow" }));
    shown.insert("max_redirects".to_owned(), json!(max_redirects));
    let mut sent: Vec<_> = headers.into_iter().map(|(name, text)| (name, Secret::new(text.value))).collect();
    if let Some(content_type) = payload.content_type.filter(|_| !sent.iter().any(|(name, _)| name == CONTENT_TYPE)) {
        sent.push((CONTENT_TYPE, Secret::new(content_type)));
    }
    let spec = HttpSpec {
        url: url.url,
        method,
        headers: sent,
        body: payload.body,
        expect_status,
        expect_body: expect_body.map(|text| text.value),
        expect_body_regex: expect_body_regex.map(|(regex, _)| regex),
        expect_json: expect_json.into_iter().map(|(expectation, _)| expectation).collect(),
        expect: conditions,
        degraded,
        auth,
        tls: tls.spec,
        ip_version,
        allow_metadata,
        resolve,
        proxy,
        http_version,
        max_redirects,
        forbid_redirects,
    };
    Some(ParsedEndpoint { probe: spec, target: url.target, secrets, shown })
}

fn method(table: &Table<'_>) -> Option<Method> {
    const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];
    let value = table.get("method")?;
    let text = value.filled()?;
    let word = text.value.to_uppercase();
    if METHODS.contains(&word.as_str()) {
        return Method::from_bytes(word.as_bytes()).ok();
    }
    let lower = METHODS.map(str::to_lowercase);
    let label = match nearest(&word, lower.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean \"{}\"?", meant.to_uppercase()),
        None => format!("one of {}", METHODS.join(", ")),
    };
    table.source.report(value.mistake(format!("unknown method {}", text.quoted())).label(label));
    None
}

/// `redirects = "forbid"`.
fn forbid_redirects(table: &Table<'_>) -> bool {
    const WORDS: [&str; 2] = ["follow", "forbid"];
    let Some(value) = table.get("redirects") else { return false };
    let Some(text) = value.filled() else { return false };
    let forbidden = text.value == "forbid";
    if !WORDS.contains(&text.value.as_str()) {
        let label = match nearest(&text.value, WORDS) {
            Some(meant) => format!("did you mean \"{meant}\"?"),
            None => "\"follow\" or \"forbid\"".to_owned(),
        };
        let mistake = value.mistake(format!("{} is not what is done with redirects", text.quoted())).label(label);
        table.source.report(mistake.help("to take a redirect itself for the answer, set `max_redirects = 0`"));
    } else if forbidden && let Some(other) = table.peek("max_redirects") {
        table.both(("`redirects = \"forbid\"`", &value.span), ("`max_redirects`", &other.key), "none is followed");
    }
    forbidden
}

fn headers(table: &Table<'_>) -> Vec<(HeaderName, Text)> {
    let mut headers: Vec<(HeaderName, Text)> = Vec::new();
    for (key, value) in table.table("headers").map(|headers| headers.all()).unwrap_or_default() {
        let Some(text) = value.string() else { continue };
        let Ok(name) = HeaderName::from_bytes(key.as_bytes()) else {
            let mistake = Mistake::at(value.key, format!("{} cannot be the name of a header", value.what));
            table.source.report(mistake.label("letters, digits and `-`"));
            continue;
        };
        if HeaderValue::from_str(&text.value).is_err() {
            let mistake = value.mistake(format!("the header {} cannot have this value", value.what));
            table.source.report(mistake.label("printable ASCII characters only, and no line breaks"));
        } else if headers.iter().any(|(other, _)| *other == name) {
            let mistake = Mistake::at(value.key, format!("the header {} is given twice", value.what));
            table.source.report(mistake.label("names of headers are the same in upper and lower case"));
        } else {
            headers.push((name, text));
        }
    }
    headers
}

/// Whether a header's value is a credential: by its name, or because it came from the environment.
fn is_guarded(name: &HeaderName, text: &Text) -> bool {
    names_a_credential(name.as_str()) || text.is_guarded()
}

fn headers_shown(headers: &[(HeaderName, Text)]) -> Json {
    let shown = |(name, text): &(HeaderName, Text)| {
        let hidden = is_guarded(name, text) || !credentials_in_whole(&text.value).is_empty();
        (name.to_string(), if hidden { json!(REDACTED) } else { json!(text.value) })
    };
    if headers.is_empty() { Json::Null } else { Json::Object(headers.iter().map(shown).collect()) }
}
