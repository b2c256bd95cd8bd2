//! The history: one SQLite file, one writer, a read-only pool. All SQL is here, and no signature shows it.
//!
//! | floor | what is in it |
//! | --- | --- |
//! | `scrub` | reads the whole file over and over, beside the running service |
//! | `writer` | services enter and resume; results are taken in, gathered and committed |
//! | `procedures` | what is done to a whole history: mend, import, retain, forget, mark, back up |
//! | `questions` | the queries on a history, each in one transaction: functions of [`Reader`] |
//! | `reader` | the read-only pool of connections |
//! | `seam` | what the history room reads of the tables: one function for each query, which shows its caller no SQL |
//! | `tables` | a file for each table: named functions, their SQL beside them |
//! | `connection` | the writing connection |
//! | `rows` | check results: where they lie, and the one way to walk over them |
//! | `disk` | the file: where it lies, who may have it, what is beside it, how it is opened |
//! | `error` | what can go wrong |

mod connection;
mod disk;
mod error;
mod procedures;
mod questions;
mod reader;
mod rows;
mod scrub;
mod seam;
mod tables;
mod writer;

pub use self::disk::files::{make_file, make_folder, part, refuse_own, set_mode, settle_modes};
pub use self::disk::integrity::Damage;
pub use self::error::{Result, StoreError};
pub(crate) use self::procedures::mend::Fix;
pub use self::procedures::{
    backup::{Copied, Restored, Verified, backup, begin_anew, restore, set_damaged_aside, verify},
    maintenance_marks::{MaintenanceMarker, Mark},
    maintenance_tasks::{Examiner, MaintenanceTasks, Retiring, ServiceUsage, Space, Unsealed},
    merge::{Merge, Merged},
    retention::{Expired, RetentionPolicy},
};
pub use self::questions::{
    export_records::{Beyond, CheckRow, Head, OutageRecord, ServiceHead, SettingHead, SumRecord, SumSize},
    services::SettingChange,
};
pub use self::reader::Reader;
pub(crate) use self::rows::{Columns, Outcomes, Walk, sealing::Fault as SealedFault};
pub use self::scrub::{Scrub, ScrubState};
pub(crate) use self::seam::Tables;
pub use self::tables::{
    channels::ChannelHealth,
    diagnoses::DiagnosisRecord,
    maintenance::{Maintenance, Source},
    notes::IncidentNote,
    outages::{Cursor, Lasted, OutageFilter, OutageKind},
    outbox::{About, Attempt, DueEvent, Event, IncidentEvent, SentMessage, Trigger},
    responses::{ResponseRecords, SilencedBy, SilencedIncident, SilencedRecord},
    runs::{Interruption, Run, RunHead},
    services::StoredService,
    settings::Setting,
};
pub(crate) use self::tables::{
    kept::{RetainedFrom, may_have_gone},
    maintenance::Which,
    outages::derived::StoredOutage,
    reasons::Reasons,
    rollups::{Latency, Size},
    runs::Cause,
    settings::Settings,
};
pub use self::writer::{
    alarms::Alarm,
    backfill::Backfill,
    commit::Announce,
    enter::Configured,
    handle::{Stopping, Writer, WriterFigures},
    open::{ResumePoint, Store, WatchedService},
    recipients::{is_looked_at, is_told_elsewhere},
    respond::{Incident, Quiet, Response, Responses, Tell},
    track::Record,
};
