//! Reads all that a history holds in small pieces, from the disk, and looks whether it can be so.
//!
//! Each piece is a read transaction of its own, bounded in rows and bytes: one that lasts keeps the log from being written
//! back to the file. What a piece leaves off at is a key, from which the next goes on, whatever has been written meanwhile.
//! Every table and index is entered at a place of chance and read round to it: however often a run is cut short, no part of
//! a large file is left out for ever.

use crate::store::{
    Result, StoreError,
    disk::{place::Place, size::value_bytes, source::Source},
    rows::sealing,
};
use rusqlite::{
    Connection, OptionalExtension, ffi, params_from_iter,
    types::{Value, ValueRef},
};
use std::{
    cmp::Ordering,
    collections::VecDeque,
    hash::{BuildHasher, RandomState},
    path::Path,
};

/// What one transaction reads at most.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// A single row is read whole, however long.
    rows: usize,
    bytes: u64,
    /// A file of no more pages is looked through by SQLite itself, in one piece.
    pages: i64,
}

/// Some milliseconds.
const BOUNDS: Bounds = Bounds { rows: 5_000, bytes: 256 << 10, pages: 1_024 };

/// What the tables require of the numbers in their rows, too.
const OUTCOMES: &str = "outcome BETWEEN 0 AND 3 AND recheck IN (0, 1)";

/// Where a row lies in its tree.
type Key = Vec<Value>;

/// The reading of one history, again and again.
#[derive(Debug)]
pub(super) struct Reading {
    conn: Connection,
    place: Option<Place>,
    trees: Vec<Tree>,
    /// What is left of this round.
    left: VecDeque<Work>,
    bounds: Bounds,
}

/// A piece that was read and is sound.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Piece {
    pub(super) rows: usize,
    /// What its rows take.
    pub(super) bytes: u64,
    /// What the whole file takes.
    pub(super) file_bytes: u64,
    pub(super) is_last: bool,
}

/// Why a piece is not known to be sound.
#[derive(Debug)]
pub(super) enum Fault {
    /// It is damaged: where, and how that shows.
    Damage(String),
    /// The read failed in another way: whether there is damage is not known.
    Unknown(StoreError),
}

/// A table with the rows themselves, or an index.
#[derive(Debug)]
struct Tree {
    name: String,
    /// What follows FROM.
    source: String,
    /// Which rows of its table a partial index has.
    filter: Option<String>,
    columns: Vec<Column>,
    /// Which of the columns it is sorted by.
    keys: Vec<usize>,
    /// What has to be true of every row.
    rule: Option<&'static str>,
    is_sealed: bool,
}

#[derive(Clone, Debug)]
struct Column {
    name: String,
    kind: String,
    nullable: bool,
}

#[derive(Clone, Debug)]
enum Work {
    Schema,
    Structure,
    /// A tree, of which it is not decided where it is entered.
    Tree(usize),
    /// What lies behind a key, up to another.
    Stretch {
        tree: usize,
        after: Option<Key>,
        until: Key,
    },
}

impl Reading {
    /// # Errors
    /// When the history cannot be opened.
    pub(super) fn of(path: &Path) -> Result<Reading> {
        let conn = Source::of(path)?.open()?;
        // With it SQLite reports sooner that a page is none. Each is read once a round: there is nothing to be kept.
        conn.pragma_update(None, "cell_size_check", true)?;
        conn.pragma_update(None, "cache_size", -512)?;
        Ok(Reading { conn, place: Place::of(path), trees: Vec::new(), left: [Work::Schema].into(), bounds: BOUNDS })
    }

    /// Begins at the beginning.
    pub(super) fn begin(&mut self) {
        self.left = [Work::Schema].into();
    }

    /// Reads the next piece of the round.
    ///
    /// # Errors
    /// When it is damaged, or cannot be read now; it is the next one still.
    pub(super) fn piece(&mut self) -> Result<Piece, Fault> {
        self.look()?;
        let read = self.step().or_else(|error| {
            // A file that was replaced or cut short is another fault, and reported elsewhere. Damage shows up twice.
            self.look()?;
            self.forget_pages();
            if is_damage(&error) { self.step() } else { Err(error) }
        });
        self.forget_pages();
        let mut piece = read.map_err(|error| self.fault(error))?;
        piece.file_bytes = self.file_bytes().map_err(|error| self.fault(error))?;
        piece.is_last = self.left.is_empty();
        Ok(piece)
    }

    fn fault(&self, error: StoreError) -> Fault {
        if !is_damage(&error) {
            return Fault::Unknown(error);
        }
        let place = match self.left.front() {
            Some(Work::Tree(tree) | Work::Stretch { tree, .. }) => &*self.trees[*tree].name,
            Some(Work::Schema) => "its description of its tables",
            Some(Work::Structure) | None => "its pages",
        };
        // The report advises what to do already: with the advice of the error itself it would do so twice.
        let how = match &error {
            StoreError::Sqlite(error) => error.to_string(),
            error => error.to_string(),
        };
        Fault::Damage(format!("in {place}: {how}"))
    }

    fn look(&mut self) -> Result<(), StoreError> {
        self.place.as_mut().map_or(Ok(()), Place::look)
    }

    /// The next transaction reads what lies on the disk (or in the log).
    fn forget_pages(&self) {
        let _ = self.conn.execute_batch("PRAGMA shrink_memory");
    }

    fn file_bytes(&self) -> Result<u64> {
        let number = |name| self.conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        Ok((number("page_count")? * number("page_size")?).unsigned_abs())
    }

    /// Does the first of what is left, and puts what is left of it in its place. An error leaves all as it was.
    fn step(&mut self) -> Result<Piece> {
        let mut piece = Piece::default();
        let then = match self.left.front().cloned() {
            None => Vec::new(),
            Some(Work::Schema) => {
                self.trees = trees(&self.conn)?;
                let mut all: Vec<_> = (0..self.trees.len()).map(Work::Tree).collect();
                all.sort_by_cached_key(|_| chance());
                // The words of SQLite are less clear about the place.
                all.push(Work::Structure);
                all
            }
            Some(Work::Structure) => {
                self.structure()?;
                Vec::new()
            }
            Some(Work::Tree(tree)) => self.entered(tree)?,
            Some(Work::Stretch { tree, after, until }) => {
                let behind = self.stretch(tree, after.as_ref(), &until, &mut piece)?;
                behind.map(|after| Work::Stretch { tree, after: Some(after), until }).into_iter().collect()
            }
        };
        self.left.pop_front();
        then.into_iter().rev().for_each(|work| self.left.push_front(work));
        Ok(piece)
    }

    /// What SQLite reports about the pages: about all where they are few, and else about those that hold nothing.
    fn structure(&self) -> Result<()> {
        let pages: i64 = self.conn.pragma_query_value(None, "page_count", |row| row.get(0))?;
        let what = if pages <= self.bounds.pages { "1" } else { "sqlite_schema" };
        let said: String = self.conn.query_row(&format!("PRAGMA quick_check({what})"), [], |row| row.get(0))?;
        if said == "ok" {
            return Ok(());
        }
        let lines: Vec<_> = said.lines().filter(|line| !line.starts_with("***")).collect();
        Err(StoreError::Content(lines.join("; ")))
    }

    /// Chooses where a tree is entered. What is added behind its end from now on is of the next round.
    fn entered(&self, tree: usize) -> Result<Vec<Work>> {
        let all = &self.trees[tree];
        let Some(last) = all.key(&self.conn, "1", &[], "DESC")? else { return Ok(Vec::new()) };
        let Some(middle) = all.somewhere(&self.conn, &last)? else {
            return Ok(vec![Work::Stretch { tree, after: None, until: last }]);
        };
        let first_part = Work::Stretch { tree, after: None, until: middle.clone() };
        Ok(vec![Work::Stretch { tree, after: Some(middle), until: last }, first_part])
    }

    /// Reads on behind a key; the key to go on from, where the end is not reached.
    fn stretch(&self, tree: usize, after: Option<&Key>, until: &Key, piece: &mut Piece) -> Result<Option<Key>> {
        let tree = &self.trees[tree];
        let mut statement = self.conn.prepare_cached(&tree.sql(after.is_some()))?;
        let mut rows = statement.query(params_from_iter(after.into_iter().flatten()))?;
        let mut last = after.cloned();
        while let Some(row) = rows.next()? {
            let (key, bytes) = tree.read(row)?;
            if last.as_ref().is_some_and(|last| order(&key, last) != Ordering::Greater) {
                return Err(StoreError::Content("rows that are out of order".to_owned()));
            }
            if order(&key, until) == Ordering::Greater {
                return Ok(None);
            }
            if let (true, Some(Value::Integer(id))) = (tree.is_sealed, key.first()) {
                sealing::make_sure(&self.conn, *id)?;
            }
            piece.rows += 1;
            piece.bytes += bytes;
            if piece.rows >= self.bounds.rows || piece.bytes >= self.bounds.bytes {
                return Ok(Some(key));
            }
            last = Some(key);
        }
        Ok(None)
    }
}

impl Tree {
    fn names(&self) -> String {
        self.keys.iter().map(|key| &*self.columns[*key].name).collect::<Vec<_>>().join(", ")
    }

    fn sql(&self, goes_on: bool) -> String {
        let columns: String = self.columns.iter().map(|column| format!("{}, ", column.name)).collect();
        let (keys, marks) = (self.names(), vec!["?"; self.keys.len()].join(", "));
        let behind = if goes_on { format!("({keys}) > ({marks})") } else { "1".to_owned() };
        let (rule, filter) = (self.rule.unwrap_or("1"), self.filter.as_deref().unwrap_or("1"));
        format!("SELECT {columns}{rule} FROM {} WHERE {filter} AND {behind} ORDER BY {keys}", self.source)
    }

    /// The first (or last) key for which something holds.
    fn key(&self, conn: &Connection, holds: &str, values: &[i64], direction: &str) -> Result<Option<Key>> {
        let filter = self.filter.as_deref().unwrap_or("1");
        let names = self.names();
        let order = names.replace(", ", &format!(" {direction}, "));
        let sql = format!(
            "SELECT {names} FROM {} WHERE {filter} AND {holds} ORDER BY {order} {direction} LIMIT 1",
            self.source
        );
        let read = |row: &rusqlite::Row<'_>| (0..self.keys.len()).map(|column| row.get(column)).collect();
        Ok(conn.prepare_cached(&sql)?.query_row(params_from_iter(values), read).optional()?)
    }

    /// A key that any part of the tree may have, where it is sorted by numbers.
    fn somewhere(&self, conn: &Connection, last: &Key) -> Result<Option<Key>> {
        let column = |key: usize| &*self.columns[self.keys[key]].name;
        let number = |key: Option<Key>, at: usize| match key?.get(at) {
            Some(Value::Integer(number)) => Some(*number),
            _ => None,
        };
        let first = number(self.key(conn, "1", &[], "ASC")?, 0);
        let (Some(from), Some(to)) = (first, number(Some(last.clone()), 0)) else { return Ok(None) };
        let found = self.key(conn, &format!("{} <= ?1", column(0)), &[between(from, to)], "DESC")?;
        let (Some(begin), Some(to)) = (number(found.clone(), 0), number(found.clone(), 1)) else { return Ok(found) };
        let same = format!("{} = ?1", column(0));
        let Some(from) = number(self.key(conn, &same, &[begin], "ASC")?, 1) else { return Ok(found) };
        self.key(conn, &format!("{same} AND {} <= ?2", column(1)), &[begin, between(from, to)], "DESC")
    }

    /// The key of a row that can be so, and what it takes.
    fn read(&self, row: &rusqlite::Row<'_>) -> Result<(Key, u64)> {
        let mut bytes = 5;
        for (index, column) in self.columns.iter().enumerate() {
            let value = row.get_ref(index)?;
            let fits = match value {
                ValueRef::Null => column.nullable,
                ValueRef::Integer(_) => column.kind == "INTEGER",
                ValueRef::Real(_) => column.kind == "REAL",
                ValueRef::Text(text) => column.kind == "TEXT" && std::str::from_utf8(text).is_ok(),
                ValueRef::Blob(_) => column.kind == "BLOB",
            };
            if !fits {
                return Err(StoreError::Content(format!("a value that cannot be in {}", column.name)));
            }
            bytes += value_bytes(value);
        }
        if row.get_ref(self.columns.len())? != ValueRef::Integer(1) {
            return Err(StoreError::Content("a row that its table does not allow".to_owned()));
        }
        let key = self.keys.iter().map(|key| row.get(*key)).collect::<rusqlite::Result<_>>()?;
        Ok((key, bytes))
    }
}

/// All tables, and the indexes that are not a table itself.
fn trees(conn: &Connection) -> Result<Vec<Tree>> {
    let mut all = Vec::new();
    let tables: Vec<(String, bool)> = listed(
        conn,
        "SELECT name, wr FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite%'",
        "",
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    for (table, without_rowid) in tables {
        let mut columns: Vec<(Column, usize)> =
            listed(conn, "SELECT name, type, \"notnull\", pk FROM pragma_table_xinfo(?1)", &table, |row| {
                let column = Column { name: row.get(0)?, kind: row.get(1)?, nullable: !row.get(2)? };
                Ok((column, row.get::<_, i64>(3)?.unsigned_abs() as usize))
            })?;
        if columns.iter().all(|(_, key)| *key == 0) {
            let rowid = Column { name: "rowid".to_owned(), kind: "INTEGER".to_owned(), nullable: false };
            columns.push((rowid, 1));
        }
        let mut keys: Vec<_> = (0..columns.len()).filter(|column| columns[*column].1 > 0).collect();
        keys.sort_by_key(|column| columns[*column].1);
        keys.iter().for_each(|key| columns[*key].0.nullable = false);
        let columns: Vec<_> = columns.into_iter().map(|(column, _)| column).collect();
        let rowid = &columns[keys[0]];
        let indexes: Vec<(String, String)> =
            listed(conn, "SELECT name, origin FROM pragma_index_list(?1)", &table, |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        for (index, _) in indexes.into_iter().filter(|(_, origin)| !(without_rowid && origin == "pk")) {
            let names: Vec<Option<String>> =
                listed(conn, "SELECT name FROM pragma_index_xinfo(?1) ORDER BY seqno", &index, |row| row.get(0))?;
            let named = |name: Option<String>| {
                let found = name.and_then(|name| columns.iter().find(|column| column.name == name));
                found.unwrap_or(rowid).clone()
            };
            let columns: Vec<_> = names.into_iter().map(named).collect();
            let made: Option<String> =
                conn.query_row("SELECT sql FROM sqlite_schema WHERE name = ?1", [&index], |row| row.get(0))?;
            all.push(Tree {
                name: format!("the index {index}"),
                source: format!("{table} INDEXED BY {index}"),
                filter: made.and_then(|sql| Some(sql.split_once(" WHERE ")?.1.to_owned())),
                keys: (0..columns.len()).collect(),
                columns,
                rule: None,
                is_sealed: false,
            });
        }
        all.push(Tree {
            name: format!("the table {table}"),
            rule: matches!(&*table, "check_result" | "tail").then_some(OUTCOMES),
            is_sealed: table == "sealed_day",
            source: table,
            filter: None,
            columns,
            keys,
        });
    }
    Ok(all)
}

fn listed<T>(
    conn: &Connection,
    sql: &str,
    of: &str,
    read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>> {
    let mut statement = conn.prepare(sql)?;
    let arguments = (statement.parameter_count() > 0).then_some(of);
    let rows = statement.query_map(params_from_iter(arguments), read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// As the trees are sorted, which hold numbers and text there.
fn order(one: &Key, other: &Key) -> Ordering {
    let pairs = one.iter().zip(other).map(|pair| match pair {
        (Value::Integer(one), Value::Integer(other)) => one.cmp(other),
        (Value::Text(one), Value::Text(other)) => one.as_bytes().cmp(other.as_bytes()),
        _ => Ordering::Equal,
    });
    pairs.fold(Ordering::Equal, Ordering::then)
}

/// Another number each time.
fn chance() -> u64 {
    RandomState::new().hash_one(())
}

fn between(from: i64, to: i64) -> i64 {
    let numbers = to.wrapping_sub(from).cast_unsigned().saturating_add(1);
    from.wrapping_add((chance() % numbers).cast_signed())
}

/// Whether it is the file that is at fault, or the disk below it.
fn is_damage(error: &StoreError) -> bool {
    let unreadable =
        |code| matches!(code, ffi::SQLITE_IOERR_READ | ffi::SQLITE_IOERR_SHORT_READ | ffi::SQLITE_IOERR_CORRUPTFS);
    let of_disk = |error: &rusqlite::Error| error.sqlite_error().is_some_and(|error| unreadable(error.extended_code));
    error.is_damage() || matches!(error, StoreError::Sqlite(error) if of_disk(error))
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Fault {
        Fault::Unknown(error)
    }
}

#[cfg(test)]
mod tests;
