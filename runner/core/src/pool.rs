//! Pools: named numbers of slots that builds share.

use crate::value::Value;

/// Largest size of a pool: more than a machine runs builds at once.
pub const MAX_SIZE: u32 = 10_000;

/// What each build of a job takes of a pool while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolUse {
    /// The pool's name, like a job's id.
    pub name: String,
    /// How many of its slots, 1 to [`MAX_SIZE`].
    pub slots: u32,
}

impl PoolUse {
    /// As a build config keeps it.
    pub(crate) fn to_config(&self) -> Value {
        let slots = Value::Int(self.slots.into());
        Value::Map(vec![("name".to_owned(), Value::string(&self.name)), ("slots".to_owned(), slots)])
    }

    /// Reads what [`PoolUse::to_config`] returned.
    pub(crate) fn from_config(config: &Value) -> Option<Self> {
        let (Value::String(name), Value::Int(slots)) = (config.get("name")?, config.get("slots")?) else {
            return None;
        };
        Some(Self { name: name.clone(), slots: u32::try_from(*slots).ok()?.clamp(1, MAX_SIZE) })
    }
}
