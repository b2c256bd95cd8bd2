//! The effective settings of a service, as the API shows them.

use serde_json::Value;
use std::{fmt, sync::Arc};

/// A JSON object, credentials redacted. It is kept as text, which takes a sixth of the memory that the tree of its values
/// takes, and is read by few.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EffectiveSettings(Arc<str>);

impl EffectiveSettings {
    /// Its values.
    pub fn read(&self) -> Value {
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

impl Default for EffectiveSettings {
    fn default() -> EffectiveSettings {
        EffectiveSettings::from(Value::Null)
    }
}

impl From<Value> for EffectiveSettings {
    fn from(value: Value) -> EffectiveSettings {
        EffectiveSettings(value.to_string().into())
    }
}

impl fmt::Display for EffectiveSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
