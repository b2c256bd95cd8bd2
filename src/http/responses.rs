//! What people do about alerts, for the interface and the pages: acknowledge an incident, silence what is expected.

use super::{
    changes::{self, Refused},
    state::AppState,
};
use crate::{
    domain::{
        incident::Outage,
        sanitize::one_line,
        time::{DAY_MS, UnixMs},
    },
    routing::{Acknowledgement, LONGEST_AUTHOR, LONGEST_DAYS, Silence, Silenced},
    store::{Incident, Response},
};
use ring::rand::{SecureRandom, SystemRandom};

/// Characters of a reason or a note, at most.
pub(crate) const LONGEST_REASON: usize = 500;
/// Silences that may be there at once: each is compared with every alert.
const MOST_SILENCES: usize = 1_000;

/// Who says so, and why, as somebody typed it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Statement {
    pub(crate) author: String,
    pub(crate) reason: String,
}

impl Statement {
    fn read(&self, anonymous: &str) -> Result<(String, Option<String>), Refused> {
        let too_long = |what: &str, most| Refused::Text(format!("{what} has more than {most} characters"));
        let (author, reason) = (one_line(self.author.trim(), usize::MAX), self.reason.trim());
        if author.chars().count() > LONGEST_AUTHOR {
            return Err(too_long("the name", LONGEST_AUTHOR));
        }
        if reason.chars().count() > LONGEST_REASON {
            return Err(too_long("the reason", LONGEST_REASON));
        }
        let author = if author.is_empty() { anonymous.to_owned() } else { author };
        Ok((author, (!reason.is_empty()).then(|| one_line(reason, usize::MAX))))
    }
}

/// Acknowledges incidents until a moment (`None`: until each is over), or takes that back where `until` has passed. Returns
/// those that were open. The caller was admitted. `anonymous` is who it was where nobody gives a name.
pub(crate) async fn acknowledge(
    app: &AppState,
    ids: Vec<i64>,
    statement: &Statement,
    until: Option<UnixMs>,
    anonymous: &str,
) -> Result<Vec<Outage>, Refused> {
    let (author, note) = statement.read(anonymous)?;
    let wanted = ids.clone();
    let read = move |app: &AppState| wanted.into_iter().map(|id| app.reader.outage(id)).collect::<Result<Vec<_>, _>>();
    let found = app.ask(read).await.map_err(changes::unread)?;
    let incidents: Vec<Outage> = found.into_iter().flatten().filter(Outage::is_incident).collect();
    if incidents.is_empty() {
        return Err(Refused::Missing);
    }
    let open: Vec<Outage> = incidents.into_iter().filter(|outage| outage.ended_at.is_none()).collect();
    let at = app.clock.now();
    let of_it = |outage: &Outage| Some((app.live.get(&outage.service)?.id, outage.started_at));
    let incidents: Vec<Incident> = open.iter().filter_map(of_it).collect();
    if !incidents.is_empty() {
        let acknowledgement = Acknowledgement { at, until, author: author.clone(), note };
        let response = Response::Acknowledge { incidents, acknowledgement };
        changes::committed(app, "the acknowledgement", app.writer.respond(response)).await?;
    }
    let what = if until.is_some_and(|until| until <= at) { "acknowledgement taken back" } else { "acknowledged" };
    for outage in &open {
        tracing::info!(incident = outage.id, service = outage.service, author, "{what}");
    }
    Ok(open)
}

/// Silences alerts from a moment until another. The caller was admitted.
pub(crate) async fn silence(
    app: &AppState,
    silenced: Silenced,
    (from, until): (UnixMs, UnixMs),
    statement: &Statement,
    anonymous: &str,
) -> Result<Silence, Refused> {
    let (author, reason) = statement.read(anonymous)?;
    if let Some(mistake) = silenced.mistake() {
        return Err(Refused::Text(mistake));
    }
    let now = app.clock.now();
    if until <= from.max(now) {
        return Err(Refused::Text("the silence ends before it begins, or is over already".to_owned()));
    }
    if until.since(from.max(now)) > LONGEST_DAYS * DAY_MS {
        return Err(Refused::Text(format!(
            "a silence lasts {LONGEST_DAYS} days at most: one that is forgotten must end"
        )));
    }
    if app.writer.responses().silences(now).len() >= MOST_SILENCES {
        return Err(Refused::Text(format!("there are {MOST_SILENCES} silences already: end some, or use `*`")));
    }
    let silence = Silence { id: random_id()?, silenced, created_at: now, from, until, author, reason };
    changes::committed(app, "the silence", app.writer.respond(Response::Silence(silence.clone()))).await?;
    let (author, what) = (&silence.author, silence.silenced.words());
    tracing::info!(silence = silence.id, author, what, until = %silence.until, "alerts silenced");
    Ok(silence)
}

/// Ends a silence now. The caller was admitted.
pub(crate) async fn end_silence(app: &AppState, id: &str) -> Result<Silence, Refused> {
    let now = app.clock.now();
    let silences = app.writer.responses().silences(now);
    let silence = silences.iter().find(|silence| silence.id == id).ok_or(Refused::Missing)?;
    let ended = Silence { until: now, ..silence.as_ref().clone() };
    changes::committed(app, "its end", app.writer.respond(Response::Silence(ended.clone()))).await?;
    tracing::info!(silence = ended.id, "silence ended");
    Ok(ended)
}

/// Sixteen hexadecimal digits that nobody has used.
fn random_id() -> Result<String, Refused> {
    let mut bytes = [0; 8];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| Refused::Later("the system has no random numbers right now".to_owned()))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
