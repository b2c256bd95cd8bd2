//! Conditions on what a check found: `json.queue.depth < 100`.
//!
//! A kind of probe gives the names and their types ([`Name`]), and at run time what they stand for ([`Facts`]). A
//! condition is read once, with the configuration: what is misspelt, has no meaning or could never hold is reported
//! there, at its place. Judging it walks its tree once; there is nothing in it that repeats, so that its length and the
//! length of the answer bound what it costs.
//!
//! The language is what Jinja's expressions and these have in common, and it means the same. It is stricter: values of
//! different kinds are never compared (`null < 100` holds in Jinja), and only truth is truth.
//!
//! | file | what is in it |
//! | --- | --- |
//! | `condition` | a condition, from its text to its judgement |
//! | `expression` | a value that is carried on: `json.session.token` |
//! | `token`, `parser` | from the text to the `tree` |
//! | `names`, `types`, `flaw` | what may be named; what can never hold; what is wrong |
//! | `section` | the keys of the configuration |
//! | `value`, `judge` | what names stand for, and whether a condition holds |

mod condition;
mod expression;
mod flaw;
mod judge;
mod names;
mod parser;
pub(super) mod section;
mod token;
mod tree;
mod types;
mod value;

pub use condition::Condition;
pub use expression::Expression;
pub(super) use judge::{Absence, Facts};
pub(super) use names::{Name, Type};
pub(super) use value::{Fields, Value};
