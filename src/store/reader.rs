//! The read-only side of the history: a pool of connections. The queries on it are in [`super::questions`], and in the
//! `history` room.

use super::{
    Result, StoreError,
    disk::{schema, source::Source},
    seam::Tables,
    tables::kept,
};
use crate::threads::Cancellation;
use r2d2::{Pool, PooledConnection};
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::Connection;
use std::{
    ops::{Deref, DerefMut},
    path::Path,
    time::Duration,
};

/// The read-only side of the history. Cheap to clone; its functions block: call them on a thread that may.
///
/// Each function sees one moment of the database.
#[derive(Clone, Debug)]
pub struct Reader {
    pool: Pool<SqliteConnectionManager>,
    source: Source,
    /// Says when nobody waits for the answers any more.
    cancellation: Option<Cancellation>,
}

/// Connections at most; more queries at once would wait for each other. The number of callers is bounded before: four
/// readers, eight exports, and the queries of the program itself.
const CONNECTIONS: u32 = 16;

/// Steps of SQLite's machine between two looks at whether anybody still waits: some microseconds.
const STEPS: i32 = 500;

/// A connection of the pool, on loan.
pub(super) struct Lent {
    conn: PooledConnection<SqliteConnectionManager>,
    /// It looks whether anybody still waits.
    is_watched: bool,
}

impl Deref for Lent {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.conn
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.conn
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if self.is_watched {
            let _ = self.conn.progress_handler(0, None::<fn() -> bool>);
            // Where the end of a transaction was broken off, too.
            if !self.conn.is_autocommit() {
                let _ = self.conn.execute_batch("ROLLBACK");
            }
        }
    }
}

impl Reader {
    /// Opens a history that exists, for reading only.
    ///
    /// # Errors
    /// When there is none, it is not ours, or it cannot be opened.
    pub fn open(path: &Path) -> Result<Reader> {
        let source = Source::of(path)?;
        let first = source.open()?;
        schema::identify_current(&first, path)?;
        let pool = Pool::builder()
            .max_size(CONNECTIONS)
            .min_idle(Some(1))
            .test_on_check_out(false)
            // One that is open reads on where the file is deleted or replaced under it; a new one could not.
            .max_lifetime(None)
            .connection_timeout(Duration::from_secs(5))
            .build(source.manager())?;
        // The last connection takes the log of a history that nobody writes away with it: it stays until there is another.
        drop(first);
        Ok(Reader { pool, source, cancellation: None })
    }

    /// The same, for a caller that may give up: the query under way then ends with an error, and no other one begins.
    pub fn until(&self, cancellation: &Cancellation) -> Reader {
        Reader { cancellation: Some(cancellation.clone()), ..self.clone() }
    }

    /// The same, for work that goes on when whoever began it has given up.
    pub fn for_good(&self) -> Reader {
        Reader { cancellation: None, ..self.clone() }
    }

    pub(super) fn conn(&self) -> Result<Lent> {
        self.source.unchanged()?;
        let Some(cancellation) = &self.cancellation else {
            return Ok(Lent { conn: self.pool.get()?, is_watched: false });
        };
        if cancellation.is_cancelled() {
            return Err(StoreError::GivenUp);
        }
        let conn = self.pool.get()?;
        let cancellation = cancellation.clone();
        conn.progress_handler(STEPS, Some(move || cancellation.is_cancelled()))?;
        Ok(Lent { conn, is_watched: true })
    }

    /// Makes several queries on one moment of the history.
    pub(crate) fn read<T>(&self, ask: impl FnOnce(Tables<'_>) -> Result<T>) -> Result<T> {
        let mut conn = self.conn()?;
        ask(Tables::of(&*conn.transaction()?))
    }

    /// Makes one query.
    pub(crate) fn read_one<T>(&self, ask: impl FnOnce(Tables<'_>) -> Result<T>) -> Result<T> {
        ask(Tables::of(&*self.conn()?))
    }

    /// Makes sure, after the last question, that nobody has written a history that this user could only read as it lay.
    /// Beside a running service nothing has to be made sure of.
    ///
    /// # Errors
    /// When somebody has: what was answered may be wrong.
    pub fn finish(&self) -> Result<()> {
        self.source.unchanged()
    }

    /// What identifies this history: 16 hexadecimal digits.
    pub fn id(&self) -> Result<String> {
        kept::id(&*self.conn()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::connection;
    use crate::threads::Pool;

    /// It never ends by itself.
    const ENDLESS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

    fn reader() -> (tempfile::TempDir, Reader) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.db");
        drop(connection::open_writer(&path).unwrap());
        let reader = Reader::open(&path).unwrap();
        (folder, reader)
    }

    #[tokio::test]
    async fn a_question_ends_when_nobody_waits_for_its_answer_any_more() {
        let ((_folder, reader), pool) = (reader(), Pool::new("test", 1, 1));
        let (begun, begins) = tokio::sync::oneshot::channel();
        let asked = reader.clone();
        let question = pool.run(move |cancellation| {
            let mut conn = asked.until(cancellation).conn().unwrap();
            let tx = conn.transaction().unwrap();
            begun.send(()).unwrap();
            tx.query_row(ENDLESS, [], |row| row.get::<_, i64>(0))
        });
        begins.await.unwrap();
        drop(question);
        // The thread is free again, and so is the connection, which others can use.
        let after = pool.run(move |cancellation| {
            let reader = reader.until(cancellation);
            let of_one = reader.conn().unwrap().is_autocommit();
            (of_one, reader.id().is_ok())
        });
        assert_eq!(after.unwrap().await.unwrap(), (true, true));
    }

    #[test]
    fn nothing_is_asked_for_somebody_who_has_given_up() {
        let (_folder, reader) = reader();
        let cancellation = Cancellation::default();
        let asked = reader.until(&cancellation);
        assert!(asked.id().is_ok());
        cancellation.cancel();
        assert!(matches!(asked.id(), Err(StoreError::GivenUp)));
        assert!(reader.id().is_ok(), "others are not meant");
    }
}
