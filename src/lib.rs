//! A health-check service with a memory: it probes services, writes every check result into one SQLite file, and
//! answers for years.
//!
//! # The rooms
//!
//! A room imports only rooms on lower floors; rooms on one floor never import each other. A test reads this table and
//! holds the code to it.
//!
//! | room | floor | what is in it |
//! | --- | --- | --- |
//! | `main` | 12 | arguments, logging, exit code; nothing else |
//! | `cli` | 11 | one file per command |
//! | `init` | 11 | process 1 of a container: passes signals on, reaps child processes |
//! | `demo` | 10 | a demonstration: servers that misbehave on a script, and a plausible past |
//! | `app` | 9 | wiring, and the order of start and stop |
//! | `server` | 8 | router, connections; knows `api` and `dashboard` only to mount them |
//! | `api` | 7 | the JSON interface: one file per resource |
//! | `dashboard` | 7 | the pages, one file or folder each; badges, feed |
//! | `http` | 6 | what handlers share: state, proxy headers, parameters, errors, limits by client |
//! | `report` | 6 | the review of a period, for the page, the interface, the command line and the mail that is sent by itself |
//! | `render` | 5 | templates, assets, the cache of pages, what several pages show |
//! | `scheduler` | 5 | one loop per service: slots, rechecks, witnesses, the watch over our own clocks; `push` waits for what reports by itself |
//! | `alerts` | 5 | the loops that empty the outbox; `watch` announces what is due beside incidents |
//! | `backups` | 5 | the loop that makes backups and removes the oldest |
//! | `config` | 4 | composes the sections: what the file says -> what the program may rely on; every mistake at once, with line and column |
//! | `history` | 4 | algorithms over tables, free of SQL: figures, overview, states of the past, replay, verify, repair; cached statistics |
//! | `interchange` | 4 | JSON forms, export, import |
//! | `store` | 3 | `Writer` (one, group commit) and `Reader` (read-only pool); all SQL; its own floors are in `store/mod.rs` |
//! | `probe` | 3 | one folder per kind: its section of the configuration, its specification, its run; `kind` is the registry |
//! | `notify` | 3 | transports, and one template with metadata per notification service (`services/`) |
//! | `chart` | 3 | charts as pure geometry |
//! | `live` | 2 | what is known now, in memory, as of the last commit |
//! | `format` | 2 | durations, numbers, moments in time zones and Markdown, for people |
//! | `calendar` | 1 | when maintenance is: cron expressions in time zones, and the timetable of a service |
//! | `routing` | 1 | who is notified of what: channels by name, and the routes that lead to them |
//! | `settings` | 1 | what sections of the configuration are read with: typed values, variables, places, suggestions, masking |
//! | `clock` | 1 | what time it is: the only place that may ask |
//! | `threads` | 1 | threads for what blocks: a pool for each purpose, bounded |
//! | `shutdown` | 1 | signals, and a token that everything that loops watches |
//! | `domain` | 0 | the words and the numbers: checks, health (state machine), timeline, uptime, outages; pure |
//!
//! # The path of a check result
//!
//! A loop of the [`scheduler`] wakes in its slot; [`probe::Probe::run`] finds a `Report` by its deadline; it is judged
//! into a `CheckResult`; [`domain::health::Health::observe`] (pure) says what it changes; [`store::Writer::record`] takes
//! both in. The writer gathers what comes within a moment and commits it in one transaction: the row, the outage, the
//! gap before it, hours that are settled by it, the alert in the outbox. After the commit it posts to the
//! [`live::LiveState`], which `/health` and the pages read, and rings for [`alerts`]. While it cannot commit, what waits takes
//! the same step in memory (`store::writer::pending_state`), and the live state shows that, marked.
//!
//! A service that reports by itself has no slots: `api/push` finds it by its token and hands the report to its loop
//! (`scheduler/push`), which makes a result of it, or of its absence, and answers when that is committed.
//!
//! Reading: a handler queries (`http::state::Queries`) [`history::figures`] for a window, with a [`store::Reader`]; that
//! adds up rollups for whole days and hours and rows for the edges into a [`domain::timeline::Tally`];
//! [`domain::uptime::Uptime`] makes the figures of it; the handler renders them.
//!
//! # The seam to another engine
//!
//! [`history`] is written once, above any engine, and names no SQL: it asks `store::Tables` (`store/seam.rs`), which
//! `Reader::read` hands out for the time of one transaction. A second engine would provide what follows. A test looks
//! whether each of these functions exists, and counts them.
//!
//! Of the services (`Tables`):
//!
//! - `services`: every service ever configured, by name
//! - `service`: the one with this number
//! - `service_named`: the one of this name
//! - `certificate_expires_at`: when the certificate ends that was seen last
//! - `settings`: all that a service was ever set to
//! - `kept`: from when on its rows, hours and days are kept
//! - `kept_of_all`: when the first service was added, and from when on the rows of all are kept
//! - `maintenance`: its maintenance that shares time with a window
//! - `maintenance_log`: every window of maintenance, with its reason
//!
//! Of the check results:
//!
//! - `forward`: the rows of a walk (service, window, outcomes, columns), oldest first, until who asks has enough
//! - `backward`: the same, newest first
//! - `first_at`: when the oldest check of a walk started
//! - `last_at`: when the newest did
//! - `reason`: the reason with this number
//! - `slow_reasons`: the numbers of the reasons that say that a check was slow
//!
//! Of sums, outages, gaps, alerts, and the monitor itself:
//!
//! - `rollups`: the sums of hours or days that start in a window
//! - `first_rollup`: the start of the oldest
//! - `next_rollup`: the start of the first one from a moment on
//! - `stored_rollups`: as `rollups`, also those that cannot be read
//! - `last_degraded`: the last settled hour in which a service was degraded
//! - `outages`: those that a filter means, newest first, page by page
//! - `outage`: one of them
//! - `last_outage`: the last one that began before a moment
//! - `last_end`: when the last incident ended that ended before a moment
//! - `neighbours`: the incidents of the same service before and after one
//! - `failed_with`: the outages of other services that began with one
//! - `confirmations`: when the incidents of a window were confirmed
//! - `cause_changes`: the changes of cause of an outage
//! - `notes`: what was written about the incidents of a window
//! - `acknowledgements`: those of an incident
//! - `silenced`: the silences because of which nobody was notified of it
//! - `diagnosis`: what was found out when an outage began
//! - `diagnoses`: the same, as an export has it
//! - `silences`: those that end after a moment
//! - `responses`: what was done about alerts, as an export has it
//! - `excerpt_times`: which checks of a window have the beginning of their answer
//! - `excerpt`: that beginning
//! - `stored_outages`: outages with their reasons as numbers, to be compared with a replay
//! - `outage_changes`: their changes of cause, likewise
//! - `stored_gaps`: the gaps of a service, likewise
//! - `gaps`: the gaps that share time with a window
//! - `run_heads`: the runs of the monitor
//! - `interruptions`: what interrupted the observation
//! - `monitor_runs`: both, as they tell the reason of a gap
//! - `last_run`: the latest run
//! - `pending_events`: what a channel still has to be told
//! - `announced_at`: when something was announced
//! - `open_alerts`: what a channel was told of that is not over
//! - `channels`: how each channel does
//! - `announced`: what was announced beside incidents
//! - `interruptions_after`: what interrupted the observation since one interruption
//!
//! Connections to read with (`Reader`):
//!
//! - `open`: the history, for reading only
//! - `until`: whose questions end when nobody waits for them
//! - `read`: several questions to one moment
//! - `read_one`: one question
//! - `finish`: whether what was answered can be relied on
//! - `id`: which history it is
//!
//! Writing:
//!
//! - `enter`: the configured services, their settings, and where each stands
//! - `commit`: all that was gathered (results, attempts, notes) in one transaction
//! - `note_alive`: the run is alive, or stopped
//! - `mend`: changes to what is derived (`Fix`), in one transaction
//! - `retire`: a piece of what is older than it has to be kept
//! - `overdue`: how much that is
//! - `usage`: what there is of a service
//! - `forget`: a service is gone from every answer
//! - `forget_some`: a piece of its rows goes
//!
//! What else `Tables` has is made of these (`checks`, `newest`, `last_judged`, `observations`, `replay_inputs`,
//! `status_since`, …); it lies in the store because the writer needs it too: sums are settled, gaps get their reasons and
//! services resume where they stood in the transaction of the commit. So do the loop of retention and the marks of
//! maintenance, which change rows and what follows from them in one transaction.
//!
//! Only SQLite has it, and another engine would say what it has instead: files and their modes, `backup`, `restore`,
//! `set_damaged_aside`, `begin_anew`, `Scrub`, the tail, sealed days, `integrity`, `space`, `compact_some`,
//! `prune_reasons` (it walks a copy of the file), and `Merge`, whose records wait in temporary tables until the rows are
//! complete.
//!
//! # What holds
//!
//! - What is counted is what is stored. What is shown as now is ahead of the store only while the store fails, and is
//!   marked (`pending_store`); once it is written the live state says the same, and no event comes twice.
//! - An event that is notified before its commit keeps its id in it, and is noted beside the history first
//!   (`store::writer::ahead`), so that a crash makes nobody be notified twice.
//! - A result moves the state of its service only if there is room to store it, so states and rows never disagree. What
//!   finds no room moves a state of its own, that is shown and notified until something newer is stored.
//! - Rows are the truth; rollups, gaps and outages are functions of them. `verify` proves it on a live history
//!   ([`history::verify`], [`domain::replay`]), and tests compare them with a naive walk.
//! - Handlers write nothing but what people and services say, through the one writer, for whoever has the token: what they
//!   read with are connections that SQLite itself keeps from writing.
//! - Readers take nothing from the record: commits, name lookups, alerts and questions have threads of their own
//!   ([`threads`]); questions are bounded in number, and end when nobody waits for them. What a check waits for us is none
//!   of its service's time.
//! - No client shuts out others: what one may hold is bounded beside what all may ([`http::limits`]), and `/livez`, `/readyz`
//!   and `/health` have places that nothing else can take.
//! - A result lies in one place: in the tail, in `check_result`, or in a sealed day. `store::rows::Walk` is what reads them.
//! - A restart is no transition: every state is rebuilt from rows.
//! - Nothing but `clock` asks what time it is; nothing but `domain` does arithmetic on history.
//! - A credential lives in a [`domain::secret::Secret`], which prints as dots.
//!
//! # Where a thing goes: a new kind of probe
//!
//! Open `probe/memcached`, the smallest kind, and go in this order:
//!
//! 1. One line in `domain/service.rs`: the kind's name, which the history and the API keep.
//! 2. `probe/KIND.rs`, or a folder where it is large: `DESCRIPTOR` (aliases, URL schemes, keys); the specification, which
//!    is what a check has to know; `read`, which reads the section with [`settings`] and gives the specification, the
//!    target without credentials, the secrets, and the settings that the API shows; `impl Runner`, a check. Messages,
//!    suggestions and masking follow from the descriptor.
//! 3. What kinds have in common: `address` (a URL of a host and a port), `login` (the same with a user and a password),
//!    `client` and `connection` (lines and bytes over a bounded connection, by STARTTLS too),
//!    `protocol` (what several kinds say), `tls`, `fault`, `trace`.
//! 4. One line in the registry, `probe/kind.rs`, and one in `probe/mod.rs`. The compiler names whatever is missing.
//! 5. `tests/probes/KIND.rs`, against a real server; a row in the README's table of kinds, and its keys, which a test
//!    compares with the descriptor.
//!
//! # Where a thing goes: the rest
//!
//! - A notification service that takes HTTP: one file in `notify/services`, metadata and the template of the body; a test
//!   writes every notice with it. A transport: one file in `notify`.
//! - A page: a file or folder in `dashboard`, its template in `templates/`, a route in `dashboard/mod.rs`. A resource: a
//!   file in `api`, a route in `api/mod.rs`. What both show of a period: `report`.
//! - A command: a file in `cli`.

pub mod alerts;
pub mod api;
pub mod app;
pub mod backups;
pub mod calendar;
pub mod chart;
pub mod cli;
pub mod clock;
pub mod config;
pub mod dashboard;
pub mod demo;
pub mod domain;
pub mod format;
pub mod history;
pub mod http;
pub mod init;
pub mod interchange;
pub mod live;
pub mod notify;
pub mod probe;
pub mod render;
pub mod report;
pub mod routing;
pub mod scheduler;
pub mod server;
pub mod settings;
pub mod shutdown;
pub mod store;
pub mod threads;
