//! `basic_auth`, `bearer_token`, `oauth2`: who we are to the service.

use super::spec::{Auth, OAuth2};
use crate::{
    domain::secret::{REDACTED, Secret},
    settings::{
        error::{Mistake, Span},
        reader::Table,
        text::Text,
        weburl::{self, WebUrl},
    },
};
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::{Map, Value as Json, json};

/// The one way of authentication. More than one is a mistake.
pub(super) fn read(
    table: &Table<'_>,
    url: &Option<(WebUrl, Span)>,
    headers: &[(HeaderName, Text)],
    secrets: &mut Vec<Secret>,
    shown: &mut Map<String, Json>,
) -> Option<Auth> {
    let mut ways: Vec<(&str, Span, Option<Auth>)> = Vec::new();
    if let Some(value) = table.get("basic_auth") {
        let auth = value.table().and_then(|table| {
            let (user, password) = (table.string("user"), table.string("password"));
            for key in ["user", "password"] {
                if table.peek(key).is_none() {
                    table.missing(key, "as `{ user = \"…\", password = \"…\" }`");
                }
            }
            table.finish(|_| None);
            Some(Auth::Basic { user: user?.value, password: Secret::new(password?.value) })
        });
        ways.push(("`basic_auth`", value.key, auth));
    }
    if let Some(value) = table.get("bearer_token") {
        let token = value.filled().filter(|text| {
            let valid = HeaderValue::from_str(&format!("Bearer {}", text.value)).is_ok();
            if !valid {
                let mistake = value.mistake("`bearer_token` cannot go into a header");
                table.source.report(mistake.label("printable ASCII characters only, and no line breaks"));
            }
            valid
        });
        ways.push(("`bearer_token`", value.key, token.map(|text| Auth::Bearer(Secret::new(text.value)))));
    }
    if let Some(value) = table.get("oauth2") {
        let auth = value.table().and_then(|table| oauth2(&table, shown));
        ways.push((
            "`oauth2`",
            value.key,
            auth.map(|(auth, of_url)| {
                secrets.extend(of_url);
                Auth::OAuth2(Box::new(auth))
            }),
        ));
    }
    if let Some((url, span)) = url
        && let Some((user, password)) = &url.user_information
    {
        let auth = Auth::Basic { user: user.clone(), password: password.clone() };
        ways.push(("a user in the URL", span.clone(), Some(auth)));
    }
    if let Some((_, text)) = headers.iter().find(|(name, _)| name == reqwest::header::AUTHORIZATION) {
        ways.push(("an Authorization header", text.span.clone(), None));
    }
    if let [first, second, ..] = ways.as_slice() {
        table.both((first.0, &first.1), (second.0, &second.1), "one of them is enough");
    }
    ways.into_iter().next().and_then(|(_, _, auth)| auth)
}

/// `oauth2 = { token_url = "…", client_id = "…", client_secret = "…" }`, and what is secret in the URL.
fn oauth2(table: &Table<'_>, shown: &mut Map<String, Json>) -> Option<(OAuth2, Vec<Secret>)> {
    const STYLES: [&str; 2] = ["basic", "post"];
    let url = table.filled("token_url").and_then(|text| {
        let url = weburl::read(table, &text)?;
        let fits = matches!(url.url.scheme(), "http" | "https") && url.user_information.is_none();
        if !fits {
            let mistake = Mistake::at(text.span, "no tokens come from this URL");
            table.source.report(mistake.label("as `https://login.example.com/token`, without a user"));
        }
        fits.then_some(url)
    });
    let (client_id, client_secret) = (table.filled("client_id"), table.filled("client_secret"));
    let (scope, audience) = (table.filled("scope"), table.filled("audience"));
    let style = table.filled("style");
    if let Some(text) = style.as_ref().filter(|text| !STYLES.contains(&text.value.as_str())) {
        let mistake = Mistake::at(text.span.clone(), format!("{} is no way to send credentials", text.quoted()));
        table.source.report(mistake.label("\"basic\" (in the head, the default) or \"post\" (in the body)"));
    }
    for key in ["token_url", "client_id", "client_secret"] {
        if table.peek(key).is_none() {
            table.missing(key, "as `{ token_url = \"…\", client_id = \"…\", client_secret = \"…\" }`");
        }
    }
    table.finish(|_| None);
    let (url, client_id, client_secret) = (url?, client_id?, client_secret?);
    shown.insert(
        "oauth2".to_owned(),
        json!({
            "token_url": url.target,
            "client_id": client_id.shown(),
            "client_secret": REDACTED,
            "scope": scope.as_ref().map(Text::shown),
            "audience": audience.as_ref().map(Text::shown),
        }),
    );
    let oauth2 = OAuth2 {
        token_url: url.url,
        client_id: client_id.value,
        client_secret: Secret::new(client_secret.value),
        scope: scope.map(|text| text.value),
        audience: audience.map(|text| text.value),
        in_body: style.is_some_and(|text| text.value == "post"),
    };
    Some((oauth2, url.secrets))
}
