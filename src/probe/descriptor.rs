//! What the configuration and its messages know of a kind of probe, and what its section is read with.
//!
//! Nothing here names a kind: the registry (`kind`) lists them.

use crate::{
    domain::{secret::Secret, service::Kind},
    settings::{reader::Table, text::Text, url_variables},
};
use serde_json::{Map, Value as Json};

/// A kind of probe, described once. Help, suggestions and messages are made of it.
#[derive(Debug)]
pub(crate) struct Descriptor {
    /// Its name in the configuration (`type = "…"`), the API and the database.
    pub(crate) kind: Kind,
    /// "a" or "an", before its name.
    pub(crate) article: &'static str,
    /// What people write for its name. Not accepted, but understood.
    pub(crate) aliases: &'static [&'static str],
    /// The schemes of its URLs. A URL gives the kind, and needs no `type` beside it.
    pub(crate) schemes: &'static [&'static str],
    /// Other spellings of its schemes: accepted, but not named in messages.
    pub(crate) scheme_aliases: &'static [&'static str],
    /// Whether its `url` may be an address without a scheme, where `type` is given.
    pub(crate) scheme_is_optional: bool,
    /// A `url` of this kind, for messages.
    pub(crate) url_example: &'static str,
    /// The key that gives the kind where there is no `type`, and that replaces a `url`.
    pub(crate) own_key: Option<&'static str>,
    /// Keys that may replace a `url`, beside a `type`.
    pub(crate) instead_of_url: &'static [&'static str],
    /// The keys of its section that not every kind has.
    pub(crate) keys: &'static [&'static str],
    /// The keys of the tables in its section.
    pub(crate) inner_keys: &'static [&'static str],
    /// The keys whose values are sent, and often have credentials in them.
    pub(crate) sent_keys: &'static [&'static str],
    /// Whether what it runs gets the environment of this process, and the credentials in it.
    pub(crate) inherits_environment: bool,
}

impl Descriptor {
    /// What a kind has that says nothing else. A constant of a kind begins with it.
    pub(crate) const NONE: Descriptor = Descriptor {
        kind: Kind::Command,
        article: "a",
        aliases: &[],
        schemes: &[],
        scheme_aliases: &[],
        scheme_is_optional: false,
        url_example: "",
        own_key: None,
        instead_of_url: &[],
        keys: &[],
        inner_keys: &[],
        sent_keys: &[],
        inherits_environment: false,
    };

    pub(crate) fn name(&self) -> &'static str {
        self.kind.as_str()
    }

    fn has_scheme(&self, scheme: &str) -> bool {
        self.schemes.iter().chain(self.scheme_aliases).any(|known| known.eq_ignore_ascii_case(scheme))
    }
}

/// Descriptors of kinds, in the order in which messages name them.
#[derive(Clone, Copy)]
pub(crate) struct Kinds(pub(super) &'static [&'static Descriptor]);

impl Kinds {
    pub(crate) fn iter(self) -> impl Iterator<Item = &'static Descriptor> {
        self.0.iter().copied()
    }

    /// The kind that URLs of this scheme give.
    pub(crate) fn of_scheme(self, scheme: &str) -> Option<&'static Descriptor> {
        self.iter().find(|kind| kind.has_scheme(scheme))
    }
}

/// The section of one endpoint, as its kind reads it.
pub(crate) struct Section<'a> {
    pub(super) table: &'a Table<'a>,
    pub(super) own: &'static Descriptor,
    pub(super) kinds: Kinds,
}

impl Section<'_> {
    /// The endpoint's `url`, if its scheme fits the kind. Anything else is reported.
    pub(super) fn url(&self) -> Option<Text> {
        let example = || format!("as `{}`", self.own.url_example);
        let Some(value) = self.table.get("url") else {
            self.table.missing("url", &example());
            return None;
        };
        let text = value.filled()?;
        let scheme = text.value.split_once("://").map(|(scheme, _)| scheme);
        if scheme.map_or(self.own.scheme_is_optional, |scheme| self.own.has_scheme(scheme)) {
            return Some(url_variables::literal(text));
        }
        let title = format!("this URL does not fit the type {}", self.own.name());
        let mistake = value.mistake(title).label(example());
        self.table.source.report(match scheme.and_then(|scheme| self.kinds.of_scheme(scheme)) {
            Some(other) => mistake.help(format!("for this URL, write type = \"{}\"", other.name())),
            None => mistake,
        });
        None
    }
}

/// What a kind makes of its section.
pub(crate) struct ParsedEndpoint<Spec> {
    pub(crate) probe: Spec,
    /// What is watched, without credentials.
    pub(crate) target: String,
    pub(crate) secrets: Vec<Secret>,
    /// Its keys as the API shows them.
    pub(crate) shown: Map<String, Json>,
}
