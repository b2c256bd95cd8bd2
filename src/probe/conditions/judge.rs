//! Whether a condition holds.

use super::{
    tree::{Comparison, Constant, Expr, Function, Node, Operator, Property},
    value::{Number, Value},
};
use crate::{domain::secret::REDACTED, settings::masking::names_a_credential};
use serde_json::Value as Json;
use std::{borrow::Cow, cmp::Ordering};

/// What a check found.
pub(in crate::probe) trait Facts {
    /// What a name stands for.
    fn fact(&self, name: &str) -> Result<Value<'_>, Absence>;
}

/// Why a name stands for nothing, as a clause: "the answer is not JSON".
pub(in crate::probe) enum Absence {
    /// It is not there, which a condition may ask for (`… is not defined`).
    Missing(String),
    /// Nobody can say what it would be.
    Unknown(String),
}

/// Whether a condition holds; if not, the rest of a sentence that begins with it.
pub(super) fn judge(root: &Node, facts: &dyn Facts, scrub: &dyn Fn(&str) -> String) -> Result<(), String> {
    let judge = Judge { facts, scrub };
    match judge.truth(root) {
        Ok(true) => Ok(()),
        Ok(false) => Err(format!("does not hold{}", judge.values(root))),
        Err(Absence::Missing(why) | Absence::Unknown(why)) => Err(format!("cannot be judged: {why}")),
    }
}

/// What a part stands for, as text; if it stands for none, the rest of a sentence that says why.
pub(super) fn text(root: &Node, facts: &dyn Facts) -> Result<String, String> {
    // What is there instead is said by its kind alone: it may be what must not be seen.
    let judge = Judge { facts, scrub: &|_| REDACTED.to_owned() };
    match judge.value(root) {
        Ok(Value::Text(text)) => Ok(text.into_owned()),
        Ok(Value::Number(number)) => Ok(number.to_string()),
        Ok(Value::Truth(truth)) => Ok(truth.to_string()),
        Ok(value) => Err(format!("this is {}", value.of().words())),
        Err(Absence::Missing(why) | Absence::Unknown(why)) => Err(why),
    }
}

struct Judge<'a> {
    facts: &'a dyn Facts,
    /// Takes the secrets out of a text.
    scrub: &'a dyn Fn(&str) -> String,
}

type Judged<T> = Result<T, Absence>;

fn unfit<T>(why: String) -> Judged<T> {
    Err(Absence::Unknown(why))
}

impl<'a> Judge<'a> {
    /// The values of the names in a condition: `: json.depth is 250, status is 200`.
    fn values(&self, root: &Node) -> String {
        let mut paths: Vec<(&Node, String)> = Vec::new();
        let mut end = 0;
        // Outer parts come before what is in them, and left ones before right ones.
        root.visit(&mut |node| {
            if node.span.end > end
                && let Some(path) = node.path()
            {
                end = node.span.end;
                paths.push((node, path));
            }
        });
        paths.sort_by_key(|(node, _)| node.span.start);
        let mut known: Vec<String> = Vec::new();
        paths.retain(|(_, path)| {
            !known.contains(path) && {
                known.push(path.clone());
                true
            }
        });
        let said = paths.iter().filter_map(|(node, path)| {
            let measured = matches!(&node.expr, Expr::Name(name) if name.measured);
            match self.value(node) {
                Ok(value) if !measured => Some(format!("{path} is {}", self.said(node, &value))),
                Err(Absence::Missing(_)) => Some(format!("{path} is not there")),
                _ => None,
            }
        });
        let said: Vec<String> = said.collect();
        if said.is_empty() { String::new() } else { format!(": {}", said.join(", ")) }
    }

    fn said(&self, node: &Node, value: &Value<'_>) -> String {
        let secret = node.ends().is_some_and(|(_, word)| names_a_credential(word));
        match value {
            Value::Text(_) | Value::Number(_) if secret => "not shown".to_owned(),
            value => value.said(self.scrub),
        }
    }

    /// How a sentence about a value begins: `json.depth is "250"`, or the value alone.
    fn called(&self, node: &Node, value: &Value<'_>) -> String {
        let said = self.said(node, value);
        node.path().map_or_else(|| said.clone(), |path| format!("{path} is {said}"))
    }

    fn truth(&self, node: &Node) -> Judged<bool> {
        match self.value(node)? {
            Value::Truth(truth) => Ok(truth),
            value => unfit(format!("{}, neither true nor false", self.called(node, &value))),
        }
    }

    fn number(&self, node: &Node) -> Judged<Number> {
        match self.value(node)? {
            Value::Number(number) => Ok(number),
            value => unfit(format!("{}, and no number", self.called(node, &value))),
        }
    }

    fn text(&self, node: &Node) -> Judged<Cow<'a, str>> {
        match self.value(node)? {
            Value::Text(text) => Ok(text),
            value => unfit(format!("{}, and no text", self.called(node, &value))),
        }
    }

    fn value(&self, node: &Node) -> Judged<Value<'a>> {
        Ok(match &node.expr {
            Expr::Constant(constant) => match constant {
                Constant::Null => Value::Null,
                Constant::Truth(truth) => Value::Truth(*truth),
                Constant::Number(number) => Value::Number(*number),
                Constant::Text(text) => Value::text(text.to_string()),
            },
            Expr::List(nodes) => Value::List(nodes.iter().map(|node| self.value(node)).collect::<Result<_, _>>()?),
            Expr::Name(name) => self.facts.fact(name.name)?,
            Expr::Member(of, member) => {
                let value = self.value(of)?;
                self.inside(of, value, &Value::text(member.to_string()))?
            }
            Expr::Item(of, key) => {
                let value = self.value(of)?;
                let key = self.value(key)?;
                self.inside(of, value, &key)?
            }
            Expr::Not(inner) => Value::Truth(!self.truth(inner)?),
            Expr::And(a, b) => Value::Truth(self.truth(a)? && self.truth(b)?),
            Expr::Or(a, b) => Value::Truth(self.truth(a)? || self.truth(b)?),
            Expr::Negative(inner) => Value::Number(match self.number(inner)? {
                Number::Whole(n) => n.checked_neg().map_or(Number::Fraction(-(n as f64)), Number::Whole),
                Number::Fraction(n) => Number::Fraction(-n),
            }),
            Expr::Compare(first, rest) => {
                let mut left = (&**first, self.value(first)?);
                for (comparison, node) in rest {
                    let right = (node, self.value(node)?);
                    if !self.compare(&left, *comparison, &right)? {
                        return Ok(Value::Truth(false));
                    }
                    left = right;
                }
                Value::Truth(true)
            }
            Expr::Calculate(operator, a, b) => Value::Number(self.calculate(*operator, a, b)?),
            Expr::Apply(function, inner) => self.apply(*function, inner)?,
            Expr::StartsWith(inner, part) => Value::Truth(self.text(inner)?.starts_with(&*self.text(part)?)),
            Expr::EndsWith(inner, part) => Value::Truth(self.text(inner)?.ends_with(&*self.text(part)?)),
            Expr::Matches(inner, regex) => Value::Truth(regex.is_match(&self.text(inner)?)),
            Expr::Is(inner, Property::Null) => Value::Truth(matches!(self.value(inner)?, Value::Null)),
            Expr::Is(inner, Property::Defined) => match self.value(inner) {
                Ok(_) => Value::Truth(true),
                Err(Absence::Missing(_)) => Value::Truth(false),
                Err(unknown) => return Err(unknown),
            },
        })
    }

    /// What is in a value under a key.
    fn inside(&self, of: &Node, value: Value<'a>, key: &Value<'_>) -> Judged<Value<'a>> {
        let found = match (&value, key) {
            (Value::Json(Json::Object(object)), Value::Text(key)) => object.get(&**key).map(Value::json),
            (Value::Json(Json::Array(list)), Value::Number(Number::Whole(at))) => {
                place(*at, list.len()).map(|at| Value::json(&list[at]))
            }
            (Value::List(list), Value::Number(Number::Whole(at))) => place(*at, list.len()).map(|at| list[at].clone()),
            (Value::Fields(fields), Value::Text(key)) => match fields.field(key) {
                Some(text) => Some(Value::Text(text)),
                None => {
                    let missing = format!("there is no {} {}", fields.noun(), key_said(key));
                    return Err(Absence::Missing(missing));
                }
            },
            _ => None,
        };
        found.ok_or_else(|| {
            let path = of.path().unwrap_or_else(|| "the value".to_owned());
            let key = match key {
                Value::Text(key) => key_said(key),
                key => format!("[{}]", key.said(self.scrub)),
            };
            Absence::Missing(format!("{path} has no {key}, it is {}", self.said(of, &value)))
        })
    }

    fn compare(&self, left: &(&Node, Value<'a>), comparison: Comparison, right: &(&Node, Value<'a>)) -> Judged<bool> {
        let (a, b) = (&left.1, &right.1);
        let apart = || {
            let what = format!("{}, which cannot be compared with {}", self.called(left.0, a), self.said(right.0, b));
            unfit(what)
        };
        let ordered = || match (a, b) {
            (Value::Number(a), Value::Number(b)) => Ok(a.order(*b)),
            (Value::Text(a), Value::Text(b)) => Ok(a.cmp(b)),
            _ => apart(),
        };
        // Null is the one value that is compared with all others: as what is not there.
        let equal = || match a.of() == b.of() || matches!(a, Value::Null) || matches!(b, Value::Null) {
            true => Ok(a.same(b)),
            false => apart().map(|order: Ordering| order.is_eq()),
        };
        match comparison {
            Comparison::Equal => equal(),
            Comparison::Unequal => equal().map(|equal| !equal),
            Comparison::Less => Ok(ordered()?.is_lt()),
            Comparison::LessOrEqual => Ok(ordered()?.is_le()),
            Comparison::Greater => Ok(ordered()?.is_gt()),
            Comparison::GreaterOrEqual => Ok(ordered()?.is_ge()),
            Comparison::In => self.contains(right, left),
            Comparison::NotIn => self.contains(right, left).map(|contained| !contained),
        }
    }

    fn contains(&self, whole: &(&Node, Value<'a>), part: &(&Node, Value<'a>)) -> Judged<bool> {
        match (&whole.1, &part.1) {
            (Value::Text(whole), Value::Text(part)) => Ok(whole.contains(&**part)),
            (Value::Fields(fields), Value::Text(name)) => Ok(fields.field(name).is_some()),
            (Value::Json(Json::Object(object)), Value::Text(key)) => Ok(object.contains_key(&**key)),
            (value, part_value) => {
                let unlike = || {
                    let whole = self.called(whole.0, value);
                    unfit(format!("{whole}, in which there cannot be {}", self.said(part.0, part_value)))
                };
                let Some(entries) = value.entries() else { return unlike() };
                if entries.iter().any(|entry| entry.same(part_value)) {
                    return Ok(true);
                }
                // Of what is of another kind nobody can say that it is not in there: 5 is not "5".
                let like = |entry: &Value<'_>| entry.of() == part_value.of();
                if entries.is_empty() || entries.iter().any(like) || matches!(part_value, Value::Null) {
                    return Ok(false);
                }
                unlike()
            }
        }
    }

    fn calculate(&self, operator: Operator, a: &Node, b: &Node) -> Judged<Number> {
        let (left, right) = (self.number(a)?, self.number(b)?);
        let divides = matches!(operator, Operator::Over | Operator::WholeOver | Operator::Modulo);
        if divides && right.order(Number::Whole(0)).is_eq() {
            return unfit(format!("{}, and nothing is divided by that", self.called(b, &Value::Number(right))));
        }
        if let (Number::Whole(a), Number::Whole(b)) = (left, right) {
            let whole = match operator {
                Operator::Plus => a.checked_add(b),
                Operator::Minus => a.checked_sub(b),
                Operator::Times => a.checked_mul(b),
                Operator::Over => None,
                Operator::WholeOver => a.checked_div_euclid(b),
                Operator::Modulo => a.checked_rem_euclid(b),
            };
            if let Some(whole) = whole {
                return Ok(Number::Whole(whole));
            }
        }
        let (a, b) = (left.float(), right.float());
        let result = match operator {
            Operator::Plus => a + b,
            Operator::Minus => a - b,
            Operator::Times => a * b,
            Operator::Over => a / b,
            Operator::WholeOver => a.div_euclid(b),
            Operator::Modulo => a.rem_euclid(b),
        };
        match Number::fraction(result) {
            Some(number) => Ok(number),
            None => unfit("a number in it is too large".to_owned()),
        }
    }

    fn apply(&self, function: Function, inner: &Node) -> Judged<Value<'a>> {
        let value = self.value(inner)?;
        Ok(match (function, &value) {
            (Function::Length, Value::Text(text)) => Value::whole(text.chars().count() as i64),
            (Function::Length, Value::Json(Json::Array(list))) => Value::whole(list.len() as i64),
            (Function::Length, Value::Json(Json::Object(object))) => Value::whole(object.len() as i64),
            (Function::Length, Value::List(list)) => Value::whole(list.len() as i64),
            (Function::Lower, Value::Text(text)) => Value::text(text.to_lowercase()),
            (Function::Upper, Value::Text(text)) => Value::text(text.to_uppercase()),
            (Function::Trim, Value::Text(text)) => Value::text(text.trim().to_owned()),
            (Function::Float | Function::Int, Value::Number(Number::Whole(_))) => value,
            (Function::Float, Value::Number(_)) => value,
            (Function::Int, Value::Number(number)) => Value::whole(number.float().trunc() as i128),
            (Function::Float | Function::Int, Value::Text(text)) => {
                let whole = text.trim().parse().map(Number::Whole).ok();
                let number = whole.or_else(|| text.trim().parse().ok().and_then(Number::fraction));
                let Some(number) = number else {
                    return unfit(format!("{}, and no number", self.called(inner, &value)));
                };
                match (function, number) {
                    (Function::Int, Number::Fraction(n)) => Value::whole(n.trunc() as i128),
                    _ => Value::Number(number),
                }
            }
            (Function::Length, value) => return unfit(format!("{}, which has no length", self.called(inner, value))),
            (Function::Float | Function::Int, value) => {
                return unfit(format!("{}, and no number", self.called(inner, value)));
            }
            (_, value) => return unfit(format!("{}, and no text", self.called(inner, value))),
        })
    }
}

fn key_said(key: &str) -> String {
    format!("\"{key}\"")
}

/// A place in a list; a negative one is counted from the end.
fn place(at: i128, length: usize) -> Option<usize> {
    let at = if at < 0 { at + length as i128 } else { at };
    usize::try_from(at).ok().filter(|at| *at < length)
}
