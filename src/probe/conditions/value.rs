//! The values of conditions.

use super::names::Type;
use serde_json::Value as Json;
use std::{borrow::Cow, cmp::Ordering, fmt};

/// What a name stands for, or what was made of it.
#[derive(Clone)]
pub(in crate::probe) enum Value<'a> {
    Null,
    Truth(bool),
    Number(Number),
    Text(Cow<'a, str>),
    /// A list or an object.
    Json(&'a Json),
    List(Vec<Value<'a>>),
    Fields(&'a dyn Fields),
}

/// Texts by name, such as headers.
pub(in crate::probe) trait Fields {
    /// How a sentence calls one of them: "header".
    fn noun(&self) -> &'static str;

    /// The text of this name.
    fn field(&self, name: &str) -> Option<Cow<'_, str>>;
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(in crate::probe) enum Number {
    Whole(i128),
    /// Finite.
    Fraction(f64),
}

impl Number {
    pub(super) fn float(self) -> f64 {
        match self {
            Number::Whole(n) => n as f64,
            Number::Fraction(n) => n,
        }
    }

    /// Their order by value: 5 is 5.0, and two large ones that a float would confuse are two.
    pub(super) fn order(self, other: Number) -> Ordering {
        match (self, other) {
            (Number::Whole(a), Number::Whole(b)) => a.cmp(&b),
            (Number::Whole(a), Number::Fraction(b)) => whole_order(a, b),
            (Number::Fraction(a), Number::Whole(b)) => whole_order(b, a).reverse(),
            (Number::Fraction(a), Number::Fraction(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
        }
    }

    /// `None` of what is no finite number.
    pub(super) fn fraction(n: f64) -> Option<Number> {
        n.is_finite().then_some(Number::Fraction(n))
    }
}

fn whole_order(whole: i128, fraction: f64) -> Ordering {
    // Casts of numbers beyond an i128 give its ends, which are beyond whatever a JSON text has as a whole number.
    let floor = fraction.floor();
    whole.cmp(&(floor as i128)).then(if fraction > floor { Ordering::Less } else { Ordering::Equal })
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Number::Whole(n) => write!(f, "{n}"),
            Number::Fraction(n) => write!(f, "{n}"),
        }
    }
}

impl<'a> Value<'a> {
    pub(in crate::probe) fn text(text: impl Into<Cow<'a, str>>) -> Value<'a> {
        Value::Text(text.into())
    }

    pub(in crate::probe) fn whole(number: impl Into<i128>) -> Value<'a> {
        Value::Number(Number::Whole(number.into()))
    }

    /// Milliseconds, of microseconds.
    pub(in crate::probe) fn milliseconds(us: u32) -> Value<'a> {
        Value::Number(Number::Fraction(f64::from(us) / 1000.0))
    }

    pub(in crate::probe) fn json(json: &'a Json) -> Value<'a> {
        match json {
            Json::Null => Value::Null,
            Json::Bool(truth) => Value::Truth(*truth),
            Json::String(text) => Value::text(text),
            Json::Number(number) => {
                let whole = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
                let number = whole.map(Number::Whole).or_else(|| number.as_f64().map(Number::Fraction));
                number.map_or(Value::Null, Value::Number)
            }
            Json::Array(_) | Json::Object(_) => Value::Json(json),
        }
    }

    pub(super) fn of(&self) -> Type {
        match self {
            Value::Null => Type::Null,
            Value::Truth(_) => Type::Truth,
            Value::Number(_) => Type::Number,
            Value::Text(_) => Type::Text,
            Value::Json(Json::Array(_)) | Value::List(_) => Type::List,
            Value::Json(_) => Type::Object,
            Value::Fields(_) => Type::Fields,
        }
    }

    /// The entries of a list.
    pub(super) fn entries(&self) -> Option<Vec<Value<'a>>> {
        match self {
            Value::List(values) => Some(values.clone()),
            Value::Json(Json::Array(values)) => Some(values.iter().map(Value::json).collect()),
            _ => None,
        }
    }

    /// Equal by value; what is of another kind is not.
    pub(super) fn same(&self, other: &Value<'_>) -> bool {
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Truth(a), Value::Truth(b)) => a == b,
            (Value::Number(a), Value::Number(b)) => a.order(*b).is_eq(),
            (Value::Text(a), Value::Text(b)) => a == b,
            (Value::Json(Json::Object(a)), Value::Json(Json::Object(b))) => {
                let same =
                    |(key, a): (&String, &Json)| b.get(key).is_some_and(|b| Value::json(a).same(&Value::json(b)));
                a.len() == b.len() && a.iter().all(same)
            }
            (a, b) => match (a.entries(), b.entries()) {
                (Some(a), Some(b)) => a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a.same(b)),
                _ => false,
            },
        }
    }

    /// The value in a sentence. Of what may be long: what it is.
    pub(super) fn said(&self, scrub: &dyn Fn(&str) -> String) -> String {
        const LONGEST: usize = 60;
        /// More than is shown: what is secret in it goes before it is cut.
        const LOOKED_AT: usize = 4096;
        match self {
            Value::Null => "null".to_owned(),
            Value::Truth(truth) => truth.to_string(),
            Value::Number(number) => number.to_string(),
            Value::Text(text) => {
                let start: String = text.chars().take(LOOKED_AT).collect();
                let text = scrub(&start);
                match text.chars().nth(LONGEST) {
                    Some(_) => format!("\"{}…\"", text.chars().take(LONGEST).collect::<String>()),
                    None => format!("\"{text}\""),
                }
            }
            Value::Json(Json::Object(object)) => {
                let names: Vec<String> = object.keys().take(5).map(|name| Value::text(name).said(scrub)).collect();
                let more = if object.len() > 5 { ", …" } else { "" };
                if names.is_empty() {
                    "an empty object".to_owned()
                } else {
                    format!("an object with {}{more}", names.join(", "))
                }
            }
            Value::Json(_) | Value::List(_) => match self.entries().map_or(0, |entries| entries.len()) {
                0 => "an empty list".to_owned(),
                count => format!("a list of {count}"),
            },
            Value::Fields(fields) => format!("the {}s", fields.noun()),
        }
    }
}
