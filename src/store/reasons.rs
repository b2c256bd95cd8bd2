//! Reasons that nothing refers to any more: their results have been retired or forgotten.

use super::Result;
use rusqlite::{Connection, TransactionBehavior};

/// Deletes the reasons that nothing refers to; how many. Every table is read once, from end to end.
pub(super) fn prune(conn: &mut Connection) -> Result<usize> {
    let referring = referring(conn)?;
    // With its own check SQLite would read every table once for each reason.
    conn.pragma_update(None, "foreign_keys", false)?;
    let pruned = delete_others(conn, &referring);
    conn.pragma_update(None, "foreign_keys", true)?;
    pruned
}

/// What refers to reasons, as the schema says: each table with its column.
fn referring(conn: &Connection) -> Result<Vec<(String, String)>> {
    let mut statement = conn.prepare(
        "SELECT t.name, f.\"from\" FROM sqlite_schema t JOIN pragma_foreign_key_list(t.name) f
         WHERE t.type = 'table' AND f.\"table\" = 'reason'",
    )?;
    let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

fn delete_others(conn: &mut Connection, referring: &[(String, String)]) -> Result<usize> {
    let used: Vec<String> = referring
        .iter()
        .map(|(table, column)| format!("SELECT {column} FROM {table} WHERE {column} IS NOT NULL"))
        .collect();
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let pruned = tx.execute(&format!("DELETE FROM reason WHERE id NOT IN ({})", used.join(" UNION ")), [])?;
    tx.commit()?;
    Ok(pruned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::connection;

    #[test]
    fn only_reasons_that_nothing_refers_to_go() {
        let folder = tempfile::tempdir().unwrap();
        let mut conn = connection::open_writer(&folder.path().join("history.db")).unwrap();
        let tables = referring(&conn).unwrap();
        for known in ["check_result", "tail", "outage", "cause_change", "sealed_reason"] {
            assert!(tables.iter().any(|(table, _)| table == known), "{known} in {tables:?}");
        }
        // A reason for each table and column, and one for none.
        conn.execute_batch("INSERT INTO service (id, name, kind, target, added_at) VALUES (1, 'web', 'tcp', '', 0)")
            .unwrap();
        for id in 1..=tables.len() as i64 + 1 {
            conn.execute("INSERT INTO reason VALUES (?1, 'connect', '', 'for ' || ?1)", [id]).unwrap();
        }
        conn.execute_batch(
            "INSERT INTO check_result (service_id, at, outcome, recheck, reason_id) VALUES (1, 10, 2, 0, 1), (1, 20, 0, 0, NULL);
             INSERT INTO tail (part, service_id, at, outcome, recheck, reason_id) VALUES (2, 1, 30, 2, 0, 2);
             INSERT INTO outage (id, service_id, started_at, down_ms, checks_failed, reason_id, last_reason_id)
               VALUES (1, 1, 10, 0, 1, 3, 4);
             INSERT INTO cause_change VALUES (1, 10, 5, NULL, NULL);
             INSERT INTO sealed_day (id, service_id, day, first_at, last_at, results, outcomes, checksum, at, outcome, recheck)
               VALUES (1, 1, 0, 0, 0, 1, 4, 0, x'', x'', x'');
             INSERT INTO sealed_reason VALUES (1, 6);",
        )
        .unwrap();
        assert_eq!(prune(&mut conn).unwrap(), tables.len() - 5);
        let left = "SELECT group_concat(id) FROM (SELECT id FROM reason ORDER BY id)";
        let left: String = conn.query_row(left, [], |row| row.get(0)).unwrap();
        assert_eq!(left, "1,2,3,4,5,6");
        // References are looked after again.
        conn.execute("DELETE FROM reason WHERE id = 3", []).unwrap_err();
        conn.execute_batch("DELETE FROM outage; DELETE FROM check_result").unwrap();
        assert_eq!(prune(&mut conn).unwrap(), 4);
        assert_eq!(prune(&mut conn).unwrap(), 0);
    }
}
