//! A value that a check finds, from the text that names it: `json.session.token`.

use super::{
    flaw::Flaw,
    judge::{self, Facts},
    names::Name,
    parser,
    tree::{Expr, Node},
    types,
};
use std::fmt;

/// What a check finds at a place, to be carried on.
#[derive(Clone)]
pub struct Expression {
    /// As it is shown: without what came from the environment.
    shown: String,
    root: Node,
}

impl Expression {
    /// Reads an expression in which these names are known.
    pub(super) fn parse(text: &str, shown: String, names: &'static [Name]) -> Result<Expression, Flaw> {
        let root = parser::parse(text, names)?;
        types::one_value(&root)?;
        let mut named = false;
        root.visit(&mut |node| named |= matches!(node.expr, Expr::Name(_)));
        if !named {
            let label = "it is the same in every check";
            return Err(Flaw::new(root.span.clone(), "this names nothing that a check finds", label));
        }
        Ok(Expression { shown, root })
    }

    /// What it stands for, as text: a text, a number, true or false. Else a sentence says what there is instead.
    pub(in crate::probe) fn text(&self, facts: &dyn Facts) -> Result<String, String> {
        judge::text(&self.root, facts).map_err(|why| format!("{}: {why}", self.shown))
    }

    /// As it is shown.
    pub(in crate::probe) fn shown(&self) -> &str {
        &self.shown
    }

    /// Whether it has this name in it.
    pub(in crate::probe) fn names(&self, name: &str) -> bool {
        let mut found = false;
        self.root.visit(&mut |node| found |= matches!(&node.expr, Expr::Name(known) if known.name == name));
        found
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({})", self.shown)
    }
}
