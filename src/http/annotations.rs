//! What people write down about an incident.

use super::{
    changes::{self, Refused},
    state::AppState,
};
use crate::domain::incident::{self, Outage};

/// Writes the note of an incident and returns when it is committed; an empty one removes it. The caller was admitted.
pub(crate) async fn write(app: &AppState, id: i64, text: &str) -> Result<(), Refused> {
    let text = incident::note(text).map_err(Refused::Text)?;
    let outage = app.ask(move |app| app.reader.outage(id)).await.map_err(changes::unread)?;
    if !outage.as_ref().is_some_and(Outage::is_incident) {
        return Err(Refused::Missing);
    }
    changes::committed(app, "the note", app.writer.note_incident(id, text)).await
}
