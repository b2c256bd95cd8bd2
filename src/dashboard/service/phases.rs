//! Where the time of a service's checks goes: its phases over the range, as a chart, in words and as a table.

use crate::{
    chart::{PHASES, PhaseChart, phase_times},
    domain::{
        check::PhaseMedians,
        time::{DAY_MS, UnixMs},
        window::Window,
    },
    format::{self, zone::Zone},
    store::{Reader, StoreError},
};
use serde::Serialize;

/// Columns of the chart, and checks that are looked at for each.
const COLUMNS: i64 = 56;
const SAMPLE: u32 = 400;

#[derive(Serialize)]
pub(super) struct PhasesShown {
    chart: PhaseChart,
    step: String,
    said: String,
    /// The phases that happened: number from 1, and name.
    seen: Vec<(usize, &'static str)>,
    /// A row a column of the chart, newest first.
    table: Vec<(String, Vec<String>)>,
}

impl PhasesShown {
    /// The phases of a range; `None` where there are none to distinguish. This call blocks.
    pub(super) fn read(
        reader: &Reader,
        id: crate::live::ServiceId,
        window: Window,
        zone: Zone,
        now: UnixMs,
    ) -> Result<Option<PhasesShown>, StoreError> {
        let column_ms = (window.length_ms() / COLUMNS).max(1);
        let columns = reader.phases(id, window, column_ms, SAMPLE)?;
        let Some(chart) = PhaseChart::new(window, &columns, zone) else { return Ok(None) };
        let happened = |i: usize| columns.iter().any(|(_, m)| phase_times(m)[i].is_some());
        let seen: Vec<(usize, &str)> = (0..PHASES.len()).filter(|i| happened(*i)).map(|i| (i + 1, PHASES[i])).collect();
        let row = |(column, medians): &(Window, PhaseMedians)| {
            let times = phase_times(medians);
            let began = match column_ms {
                DAY_MS.. => zone.day(column.from(), now),
                _ => zone.dated(column.from(), now).text,
            };
            (began, seen.iter().map(|(number, _)| time(times[number - 1])).collect())
        };
        Ok(Some(PhasesShown {
            step: format!("Median of each phase, {} a column.", format::duration(column_ms)),
            said: said(&columns),
            table: columns.iter().rev().map(row).collect(),
            chart,
            seen,
        }))
    }
}

fn time(us: Option<u32>) -> String {
    us.map_or("–".to_owned(), |us| format::response_time(f64::from(us)))
}

/// What the phases took at the beginning of the range, and what at its end.
fn said(columns: &[(Window, PhaseMedians)]) -> String {
    let (Some((_, first)), Some((_, last))) = (columns.first(), columns.last()) else { return String::new() };
    let both = phase_times(first).into_iter().zip(phase_times(last));
    let said = PHASES.into_iter().zip(both).filter_map(|(word, (before, after))| {
        let time = |us: Option<u32>| us.map_or("nothing".to_owned(), |us| time(Some(us)));
        (before.is_some() || after.is_some()).then(|| format!("{word} {} and {}", time(before), time(after)))
    });
    format!("At the beginning and at the end of the range: {}.", said.collect::<Vec<_>>().join(", "))
}
