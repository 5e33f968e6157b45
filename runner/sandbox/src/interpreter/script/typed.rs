//! The common result of reading types in both languages: a type of WIT, and a plan by which the
//! interpreter converts its values in both directions.

use std::sync::Arc;

use jobcontrol_core::types::IntType;
use jobcontrol_core::types::Type;
use serde_json::Value as Json;
use serde_json::json;

/// How deep types may be nested. Deeper nesting is an error, or hostile.
pub(super) const DEPTH: usize = 50;

/// The integers of WIT, under their own names.
const INTEGERS: [(&str, IntType); 8] = [
    ("s8", IntType::S8),
    ("s16", IntType::S16),
    ("s32", IntType::S32),
    ("s64", IntType::S64),
    ("u8", IntType::U8),
    ("u16", IntType::U16),
    ("u32", IntType::U32),
    ("u64", IntType::U64),
];

/// A type with its plan.
#[derive(Debug)]
pub(super) struct Typed {
    pub(super) ty: Type,
    pub(super) plan: Json,
}

impl Typed {
    pub(super) fn of(ty: Type, plan: impl Into<Json>) -> Self {
        Self { ty, plan: plan.into() }
    }

    /// Returns the type of a list of this type.
    pub(super) fn list(self) -> Self {
        Self::of(Type::List(Arc::new(self.ty)), json!({ "l": self.plan }))
    }

    /// Returns the type of an optional value of this type.
    pub(super) fn option(self) -> Self {
        Self::of(Type::Option(Arc::new(self.ty)), json!({ "o": self.plan }))
    }

    /// Returns the type of a tuple with these types.
    pub(super) fn tuple(all: Vec<Self>) -> Self {
        let (types, plans): (Vec<_>, Vec<_>) = all.into_iter().map(|typed| (typed.ty, typed.plan)).unzip();
        Self::of(Type::Tuple(types.into()), json!({ "t": plans }))
    }
}

/// Returns the integer type with this name.
pub(super) fn integer(name: &str) -> Option<IntType> {
    INTEGERS.iter().find(|(known, _)| *known == name).map(|(_, int)| *int)
}
