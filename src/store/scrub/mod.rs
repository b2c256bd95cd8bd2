//! The loop that reads the whole history again and again, slowly, and reports where it is damaged. Damage in a page
//! that no query reads would else be found when it is too late, after the last backup that is whole has been removed.

mod reading;

use super::{StoreError, Writer};
use crate::{
    clock::Clock,
    domain::time::UnixMs,
    shutdown::Shutdown,
    threads::{Broken, Pool},
};
use reading::{Fault, Piece, Reading};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// After what it takes to read a piece, so many times as long nothing is read: it costs a twentieth of one core at most.
const PAUSES: u32 = 19;
/// A small file is read faster than it would have to be.
const BYTES_PER_SECOND: u64 = 64 << 10;
/// While the history cannot be written, or after it could not be read.
const LATER: Duration = Duration::from_secs(60);
/// What is to be done about damage.
const ADVICE: &str = "Checks go on and are stored. `healthcheck_dashboard verify` says what is affected; stop the service \
                      and `restore` a backup from before";

/// How the reading is going. Its loop is [`Scrub::run`].
#[derive(Default, Debug)]
pub struct Scrub {
    state: Mutex<ScrubState>,
}

/// How the reading is going, now.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ScrubState {
    /// Whether it is done at all.
    pub planned: bool,
    /// When all of it was read last, and found sound.
    pub last: Option<UnixMs>,
    /// Where it is damaged, since this was found and until all of it is sound.
    pub damage: Option<String>,
}

/// What came of a round.
enum Verdict {
    Sound,
    Damaged(String),
    /// The history could not be read to its end; `None`: the reason is reported elsewhere.
    Unknown(Option<String>),
}

/// What a round needs.
struct Doing<'a> {
    path: PathBuf,
    every: Duration,
    writer: &'a Writer,
    thread: Pool,
    /// Open from the first round to the last: the file is the writer's, whatever gets its name.
    reading: Option<Arc<Mutex<Reading>>>,
}

impl Scrub {
    /// How it is going.
    pub fn state(&self) -> ScrubState {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, change: impl FnOnce(&mut ScrubState)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Reads the history at `path` from end to end in `every_ms` milliseconds, or as long as that takes, until shutdown.
    pub async fn run(&self, path: &Path, every_ms: i64, writer: &Writer, clock: Clock, mut shutdown: Shutdown) {
        self.set(|state| state.planned = true);
        let mut doing = Doing {
            path: path.to_owned(),
            every: Duration::from_millis(every_ms.unsigned_abs()),
            writer,
            thread: Pool::new("scrub", 1, 1).giving_way(),
            reading: None,
        };
        let mut unknown = None;
        loop {
            let begun = Instant::now();
            let verdict = tokio::select! {
                biased;
                () = shutdown.requested() => return,
                verdict = doing.round() => verdict,
            };
            let mut pause = doing.every.saturating_sub(begun.elapsed());
            match verdict {
                Verdict::Unknown(why) => {
                    if let Some(said) = &why
                        && unknown != why
                    {
                        tracing::warn!(
                            "the history could not be read to its end in search of damage: {said}; it is tried again"
                        );
                    }
                    unknown = why;
                    pause = LATER;
                }
                Verdict::Sound => {
                    unknown = None;
                    self.sound(writer, clock.now());
                }
                Verdict::Damaged(how) => {
                    unknown = None;
                    self.damaged(how, writer, clock.now());
                }
            }
            tokio::select! {
                biased;
                () = shutdown.requested() => return,
                () = sleep(pause) => {}
            }
        }
    }

    fn sound(&self, writer: &Writer, now: UnixMs) {
        if self.state().damage.is_some() {
            let text = "the history was read from end to end, and is not damaged any more";
            tracing::info!("{text}");
            writer.alarm(true, text.to_owned(), now);
        }
        self.set(|state| (state.last, state.damage) = (Some(now), None));
    }

    /// Reports the damage once: another place that is found later is of the same damage, for whoever has to act on it.
    fn damaged(&self, how: String, writer: &Writer, now: UnixMs) {
        if self.state().damage.is_none() {
            tracing::error!("the history is damaged {how}. {ADVICE}");
            writer.alarm(false, format!("the history is damaged {how}. {ADVICE}"), now);
            self.set(|state| state.damage = Some(how));
        }
    }
}

fn unknown(error: StoreError) -> Verdict {
    match error {
        StoreError::Gone(_) => Verdict::Unknown(None),
        error => Verdict::Unknown(Some(error.to_string())),
    }
}

impl Doing<'_> {
    /// Reads all of it.
    async fn round(&mut self) -> Verdict {
        let reading = loop {
            // The disk has enough to do, or the file is not there.
            self.trouble_to_be_over().await;
            if let Some(reading) = &self.reading {
                break reading.clone();
            }
            let path = self.path.clone();
            match self.blocking(move || Reading::of(&path)).await {
                Ok(Ok(reading)) => self.reading = Some(Arc::new(Mutex::new(reading))),
                Ok(Err(error)) => return unknown(error),
                Err(broken) => return Verdict::Unknown(Some(broken.to_string())),
            }
        };
        let mut is_first = true;
        loop {
            self.trouble_to_be_over().await;
            let (begun, reading) = (Instant::now(), reading.clone());
            let piece = self.blocking(move || {
                let mut reading = reading.lock().unwrap_or_else(PoisonError::into_inner);
                if is_first {
                    reading.begin();
                }
                reading.piece()
            });
            match piece.await {
                Ok(Ok(Piece { is_last: true, .. })) => return Verdict::Sound,
                Ok(Ok(piece)) => sleep(self.pause(begun.elapsed(), piece)).await,
                Ok(Err(Fault::Damage(how))) => return Verdict::Damaged(how),
                Ok(Err(Fault::Unknown(error))) => return unknown(error),
                Err(broken) => return Verdict::Unknown(Some(broken.to_string())),
            }
            is_first = false;
        }
    }

    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Broken> {
        self.thread.run(|_| work())?.await
    }

    async fn trouble_to_be_over(&self) {
        while self.writer.trouble().is_some() {
            sleep(LATER).await;
        }
    }

    /// So long that the whole takes as long as it may, and never so short that it costs more than it may.
    fn pause(&self, worked: Duration, piece: Piece) -> Duration {
        let per_second = piece.file_bytes as f64 / self.every.as_secs_f64().max(1.0);
        let share = piece.bytes as f64 / per_second.max(BYTES_PER_SECOND as f64);
        Duration::from_secs_f64(share).max(worked * PAUSES)
    }
}
