//! What was announced, and what of it is not over.

use crate::{
    domain::time::UnixMs,
    routing::AlertKind,
    store::{Reader, Result},
};
use std::collections::{BTreeMap, HashSet};

/// What the id of an end has after that of its beginning.
const OVER: &str = "-over";

/// What was announced, by its event ids: as the history has it, and what was announced since.
#[derive(Debug)]
pub(super) struct Ledger {
    /// The id of the history, with which every event id begins.
    history: String,
    announced: HashSet<String>,
    /// The beginnings without an end, and when they were announced.
    open: BTreeMap<String, UnixMs>,
}

impl Ledger {
    pub(super) fn read(reader: &Reader, history: String) -> Result<Ledger> {
        let all = reader.announced()?;
        let announced: HashSet<String> = all.iter().map(|(event_id, _)| event_id.clone()).collect();
        let is_over = |event_id: &str| announced.contains(&format!("{event_id}{OVER}"));
        let is_open = |event_id: &str| {
            let whole = event_id.rsplit_once('-').map_or("", |(whole, _)| whole);
            !event_id.ends_with(OVER) && !is_over(event_id) && !is_over(whole)
        };
        let open = all.iter().filter(|(event_id, _)| is_open(event_id)).cloned().collect();
        Ok(Ledger { history, announced, open })
    }

    /// The id of an event of a kind; `facts` are those that it follows from.
    pub(super) fn id(&self, kind: AlertKind, facts: &str) -> String {
        format!("{}-{}-{facts}", self.history, kind.as_str())
    }

    /// The id of the end of what began with this event, or of all whose ids begin so.
    pub(super) fn end_of(event_id: &str) -> String {
        format!("{event_id}{OVER}")
    }

    pub(super) fn has(&self, event_id: &str) -> bool {
        self.announced.contains(event_id)
    }

    /// The events of a kind that are not over: their ids, the facts in them that begin with `facts`, and when they were
    /// announced.
    pub(super) fn open(&self, kind: AlertKind, facts: &str) -> Vec<(String, String, UnixMs)> {
        let stem = self.id(kind, "");
        let first = self.id(kind, facts);
        let begins = |(event_id, _): &(&String, &UnixMs)| event_id.starts_with(&first);
        let open = self.open.range(first.clone()..).take_while(begins);
        open.map(|(event_id, at)| (event_id.clone(), event_id[stem.len()..].to_owned(), *at)).collect()
    }

    /// Whether something of a kind is not over whose facts begin so.
    pub(super) fn is_open(&self, kind: AlertKind, facts: &str) -> bool {
        let first = self.id(kind, facts);
        self.open.range(first.clone()..).next().is_some_and(|(event_id, _)| event_id.starts_with(&first))
    }

    /// Notes what is announced now.
    pub(super) fn note(&mut self, event_id: &str, at: UnixMs) {
        match event_id.strip_suffix(OVER) {
            Some(begun) => {
                self.open.remove(begun);
                let step = format!("{begun}-");
                self.open.retain(|event_id, _| !event_id.starts_with(&step));
            }
            None => {
                self.open.insert(event_id.to_owned(), at);
            }
        }
        self.announced.insert(event_id.to_owned());
    }
}
