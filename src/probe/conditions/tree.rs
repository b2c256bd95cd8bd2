//! What a condition is made of.

use super::{
    names::{Name, Type},
    value::Number,
};
use regex::Regex;
use std::ops::Range;

/// A part of a condition, and its place in the text.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) span: Range<usize>,
    pub(super) expr: Expr,
    /// How many parts lie in one another.
    pub(super) depth: usize,
}

#[derive(Clone, Debug)]
pub(super) enum Expr {
    Constant(Constant),
    List(Vec<Node>),
    Name(&'static Name),
    /// `json.queue`
    Member(Box<Node>, Box<str>),
    /// `json["queue"]`, `json.list[0]`
    Item(Box<Node>, Box<Node>),
    Not(Box<Node>),
    Negative(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    /// `1 < x <= 5`: every pair of neighbours.
    Compare(Box<Node>, Vec<(Comparison, Node)>),
    Calculate(Operator, Box<Node>, Box<Node>),
    /// A filter or a method without arguments.
    Apply(Function, Box<Node>),
    StartsWith(Box<Node>, Box<Node>),
    EndsWith(Box<Node>, Box<Node>),
    Matches(Box<Node>, Regex),
    Is(Box<Node>, Property),
}

#[derive(Clone, PartialEq, Debug)]
pub(super) enum Constant {
    Null,
    Truth(bool),
    Number(Number),
    Text(Box<str>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Operator {
    Plus,
    Minus,
    Times,
    Over,
    /// Rounded down.
    WholeOver,
    Modulo,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Function {
    Length,
    Lower,
    Upper,
    Trim,
    /// Text, or a number, as a whole number.
    Int,
    Float,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Property {
    Defined,
    Null,
}

impl Node {
    pub(super) fn new(span: Range<usize>, expr: Expr) -> Node {
        let mut depth = 0;
        expr.parts(&mut |part| depth = depth.max(part.depth));
        Node { span, expr, depth: depth + 1 }
    }

    /// Shows every part of it, outer ones first.
    pub(super) fn visit<'a>(&'a self, see: &mut dyn FnMut(&'a Node)) {
        see(self);
        self.expr.parts(&mut |part| part.visit(see));
    }

    /// How a sentence calls a value that the check found: `json.queue.depth`. `None` of what is calculated.
    pub(super) fn path(&self) -> Option<String> {
        match &self.expr {
            Expr::Name(name) => Some(name.name.to_owned()),
            Expr::Member(of, member) => Some(format!("{}.{member}", of.path()?)),
            Expr::Item(of, item) => match &item.expr {
                Expr::Constant(Constant::Text(text)) => Some(format!("{}['{text}']", of.path()?)),
                Expr::Constant(Constant::Number(number)) => Some(format!("{}[{number}]", of.path()?)),
                _ => None,
            },
            _ => None,
        }
    }

    /// The name at the beginning of a path, and the word at its end.
    pub(super) fn ends(&self) -> Option<(&'static Name, &str)> {
        match &self.expr {
            Expr::Name(name) => Some((name, name.name)),
            Expr::Member(of, member) => Some((of.ends()?.0, member)),
            Expr::Item(of, item) => match &item.expr {
                Expr::Constant(Constant::Text(text)) => Some((of.ends()?.0, text)),
                _ => of.ends(),
            },
            _ => None,
        }
    }
}

impl Expr {
    /// Shows its parts, not theirs.
    fn parts<'a>(&'a self, see: &mut dyn FnMut(&'a Node)) {
        match self {
            Expr::Constant(_) | Expr::Name(_) => {}
            Expr::List(nodes) => nodes.iter().for_each(see),
            Expr::Member(node, _)
            | Expr::Not(node)
            | Expr::Negative(node)
            | Expr::Apply(_, node)
            | Expr::Matches(node, _)
            | Expr::Is(node, _) => see(node),
            Expr::Item(a, b)
            | Expr::And(a, b)
            | Expr::Or(a, b)
            | Expr::Calculate(_, a, b)
            | Expr::StartsWith(a, b)
            | Expr::EndsWith(a, b) => {
                see(a);
                see(b);
            }
            Expr::Compare(first, rest) => {
                see(first);
                rest.iter().for_each(|(_, node)| see(node));
            }
        }
    }
}

impl Constant {
    pub(super) fn of(&self) -> Type {
        match self {
            Constant::Null => Type::Null,
            Constant::Truth(_) => Type::Truth,
            Constant::Number(_) => Type::Number,
            Constant::Text(_) => Type::Text,
        }
    }
}
