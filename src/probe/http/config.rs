//! `type = "http"`.

use super::{
    auth,
    request::{OF_A_REQUEST, Request},
    resolve, route,
    spec::{Auth, HttpSpec, StatusSet},
    steps::Steps,
};
use crate::{
    domain::{secret::REDACTED, service::Kind},
    probe::descriptor::{Descriptor, ParsedEndpoint, Section},
    settings::{nearest, network, reader::Table, tls, weburl},
};
use reqwest::Method;
use serde_json::{Map, json};

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
        "steps",
    ],
    inner_keys: &[
        "keep",
        "always",
        "regex",
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
    let request = Request::read(table);
    let resolve = resolve::read(table);
    let (mut way, mut of_way) = (Map::new(), Vec::new());
    let auth = auth::read(table, &url, &request.headers, &mut of_way, &mut way);
    let (proxy, of_proxy) = route::proxy(table, &mut way);
    of_way.extend(of_proxy);
    let http_version = route::http_version(table, &mut way);
    let tls = tls::read(table);
    let ip_version = network::ip_version(table);
    let max_redirects = table.integer("max_redirects", 0..=10).and_then(|n| usize::try_from(n).ok()).unwrap_or(10);
    let forbid_redirects = forbid_redirects(table);
    let steps = table.get("steps").map(|value| Steps::read(table, &value));

    let (url, _) = url?;
    let mut secrets = url.secrets.clone();
    secrets.extend(request.secrets());
    secrets.extend(of_way);
    match &auth {
        Some(Auth::Basic { password: secret, .. }) | Some(Auth::Bearer(secret)) => secrets.push(secret.clone()),
        Some(Auth::OAuth2(oauth2)) => secrets.push(oauth2.client_secret.clone()),
        None => {}
    }
    let mut shown = Map::new();
    shown.insert("url".to_owned(), json!(url.target));
    request.show(&mut shown);
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
    let mut spec = HttpSpec {
        url: url.url,
        method: Method::GET,
        headers: Vec::new(),
        body: None,
        expect_status: StatusSet(Vec::new()),
        expect_body: None,
        expect_body_regex: None,
        expect_json: Vec::new(),
        expect: Vec::new(),
        degraded: Vec::new(),
        auth,
        tls: tls.spec,
        ip_version,
        allow_metadata,
        resolve,
        proxy,
        http_version,
        max_redirects,
        forbid_redirects,
        steps: Vec::new(),
    };
    request.put_into(&mut spec);
    if let Some(steps) = steps {
        for key in OF_A_REQUEST {
            shown.shift_remove(key);
        }
        let (steps, of_steps, steps_shown) = steps.onto(table, &spec);
        spec.steps = steps;
        secrets.extend(of_steps);
        shown.insert("steps".to_owned(), steps_shown);
    }
    Some(ParsedEndpoint { probe: spec, target: url.target, secrets, shown })
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
