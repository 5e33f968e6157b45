//! Which types may stand for which: the one relation behind every `!retval`.

use std::collections::HashSet;
use std::sync::Arc;

use super::ty::IntType;
use super::ty::Named;
use super::ty::Type;

/// Largest power of two up to which `f64` and `f32` keep every integer.
const F64_EXACT: i128 = 1 << 53;
const F32_EXACT: i128 = 1 << 24;

/// The first place where two types part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{reason}", if path.is_empty() { String::new() } else { format!("{path}: ") })]
pub struct Misfit {
    /// Where, from the outside in: `orders[].total`.
    pub path: String,
    /// Why, with both types: `u64 does not fit u32`.
    pub reason: String,
}

impl Misfit {
    fn of(from: &Type, to: &Type) -> Self {
        Self { path: String::new(), reason: format!("{from} does not fit {to}") }
    }

    fn because(reason: String) -> Self {
        Self { path: String::new(), reason }
    }

    fn within(mut self, outer: &str) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{outer}{dot}{}", self.path);
        self
    }
}

/// Whether every value of type `from` can be taken where `to` is asked for.
///
/// Integers widen and never narrow; an integer fits a float only where each of its values is exact; `T` fits
/// `option<T>`; records fit by field name, extra fields dropped, missing ones only where the target is an option; all
/// enum and variant cases must exist in the target; the rest goes element by element.
///
/// The relation is reflexive, and transitive but for one thing: a record's field that is dropped on the way may come
/// again as an option of any type, which is then none.
///
/// # Errors
///
/// The first place where the types part.
pub fn fits(from: &Type, to: &Type) -> Result<(), Misfit> {
    Walk::default().fits(from, to)
}

/// A walk over two types. What is shared in them is looked at once.
#[derive(Default)]
struct Walk {
    /// Pairs of types with members that fit, by where they are in memory.
    fit: HashSet<(*const (), *const ())>,
}

impl Walk {
    fn fits(&mut self, from: &Type, to: &Type) -> Result<(), Misfit> {
        match (from, to) {
            (Type::Unsupported(_), _) | (_, Type::Unsupported(_)) => Err(Misfit::of(from, to)),
            (Type::Option(from), Type::Option(to)) => self.fits(from, to).map_err(|m| m.within("some")),
            (from, Type::Option(to)) => self.fits(from, to),
            (Type::Int(a), Type::Int(b)) if inside(*a, b.range()) => Ok(()),
            (Type::Int(a), Type::F64) if inside(*a, (-F64_EXACT, F64_EXACT)) => Ok(()),
            (Type::Int(a), Type::F32) if inside(*a, (-F32_EXACT, F32_EXACT)) => Ok(()),
            (Type::F32, Type::F64) => Ok(()),
            (Type::List(a), Type::List(b)) => self.fits(a, b).map_err(|m| m.within("[]")),
            (Type::Tuple(a), Type::Tuple(b)) => self.tuple(from, to, a, b),
            (Type::Result(a_ok, a_err), Type::Result(b_ok, b_err)) => {
                self.payload(from, to, a_ok.as_deref(), b_ok.as_deref()).map_err(|m| m.within("ok"))?;
                self.payload(from, to, a_err.as_deref(), b_err.as_deref()).map_err(|m| m.within("err"))
            }
            (Type::Record(a), Type::Record(b)) => self.once(a, b, |walk| walk.record(a, b)),
            (Type::Variant(a), Type::Variant(b)) => self.once(a, b, |walk| {
                for (case, payload) in &a.members {
                    let Some((_, wanted)) = b.get(case) else {
                        return Err(no_case(case, to));
                    };
                    walk.payload(from, to, payload.as_ref(), wanted.as_ref()).map_err(|m| m.within(case))?;
                }
                Ok(())
            }),
            (Type::Enum(a), Type::Enum(b)) | (Type::Flags(a), Type::Flags(b)) => {
                self.once(a, b, |_| match a.names().find(|case| b.get(case).is_none()) {
                    Some(case) => Err(no_case(case, to)),
                    None => Ok(()),
                })
            }
            (a, b) if a == b => Ok(()),
            _ => Err(Misfit::of(from, to)),
        }
    }

    /// Looks at a pair unless it was found to fit before.
    fn once<T>(
        &mut self,
        a: &Arc<Named<T>>,
        b: &Arc<Named<T>>,
        look: impl FnOnce(&mut Self) -> Result<(), Misfit>,
    ) -> Result<(), Misfit> {
        let pair = (Arc::as_ptr(a).cast(), Arc::as_ptr(b).cast());
        if self.fit.contains(&pair) {
            return Ok(());
        }
        look(self)?;
        self.fit.insert(pair);
        Ok(())
    }

    fn tuple(&mut self, from: &Type, to: &Type, a: &[Type], b: &[Type]) -> Result<(), Misfit> {
        if a.len() != b.len() {
            return Err(Misfit::of(from, to));
        }
        for (i, (a, b)) in a.iter().zip(b).enumerate() {
            self.fits(a, b).map_err(|m| m.within(&format!("[{i}]")))?;
        }
        Ok(())
    }

    fn payload(&mut self, from: &Type, to: &Type, a: Option<&Type>, b: Option<&Type>) -> Result<(), Misfit> {
        match (a, b) {
            (Some(a), Some(b)) => self.fits(a, b),
            (None, None) => Ok(()),
            _ => Err(Misfit::of(from, to)),
        }
    }

    fn record(&mut self, a: &Named<Type>, b: &Named<Type>) -> Result<(), Misfit> {
        for (field, wanted) in &b.members {
            match (a.get(field), wanted) {
                (Some((_, given)), _) => self.fits(given, wanted).map_err(|m| m.within(field))?,
                (None, Type::Option(_)) => {}
                (None, _) => {
                    let reason = format!("`{}` has no field `{field}`, which `{}` needs", a.name, b.name);
                    return Err(Misfit::because(reason));
                }
            }
        }
        Ok(())
    }
}

fn inside(int: IntType, bounds: (i128, i128)) -> bool {
    let (low, high) = bounds;
    let (min, max) = int.range();
    low <= min && max <= high
}

fn no_case(case: &str, to: &Type) -> Misfit {
    Misfit::because(format!("`{to}` has no case `{case}`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::wit::from_text;

    fn ty(text: &str) -> Type {
        from_text(text).unwrap()
    }

    #[track_caller]
    fn parts(from: &str, to: &str) -> String {
        fits(&ty(from), &ty(to)).unwrap_err().to_string()
    }

    #[test]
    fn integers_widen_and_never_narrow() {
        assert_eq!(fits(&ty("type t = u8;"), &ty("type t = s16;")), Ok(()));
        assert_eq!(fits(&ty("type t = u32;"), &ty("type t = f64;")), Ok(()));
        assert_eq!(parts("type t = u64;", "type t = u32;"), "u64 does not fit u32");
        assert_eq!(parts("type t = s8;", "type t = u64;"), "s8 does not fit u64");
        assert_eq!(parts("type t = u64;", "type t = f64;"), "u64 does not fit f64");
        assert_eq!(parts("type t = u32;", "type t = f32;"), "u32 does not fit f32");
    }

    #[test]
    fn the_first_place_where_types_part_is_named() {
        let from = "record order { id: string, total: u64 } record page { orders: list<order> } type t = page;";
        let to = "record order { id: string, total: u32 } record page { orders: list<order> } type t = page;";
        assert_eq!(parts(from, to), "orders[].total: u64 does not fit u32");
    }

    #[test]
    fn records_fit_by_field_name() {
        let wide = "record a { x: u8, y: string } type t = a;";
        let narrow = "record b { y: string, z: option<u8> } type t = b;";
        assert_eq!(fits(&ty(wide), &ty(narrow)), Ok(()));
        assert_eq!(parts(narrow, wide), "`b` has no field `x`, which `a` needs");
    }

    #[test]
    fn cases_must_exist_in_the_target() {
        let small = "enum a { x } type t = a;";
        let large = "enum b { x, y } type t = b;";
        assert_eq!(fits(&ty(small), &ty(large)), Ok(()));
        assert_eq!(parts(large, small), "`a` has no case `y`");
    }
}
