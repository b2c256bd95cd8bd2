//! From the text of a condition to its tree. What binds more loosely comes first here, as in Jinja.

use super::{
    flaw::Flaw,
    names::Name,
    token::{Token, tokens},
    tree::{Comparison, Constant, Expr, Function, Node, Operator, Property},
};
use crate::settings::nearest;
use regex::Regex;
use std::ops::Range;

/// Parts that lie in one another at most: each takes a piece of the stack.
const DEEPEST: usize = 64;
/// The most characters of a condition.
const LONGEST: usize = 2000;

type Parsed = Result<Node, Flaw>;

pub(super) fn parse(text: &str, names: &'static [Name]) -> Parsed {
    if text.chars().count() > LONGEST {
        return Err(Flaw::new(0..0, "this condition is too long", format!("at most {LONGEST} characters")));
    }
    let mut parser = Parser { tokens: tokens(text)?, next: 0, depth: 0, names };
    let root = parser.or()?;
    match parser.peek() {
        // What is joined from the left (`a or b or c`) lies in one another as well.
        Token::End if root.depth > DEEPEST => Err(too_deep(root.span)),
        Token::End => Ok(root),
        _ => Err(parser.unexpected("the condition could end here")),
    }
}

struct Parser {
    tokens: Vec<(Token, Range<usize>)>,
    next: usize,
    depth: usize,
    names: &'static [Name],
}

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.next].0
    }

    fn place(&self) -> Range<usize> {
        self.tokens[self.next].1.clone()
    }

    /// The end of the token before.
    fn end(&self) -> usize {
        self.next.checked_sub(1).map_or(0, |at| self.tokens[at].1.end)
    }

    fn advance(&mut self) -> Token {
        let token = self.peek().clone();
        // The last one is the end, and stays.
        self.next = (self.next + 1).min(self.tokens.len() - 1);
        token
    }

    /// Takes the sign or the word, if it comes next.
    fn take(&mut self, wanted: &str) -> bool {
        let here = match self.peek() {
            Token::Sign(sign) => *sign == wanted,
            Token::Word(word) => word == wanted,
            _ => false,
        };
        if here {
            self.advance();
        }
        here
    }

    fn need(&mut self, wanted: &str) -> Result<(), Flaw> {
        if self.take(wanted) { Ok(()) } else { Err(self.unexpected(&format!("`{wanted}` is needed here"))) }
    }

    fn unexpected(&self, label: &str) -> Flaw {
        let title = match self.peek() {
            Token::End => "this condition is incomplete",
            _ => "this condition cannot be read",
        };
        Flaw::new(self.place(), title, label)
    }

    fn deeper(&mut self, parse: impl FnOnce(&mut Parser) -> Parsed) -> Parsed {
        if self.depth == DEEPEST {
            return Err(too_deep(self.place()));
        }
        self.depth += 1;
        let node = parse(self);
        self.depth -= 1;
        node
    }

    fn or(&mut self) -> Parsed {
        let mut node = self.and()?;
        while self.take("or") {
            let right = self.and()?;
            node = joined(node, right, Expr::Or);
        }
        Ok(node)
    }

    fn and(&mut self) -> Parsed {
        let mut node = self.not()?;
        while self.take("and") {
            let right = self.not()?;
            node = joined(node, right, Expr::And);
        }
        Ok(node)
    }

    fn not(&mut self) -> Parsed {
        let start = self.place().start;
        if !self.take("not") {
            return self.comparison();
        }
        let inner = self.deeper(Parser::not)?;
        Ok(Node::new(start..inner.span.end, Expr::Not(inner.into())))
    }

    fn comparison(&mut self) -> Parsed {
        let first = self.sum()?;
        let mut rest = Vec::new();
        while let Some(comparison) = self.sign_of_comparison()? {
            rest.push((comparison, self.sum()?));
        }
        match rest.last() {
            None => Ok(first),
            Some((_, last)) => Ok(Node::new(first.span.start..last.span.end, Expr::Compare(first.into(), rest))),
        }
    }

    fn sign_of_comparison(&mut self) -> Result<Option<Comparison>, Flaw> {
        let found = match self.peek() {
            Token::Sign("==") => Comparison::Equal,
            Token::Sign("!=") => Comparison::Unequal,
            Token::Sign("<") => Comparison::Less,
            Token::Sign("<=") => Comparison::LessOrEqual,
            Token::Sign(">") => Comparison::Greater,
            Token::Sign(">=") => Comparison::GreaterOrEqual,
            Token::Word(word) if word == "in" => Comparison::In,
            Token::Word(word) if word == "not" => {
                self.advance();
                self.need("in")?;
                return Ok(Some(Comparison::NotIn));
            }
            _ => return Ok(None),
        };
        self.advance();
        Ok(Some(found))
    }

    fn sum(&mut self) -> Parsed {
        let mut node = self.product()?;
        loop {
            let operator = match self.peek() {
                Token::Sign("+") => Operator::Plus,
                Token::Sign("-") => Operator::Minus,
                _ => return Ok(node),
            };
            self.advance();
            let right = self.product()?;
            node = joined(node, right, |a, b| Expr::Calculate(operator, a, b));
        }
    }

    fn product(&mut self) -> Parsed {
        let mut node = self.unary()?;
        loop {
            let operator = match self.peek() {
                Token::Sign("*") => Operator::Times,
                Token::Sign("/") => Operator::Over,
                Token::Sign("//") => Operator::WholeOver,
                Token::Sign("%") => Operator::Modulo,
                _ => return Ok(node),
            };
            self.advance();
            let right = self.unary()?;
            node = joined(node, right, |a, b| Expr::Calculate(operator, a, b));
        }
    }

    fn unary(&mut self) -> Parsed {
        let start = self.place().start;
        if !self.take("-") {
            return self.filtered();
        }
        let inner = self.deeper(Parser::unary)?;
        Ok(Node::new(start..inner.span.end, Expr::Negative(inner.into())))
    }

    /// A value with its filters and tests: `… | length`, `… is defined`.
    fn filtered(&mut self) -> Parsed {
        let mut node = self.postfix()?;
        loop {
            let start = node.span.start;
            let expr = if self.take("|") {
                const FILTERS: [(&str, Function); 7] = [
                    ("length", Function::Length),
                    ("count", Function::Length),
                    ("lower", Function::Lower),
                    ("upper", Function::Upper),
                    ("trim", Function::Trim),
                    ("int", Function::Int),
                    ("float", Function::Float),
                ];
                let function = self.one_of("filter", &FILTERS)?;
                Expr::Apply(function, node.into())
            } else if self.take("is") {
                const PROPERTIES: [(&str, Property); 3] =
                    [("defined", Property::Defined), ("none", Property::Null), ("null", Property::Null)];
                let negative = self.take("not");
                let property = self.one_of("test", &PROPERTIES)?;
                let is = Expr::Is(node.into(), property);
                if negative { Expr::Not(Node::new(start..self.end(), is).into()) } else { is }
            } else {
                return Ok(node);
            };
            node = Node::new(start..self.end(), expr);
        }
    }

    /// The word that comes next, which has to be one of these.
    fn one_of<T: Copy>(&mut self, noun: &str, known: &[(&'static str, T)]) -> Result<T, Flaw> {
        let place = self.place();
        let Token::Word(word) = self.peek() else {
            return Err(self.unexpected(&format!("the name of a {noun} is needed here")));
        };
        let found = known.iter().find(|(name, _)| name == word).map(|(_, found)| *found);
        let found = found.ok_or_else(|| unknown(place, noun, word, known.iter().map(|(name, _)| *name)))?;
        self.advance();
        Ok(found)
    }

    /// A value with what is inside of it and its methods.
    fn postfix(&mut self) -> Parsed {
        let mut node = self.primary()?;
        loop {
            let start = node.span.start;
            let expr = if self.take(".") {
                let place = self.place();
                let member = match self.advance() {
                    Token::Word(word) => word,
                    Token::Number(number) if self.peek() != &Token::Sign("(") => {
                        let label = format!("write `[{number}]`");
                        return Err(Flaw::new(place, "a place in a list stands in brackets", label));
                    }
                    _ => {
                        let label = "a name is needed after the dot";
                        return Err(Flaw::new(place, "this condition cannot be read", label));
                    }
                };
                if self.take("(") {
                    self.method(node, &member, place)?
                } else {
                    Expr::Member(node.into(), member.into())
                }
            } else if self.take("[") {
                let key = self.deeper(Parser::or)?;
                self.need("]")?;
                Expr::Item(node.into(), key.into())
            } else {
                return Ok(node);
            };
            node = Node::new(start..self.end(), expr);
        }
    }

    fn method(&mut self, subject: Node, name: &str, place: Range<usize>) -> Result<Expr, Flaw> {
        const METHODS: [&str; 6] = ["matches", "startswith", "endswith", "lower", "upper", "strip"];
        if !METHODS.contains(&name) {
            return Err(unknown(place, "method", name, METHODS));
        }
        let expr = match name {
            "lower" => Expr::Apply(Function::Lower, subject.into()),
            "upper" => Expr::Apply(Function::Upper, subject.into()),
            "strip" => Expr::Apply(Function::Trim, subject.into()),
            "matches" => {
                let place = self.place();
                let Token::Text(pattern) = self.advance() else {
                    let label = "as `matches(\"^OK\")`";
                    return Err(Flaw::new(place, "a pattern in quotes is needed here", label));
                };
                let regex = Regex::new(&pattern).map_err(|error| {
                    // The error is a drawing of its own; its last line is what it says.
                    let message = error.to_string();
                    let message = message.lines().last().unwrap_or("").trim().trim_start_matches("error: ").to_owned();
                    Flaw::new(place, "this is no regular expression", message)
                })?;
                Expr::Matches(subject.into(), regex)
            }
            _ => {
                let part = Box::new(self.deeper(Parser::or)?);
                if name == "startswith" {
                    Expr::StartsWith(subject.into(), part)
                } else {
                    Expr::EndsWith(subject.into(), part)
                }
            }
        };
        self.need(")")?;
        Ok(expr)
    }

    fn primary(&mut self) -> Parsed {
        let place = self.place();
        let expr = match self.peek().clone() {
            Token::Number(number) => Expr::Constant(Constant::Number(number)),
            Token::Text(text) => Expr::Constant(Constant::Text(text.into())),
            Token::Sign("(") => {
                self.advance();
                let inner = self.deeper(Parser::or)?;
                self.need(")")?;
                return Ok(Node::new(place.start..self.end(), inner.expr));
            }
            Token::Sign("[") => {
                self.advance();
                let mut entries = Vec::new();
                while !self.take("]") {
                    if !entries.is_empty() {
                        self.need(",")?;
                        if self.take("]") {
                            break;
                        }
                    }
                    entries.push(self.deeper(Parser::or)?);
                }
                return Ok(Node::new(place.start..self.end(), Expr::List(entries)));
            }
            Token::Word(word) => match word.as_str() {
                "true" | "True" => Expr::Constant(Constant::Truth(true)),
                "false" | "False" => Expr::Constant(Constant::Truth(false)),
                "none" | "None" | "null" => Expr::Constant(Constant::Null),
                "and" | "or" | "in" | "is" | "not" => return Err(self.unexpected("a value is needed here")),
                _ => {
                    let known = self.names.iter().find(|name| name.name == word);
                    Expr::Name(known.ok_or_else(|| self.unknown_name(&word, place.clone()))?)
                }
            },
            _ => return Err(self.unexpected("a value is needed here")),
        };
        self.advance();
        Ok(Node::new(place, expr))
    }

    fn unknown_name(&self, word: &str, place: Range<usize>) -> Flaw {
        let flaw = unknown(place, "name", word, self.names.iter().map(|name| name.name));
        Flaw { help: flaw.help.map(|help| format!("{help}; text stands in quotes")), ..flaw }
    }
}

fn too_deep(place: Range<usize>) -> Flaw {
    let label = format!("at most {DEEPEST} parts in one another");
    Flaw::new(place, "this condition is too deep", label).help("write several conditions")
}

fn unknown<'a>(place: Range<usize>, noun: &str, word: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Flaw {
    let title = format!("conditions here have no {noun} `{word}`");
    match nearest(word, known.clone()) {
        Some(meant) => Flaw::new(place, title, format!("did you mean `{meant}`?")),
        None => {
            let words: Vec<&str> = known.into_iter().collect();
            Flaw::new(place, title, "nothing of this name is known here")
                .help(format!("known here: {}", words.join(", ")))
        }
    }
}

fn joined(left: Node, right: Node, expr: impl FnOnce(Box<Node>, Box<Node>) -> Expr) -> Node {
    Node::new(left.span.start..right.span.end, expr(left.into(), right.into()))
}
