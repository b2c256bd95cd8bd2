//! What is kept of an answer for the requests after it.

use super::{
    cookies::Jar,
    facts::Found,
    names::OF_THE_BODY,
    spec::{Keep, KeepFrom},
};
use crate::domain::secret::Secret;

/// The longest value that is kept, in bytes: it has to fit into a head.
const LONGEST: usize = 8 * 1024;

/// What is kept of an answer.
pub(super) struct Keeper<'a> {
    keep: &'a [Keep],
    kept: &'a mut Vec<(String, Secret)>,
}

impl<'a> Keeper<'a> {
    pub(super) fn new(keep: &'a [Keep], kept: &'a mut Vec<(String, Secret)>) -> Keeper<'a> {
        Keeper { keep, kept }
    }

    pub(super) fn needs_body(&self) -> bool {
        self.keep.iter().any(|keep| keep.source.is_in_the_body())
    }

    /// Keeps every value, and keeps it from sight. All that is there is hidden, also where another one is missing.
    pub(super) fn keep(&mut self, found: &Found<'_>, jar: &mut Jar) -> Result<(), String> {
        let mut result = Ok(());
        for Keep { name, source } in self.keep {
            match source.value(found) {
                Ok(value) => {
                    jar.hide_short(&value);
                    self.kept.push((name.clone(), Secret::new(value)));
                }
                Err(why) => result = result.and(Err(format!("{name} cannot be kept: {why}"))),
            }
        }
        result
    }

    /// Keeps from sight what would be kept; whether all of it was there.
    pub(super) fn hide(&self, found: &Found<'_>, jar: &mut Jar) -> bool {
        let values: Vec<_> = self.keep.iter().map(|keep| keep.source.value(found)).collect();
        values.iter().flatten().for_each(|value| jar.hide_short(value));
        values.iter().all(Result::is_ok)
    }
}

impl KeepFrom {
    pub(super) fn is_in_the_body(&self) -> bool {
        match self {
            KeepFrom::Value(expression) => OF_THE_BODY.into_iter().any(|name| expression.names(name)),
            KeepFrom::Match(_) => true,
        }
    }

    fn value(&self, found: &Found<'_>) -> Result<String, String> {
        let value = match self {
            KeepFrom::Value(expression) => expression.text(found)?,
            KeepFrom::Match(regex) => {
                let group = regex.captures(found.content.text()).and_then(|captures| captures.get(1));
                group.map(|group| group.as_str().to_owned()).ok_or(format!("the answer does not match {regex}"))?
            }
        };
        match value.len() {
            0 => Err("it is empty".to_owned()),
            length if length > LONGEST => Err("it is longer than 8 KiB".to_owned()),
            _ => Ok(value),
        }
    }
}
