//! Names of time zones.

use super::{nearest, reader::Value};
use chrono_tz::Tz;

/// The zone, or `None` where what is written is none.
pub(crate) fn zone(value: &Value<'_>) -> Option<Tz> {
    let text = value.filled()?;
    if let Ok(zone) = text.value.trim().parse() {
        return Some(zone);
    }
    let near = nearest_zone(text.value.trim());
    let label =
        near.map_or("a name of the IANA database is needed".to_owned(), |near| format!("did you mean `{near}`?"));
    let mistake = value.mistake(format!("there is no time zone named {}", text.quoted())).label(label);
    value.source.report(mistake.help("as \"Europe/Berlin\", \"America/New_York\" or \"UTC\""));
    None
}

/// Names of zones have capitals, which the nearest word does not care for.
fn nearest_zone(written: &str) -> Option<&'static str> {
    let name = |zone: &'static Tz| zone.name();
    let lower: Vec<String> = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name().to_lowercase()).collect();
    let near = nearest(&written.replace(' ', "_"), lower.iter().map(String::as_str))?;
    // A city says it all.
    let index = lower.iter().position(|zone| zone == near)?;
    chrono_tz::TZ_VARIANTS.get(index).map(name)
}
