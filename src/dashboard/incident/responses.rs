//! What people did about the alerts of an incident.

use crate::{
    domain::{incident::Outage, time::UnixMs},
    format::zone::{Moment, Zone},
    http::state::AppState,
    store::{SilencedBy, StoreError, StoredService},
};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Responded {
    at: Moment,
    text: String,
}

/// Acknowledgements and silences of an incident until `now`, oldest first.
pub(super) fn responses(
    app: &AppState,
    service: &StoredService,
    outage: &Outage,
    zone: Zone,
    now: UnixMs,
) -> Result<Vec<Responded>, StoreError> {
    let mut all: Vec<(UnixMs, String)> = Vec::new();
    for one in app.reader.silenced(service.id, outage.started_at)? {
        let (text, over) = match &one.why {
            SilencedBy::Silence(silence) => {
                let why = silence.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
                let (until, what) = (zone.dated(silence.until, now).text, silence.silenced.words());
                let text = format!("silenced by {} ({what}) until {until}{why}", silence.author);
                (text, "the silence had ended".to_owned())
            }
            SilencedBy::Flapping => {
                let text = "told only to channels that are not told that the service flaps";
                (text.to_owned(), "the service did not flap any more".to_owned())
            }
            SilencedBy::Dependency(name) => (
                format!("not told: {name}, which it depends on, had failed too"),
                format!("{name} did not fail any more"),
            ),
        };
        all.push((outage.confirmed_at.unwrap_or(outage.started_at), text));
        if let Some(told_at) = one.told_at {
            all.push((told_at, format!("told, because {over}")));
        }
    }
    for one in app.reader.acknowledgements(service.id, outage.started_at)? {
        let why = one.note.as_ref().map_or(String::new(), |note| format!(": {note}"));
        let text = match one.until {
            Some(until) if until <= one.at => format!("acknowledgement taken back by {}", one.author),
            Some(until) => format!("acknowledged by {} until {}{why}", one.author, zone.dated(until, now).text),
            None => format!("acknowledged by {}{why}", one.author),
        };
        all.push((one.at, text));
    }
    all.retain(|(at, _)| *at <= now);
    all.sort_by_key(|(at, _)| *at);
    Ok(all.into_iter().map(|(at, text)| Responded { at: zone.dated(at, now), text }).collect())
}
