//! What conditions on the answer of a query may name, and what that is.

use crate::probe::conditions::{Absence, Facts, Name, Type, Value};
use serde_json::{Map, Value as Json};
use tokio_postgres::{Error, SimpleQueryRow};

/// Rows that conditions see at most.
const MOST: usize = 1000;

pub(super) const NAMES: &[Name] =
    &[Name::new("rows", Type::Number), Name::new("row", Type::Anything), Name::new("result", Type::List)];

/// The answer of a query, as far as conditions see it.
#[derive(Default)]
pub(super) struct Answer {
    count: u64,
    /// The first rows: objects of their columns.
    rows: Vec<Json>,
}

impl Answer {
    pub(super) fn take(&mut self, row: &SimpleQueryRow) -> Result<(), Error> {
        self.count += 1;
        if self.rows.len() == MOST {
            return Ok(());
        }
        let mut columns = Map::new();
        for (at, column) in row.columns().iter().enumerate() {
            columns.insert(column.name().to_owned(), row.try_get(at)?.map_or(Json::Null, value));
        }
        self.rows.push(Json::Object(columns));
        Ok(())
    }

    /// The first row, for an excerpt.
    pub(super) fn first(&self) -> Option<String> {
        self.rows.first().map(Json::to_string)
    }
}

/// The simple protocol gives text and no types: what is written as a number is one.
fn value(text: &str) -> Json {
    let digits = text.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit());
    let whole = || text.parse::<i64>().ok().map(Json::from);
    let fraction = || text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Json::from);
    digits.then(|| whole().or_else(fraction)).flatten().unwrap_or_else(|| Json::from(text))
}

impl Facts for Answer {
    fn fact(&self, name: &str) -> Result<Value<'_>, Absence> {
        match name {
            "rows" => Ok(Value::whole(self.count)),
            "row" => match self.rows.first() {
                Some(row) => Ok(Value::json(row)),
                None => Err(Absence::Unknown("the query gave no row".to_owned())),
            },
            "result" if self.count > MOST as u64 => {
                Err(Absence::Unknown(format!("the query gave more than {MOST} rows")))
            }
            "result" => Ok(Value::List(self.rows.iter().map(Value::json).collect())),
            _ => Err(Absence::Unknown(format!("{name} stands for nothing"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_written_as_a_number_is_one() {
        for (text, expected) in [
            ("5", json!(5)),
            ("-1.50", json!(-1.5)),
            ("NaN", json!("NaN")),
            ("t", json!("t")),
            ("", json!("")),
            ("16.2 (Debian)", json!("16.2 (Debian)")),
            ("Infinity", json!("Infinity")),
        ] {
            assert_eq!(value(text), expected);
        }
    }
}
