//! What is known of a condition before there is an answer: what in it can never hold is reported.

use super::{
    flaw::Flaw,
    names::Type,
    tree::{Comparison, Constant, Expr, Function, Node},
};
use std::ops::Range;

/// Whether the whole can be true or false, and every part of it can be judged.
pub(super) fn condition(root: &Node) -> Result<(), Flaw> {
    truth(root)
}

/// Whether the whole can be a single value: text, a number, true or false.
pub(super) fn one_value(root: &Node) -> Result<(), Flaw> {
    let of = of(root)?;
    if [Type::Text, Type::Number, Type::Truth].into_iter().any(|wanted| of.may_be(wanted)) {
        return Ok(());
    }
    let title = "this is no single value";
    Err(Flaw::new(root.span.clone(), title, format!("this is {}", of.words())))
}

fn truth(node: &Node) -> Result<(), Flaw> {
    let of = of(node)?;
    if of.may_be(Type::Truth) {
        return Ok(());
    }
    let flaw = Flaw::new(node.span.clone(), "this is never true or false", format!("this is {}", of.words()));
    Err(match of {
        Type::Number => flaw.help("compare it, as in `… < 100`"),
        Type::Text => flaw.help("compare it, as in `… == 'ok'` or `'ok' in …`"),
        _ => flaw,
    })
}

fn wanted(node: &Node, wanted: Type) -> Result<(), Flaw> {
    let of = of(node)?;
    if of.may_be(wanted) {
        return Ok(());
    }
    let title = format!("{} is needed here", wanted.words());
    Err(Flaw::new(node.span.clone(), title, format!("this is {}", of.words())))
}

fn of(node: &Node) -> Result<Type, Flaw> {
    Ok(match &node.expr {
        Expr::Constant(constant) => constant.of(),
        Expr::Name(name) => name.of,
        Expr::List(nodes) => {
            nodes.iter().try_for_each(|node| of(node).map(drop))?;
            Type::List
        }
        Expr::Member(inner, _) => match of(inner)? {
            Type::Anything => Type::Anything,
            Type::Fields => Type::Text,
            other => return Err(nothing_inside(inner, other)),
        },
        Expr::Item(inner, key) => match (of(inner)?, of(key)?) {
            (Type::Fields, key_of) if key_of.may_be(Type::Text) => Type::Text,
            (Type::Fields, _) => return Err(Flaw::new(key.span.clone(), "text is needed here", "a name in quotes")),
            (Type::Anything | Type::List, key_of) if key_of.may_be(Type::Number) || key_of.may_be(Type::Text) => {
                Type::Anything
            }
            (Type::Anything | Type::List, _) => {
                return Err(Flaw::new(key.span.clone(), "this leads nowhere", "a name in quotes, or a number"));
            }
            (other, _) => return Err(nothing_inside(inner, other)),
        },
        Expr::Not(inner) => {
            truth(inner)?;
            Type::Truth
        }
        Expr::And(a, b) | Expr::Or(a, b) => {
            truth(a)?;
            truth(b)?;
            Type::Truth
        }
        Expr::Negative(inner) => {
            wanted(inner, Type::Number)?;
            Type::Number
        }
        Expr::Calculate(_, a, b) => {
            wanted(a, Type::Number)?;
            wanted(b, Type::Number)?;
            Type::Number
        }
        Expr::Compare(first, rest) => {
            let mut left = &**first;
            for (comparison, right) in rest {
                compare(left, *comparison, right)?;
                left = right;
            }
            Type::Truth
        }
        Expr::Apply(Function::Length, inner) => match of(inner)? {
            Type::Anything | Type::Text | Type::List | Type::Object => Type::Number,
            other => {
                let label = format!("this is {}", other.words());
                return Err(Flaw::new(inner.span.clone(), "this has no length", label));
            }
        },
        Expr::Apply(Function::Int | Function::Float, inner) => match of(inner)? {
            Type::Anything | Type::Text | Type::Number => Type::Number,
            other => {
                let label = format!("this is {}", other.words());
                return Err(Flaw::new(inner.span.clone(), "this is never a number", label));
            }
        },
        Expr::Apply(Function::Lower | Function::Upper | Function::Trim, inner) => {
            wanted(inner, Type::Text)?;
            Type::Text
        }
        Expr::StartsWith(inner, part) | Expr::EndsWith(inner, part) => {
            wanted(inner, Type::Text)?;
            wanted(part, Type::Text)?;
            Type::Truth
        }
        Expr::Matches(inner, _) => {
            wanted(inner, Type::Text)?;
            Type::Truth
        }
        Expr::Is(inner, _) => {
            of(inner)?;
            Type::Truth
        }
    })
}

fn nothing_inside(node: &Node, of: Type) -> Flaw {
    Flaw::new(node.span.clone(), "there is nothing inside of this", format!("this is {}", of.words()))
}

fn compare(left: &Node, comparison: Comparison, right: &Node) -> Result<(), Flaw> {
    let (a, b) = (of(left)?, of(right)?);
    let both = left.span.start..right.span.end;
    match comparison {
        Comparison::Equal | Comparison::Unequal => {
            if a.meets(b) {
                return Ok(());
            }
            Err(never_equal((left, a), (right, b), both))
        }
        Comparison::Less | Comparison::LessOrEqual | Comparison::Greater | Comparison::GreaterOrEqual => {
            for (node, of) in [(left, a), (right, b)] {
                if !of.may_be(Type::Number) && !of.may_be(Type::Text) {
                    let label = format!("this is {}", of.words());
                    return Err(Flaw::new(node.span.clone(), "only numbers and texts have an order", label));
                }
            }
            if a.meets(b) {
                return Ok(());
            }
            let label = format!("{} and {}", a.words(), b.words());
            Err(advice((left, a), (right, b), Flaw::new(both, "these have no order", label)))
        }
        Comparison::In | Comparison::NotIn => match (&right.expr, b) {
            (Expr::List(entries), _) if entries.is_empty() => {
                Err(Flaw::new(right.span.clone(), "nothing is in an empty list", "put something into it"))
            }
            (Expr::List(entries), _) => entries.iter().try_for_each(|entry| {
                let entry_of = of(entry)?;
                match a.meets(entry_of) {
                    true => Ok(()),
                    false => Err(never_equal((left, a), (entry, entry_of), entry.span.clone())),
                }
            }),
            (_, Type::Text | Type::Fields | Type::Object) => wanted(left, Type::Text),
            (_, Type::Anything | Type::List) => Ok(()),
            (_, other) => {
                let label = format!("this is {}", other.words());
                Err(Flaw::new(right.span.clone(), "a list or text is needed after `in`", label))
            }
        },
    }
}

fn never_equal(left: (&Node, Type), right: (&Node, Type), place: Range<usize>) -> Flaw {
    let label = format!("{} is never {}", left.1.words(), right.1.words());
    advice(left, right, Flaw::new(place, "these are never equal", label))
}

/// What is probably meant: a number without its quotes.
fn advice(left: (&Node, Type), right: (&Node, Type), flaw: Flaw) -> Flaw {
    for ((_, of), (other, _)) in [(left, right), (right, left)] {
        if of == Type::Number
            && let Expr::Constant(Constant::Text(text)) = &other.expr
            && text.trim().parse::<f64>().is_ok()
        {
            return flaw.help("a number stands without quotes");
        }
    }
    flaw
}
