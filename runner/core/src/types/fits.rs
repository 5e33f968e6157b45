//! Decides which types fit which: the single relation behind every `!retval`.

use std::collections::HashSet;
use std::sync::Arc;

use crate::diagnostic::listed;
use crate::failure::cut_bytes;

use super::ty::IntType;
use super::ty::Named;
use super::ty::Type;

/// Largest power of two up to which `f64` and `f32` represent every integer exactly.
const F64_EXACT: i128 = 1 << 53;
const F32_EXACT: i128 = 1 << 24;

/// Maximum bytes of an outline: a longer one is no more helpful.
const OUTLINE: usize = 700;

/// The first place where two types do not match.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{reason}", if path.is_empty() { String::new() } else { format!("{path}: ") })]
pub struct Misfit {
    /// Where, from the outside in: `orders[].total`.
    pub path: String,
    /// The reason, with both types: `u64 does not fit u32`.
    pub reason: String,
    /// A hint that fixes it, if one is known.
    pub help: Option<String>,
    /// The given type, expanded down to the place: `list<order { total: u64, .. }>`.
    pub from: String,
    /// The expected type, expanded in the same way.
    pub to: String,
}

impl Misfit {
    fn of(from: &Type, to: &Type) -> Self {
        let (mut shown, mut wanted) = (from.to_string(), to.to_string());
        if shown == wanted {
            (shown, wanted) = (with_keyword(from), with_keyword(to));
        }
        let reason = format!("{shown} does not fit {wanted}");
        let (shown, wanted) = (opened(from), opened(to));
        match from {
            Type::Option(inner) if Walk::default().fits(inner, to).is_ok() => {
                let help = format!("a function that takes option<{to}> accepts an absent value");
                Self { help: Some(help), ..Self::because(format!("{reason}: the value may be absent"), shown, wanted) }
            }
            Type::Option(_) => Self::because(format!("{reason}, and the value may be absent"), shown, wanted),
            _ => Self::because(reason, shown, wanted),
        }
    }

    fn because(reason: String, from: String, to: String) -> Self {
        Self { path: String::new(), reason, help: None, from, to }
    }

    /// Moves one level outwards; `outer` names that level in the path.
    fn within(mut self, outer: &str, from: impl Fn(&str) -> String, to: impl Fn(&str) -> String) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{outer}{dot}{}", self.path);
        self.opened(from, to)
    }

    /// Moves one level outwards, without adding to the path.
    fn opened(mut self, from: impl Fn(&str) -> String, to: impl Fn(&str) -> String) -> Self {
        (self.from, self.to) = (from(&self.from), to(&self.to));
        cut_bytes(&mut self.from, OUTLINE);
        cut_bytes(&mut self.to, OUTLINE);
        self
    }
}

/// Formats a type; a declared type gets its keyword.
fn with_keyword(ty: &Type) -> String {
    let keyword = match ty {
        Type::Record(_) => "record ",
        Type::Variant(_) => "variant ",
        Type::Enum(_) => "enum ",
        Type::Flags(_) => "flags ",
        _ => "",
    };
    format!("{keyword}{ty}")
}

/// Formats a type with the names of its members, if it has any.
fn opened(ty: &Type) -> String {
    match ty {
        Type::Record(named) => outline(named),
        Type::Variant(named) => outline(named),
        Type::Enum(named) | Type::Flags(named) => outline(named),
        _ => ty.to_string(),
    }
}

/// Formats a type with one member, and `..` for the others.
fn one_of<T>(named: &Named<T>, member: &str) -> String {
    format!("{} {{ {member}{} }}", named.name, if named.members.len() > 1 { ", .." } else { "" })
}

/// Formats a type with the names of its members; of many, only the first.
fn outline<T>(named: &Named<T>) -> String {
    const SHOWN: usize = 12;
    let more = if named.members.len() > SHOWN { ", .." } else { "" };
    format!("{} {{ {}{more} }}", named.name, named.names().take(SHOWN).collect::<Vec<_>>().join(", "))
}

/// Formats a case with what it carries.
fn case_of(name: &str, payload: Option<&Type>) -> String {
    payload.map_or_else(|| name.to_owned(), |payload| format!("{name}({payload})"))
}

fn around(before: &'static str, after: &'static str) -> impl Fn(&str) -> String {
    move |inner| format!("{before}{inner}{after}")
}

/// Checks whether every value of type `from` can be used where `to` is expected.
///
/// Integers widen and never narrow. An integer type fits a float type only if each of its values is
/// exact. `T` fits `option<T>`. Records fit by field name: extra fields are dropped, and a field
/// may be missing only if the target's field is an option. All enum and variant cases must exist in
/// the target. All other types fit element by element.
///
/// The relation is reflexive, and transitive with one exception. A field of a record that is
/// dropped on the way may come back as an option of any type, with the value `none`.
///
/// # Errors
///
/// Returns the first place where the types do not match.
pub fn fits(from: &Type, to: &Type) -> Result<(), Misfit> {
    Walk::default().fits(from, to)
}

/// A walk over two types. Shared parts are visited once.
#[derive(Default)]
struct Walk {
    /// Pairs of types with members that fit, by their memory addresses.
    fit: HashSet<(*const (), *const ())>,
}

impl Walk {
    fn fits(&mut self, from: &Type, to: &Type) -> Result<(), Misfit> {
        match (from, to) {
            (Type::Unsupported(_), _) | (_, Type::Unsupported(_)) => Err(Misfit::of(from, to)),
            (Type::Option(from), Type::Option(to)) => {
                self.fits(from, to).map_err(|m| m.within("some", around("option<", ">"), around("option<", ">")))
            }
            (from, Type::Option(to)) => {
                self.fits(from, to).map_err(|m| m.opened(str::to_owned, around("option<", ">")))
            }
            (Type::Int(a), Type::Int(b)) if inside(*a, b.range()) => Ok(()),
            (Type::Int(a), Type::F64) if inside(*a, (-F64_EXACT, F64_EXACT)) => Ok(()),
            (Type::Int(a), Type::F32) if inside(*a, (-F32_EXACT, F32_EXACT)) => Ok(()),
            (Type::F32, Type::F64) => Ok(()),
            (Type::List(a), Type::List(b)) => {
                self.fits(a, b).map_err(|m| m.within("[]", around("list<", ">"), around("list<", ">")))
            }
            (Type::Tuple(a), Type::Tuple(b)) => self.tuple(from, to, a, b),
            (Type::Result(a_ok, a_err), Type::Result(b_ok, b_err)) => {
                let ok = || around("result<", ", ..>");
                let err = || around("result<.., ", ">");
                self.payload("ok", (a_ok.as_deref(), b_ok.as_deref()), to).map_err(|m| m.within("ok", ok(), ok()))?;
                self.payload("err", (a_err.as_deref(), b_err.as_deref()), to).map_err(|m| m.within("err", err(), err()))
            }
            (Type::Record(a), Type::Record(b)) => self.once(a, b, |walk| walk.record(a, b)),
            (Type::Variant(a), Type::Variant(b)) => self.once(a, b, |walk| walk.variant(a, b, to)),
            (Type::Enum(a), Type::Enum(b)) | (Type::Flags(a), Type::Flags(b)) => {
                self.once(a, b, |_| no_cases_missing(a, b, to))
            }
            (a, b) if a == b => Ok(()),
            _ => Err(Misfit::of(from, to)),
        }
    }

    /// Compares a pair unless it was already found to fit.
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
        let count = a.len();
        for (i, (a, b)) in a.iter().zip(b).enumerate() {
            let before = if i > 0 { ".., " } else { "" };
            let after = if i + 1 < count { ", .." } else { "" };
            let open = |inner: &str| format!("tuple<{before}{inner}{after}>");
            self.fits(a, b).map_err(|m| m.within(&format!("[{i}]"), open, open))?;
        }
        Ok(())
    }

    /// Compares what a case carries on both sides.
    fn payload(&mut self, case: &str, sides: (Option<&Type>, Option<&Type>), to: &Type) -> Result<(), Misfit> {
        let carries = |ty: Option<&Type>| ty.map_or_else(|| "nothing".to_owned(), ToString::to_string);
        match sides {
            (Some(a), Some(b)) => self.fits(a, b),
            (None, None) => Ok(()),
            (a, b) => {
                let reason = format!("`{case}` carries {}, but {} in {to}", carries(a), carries(b));
                let shown = |ty: Option<&Type>| ty.map_or_else(|| "_".to_owned(), ToString::to_string);
                Err(Misfit::because(reason, shown(a), shown(b)))
            }
        }
    }

    fn variant(&mut self, a: &Named<Option<Type>>, b: &Named<Option<Type>>, to: &Type) -> Result<(), Misfit> {
        no_cases_missing(a, b, to)?;
        for (case, payload) in &a.members {
            let wanted = b.get(case).and_then(|(_, wanted)| wanted.as_ref());
            self.payload(case, (payload.as_ref(), wanted), to).map_err(|m| {
                let open = |named: &Named<Option<Type>>, inner: &str, carries: bool| {
                    one_of(named, &if carries { format!("{case}({inner})") } else { case_of(case, None) })
                };
                let (from, to) = (payload.is_some(), wanted.is_some());
                m.within(case, |inner| open(a, inner, from), |inner| open(b, inner, to))
            })?;
        }
        Ok(())
    }

    fn record(&mut self, a: &Named<Type>, b: &Named<Type>) -> Result<(), Misfit> {
        for (field, wanted) in &b.members {
            match (a.get(field), wanted) {
                (Some((_, given)), _) => self.fits(given, wanted).map_err(|m| {
                    let open = |named: &Named<Type>, inner: &str| one_of(named, &format!("{field}: {inner}"));
                    m.within(field, |inner| open(a, inner), |inner| open(b, inner))
                })?,
                (None, Type::Option(_)) => {}
                (None, _) => {
                    let reason = format!("`{}` has no field `{field}`, which `{}` needs", a.name, b.name);
                    return Err(Misfit::because(reason, outline(a), one_of(b, &format!("{field}: {wanted}"))));
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

/// Checks that `b` has every case of `a`.
fn no_cases_missing<T>(a: &Named<T>, b: &Named<T>, to: &Type) -> Result<(), Misfit> {
    let missing: Vec<_> = a.names().filter(|case| b.get(case).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let what = match to {
        Type::Flags(_) => "flag",
        _ => "case",
    };
    let plural = if missing.len() == 1 { "" } else { "s" };
    let reason = format!("`{to}` has no {what}{plural} {}", listed(missing.into_iter()));
    let help = format!("`{to}` has the {what}s {}", listed(b.names()));
    Err(Misfit { help: Some(help), ..Misfit::because(reason, outline(a), outline(b)) })
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

    #[test]
    fn both_types_are_opened_down_to_where_they_part() {
        let misfit = |from: &str, to: &str| {
            let Misfit { from, to, help, .. } = fits(&ty(from), &ty(to)).unwrap_err();
            (from, to, help.unwrap_or_default())
        };
        let from = "record order { id: string, total: u64 } record page { orders: list<order> } type t = page;";
        let to = "record line { total: u32 } record sheet { orders: list<line>, n: u8 } type t = sheet;";
        let (opened, wanted, _) = misfit(from, to);
        assert_eq!(opened, "page { orders: list<order { total: u64, .. }> }");
        assert_eq!(wanted, "sheet { orders: list<line { total: u32 }>, .. }");
        let (opened, wanted, help) = misfit("enum a { x, y, z } type t = a;", "enum b { x } type t = option<b>;");
        assert_eq!((opened.as_str(), wanted.as_str()), ("a { x, y, z }", "option<b { x }>"));
        assert_eq!(help, "`b` has the cases `x`");
        let (opened, wanted, _) = misfit("variant a { x, y(u8) } type t = a;", "variant b { x, y } type t = b;");
        assert_eq!((opened.as_str(), wanted.as_str()), ("a { y(u8), .. }", "b { y, .. }"));
        let (opened, wanted, _) = misfit("type t = tuple<u8, u64, u8>;", "type t = tuple<u8, u32, u8>;");
        assert_eq!((opened.as_str(), wanted.as_str()), ("tuple<.., u64, ..>", "tuple<.., u32, ..>"));
        let (opened, wanted, _) = misfit("record a { x: u8, y: u8 } type t = list<a>;", "type t = list<u8>;");
        assert_eq!((opened.as_str(), wanted.as_str()), ("list<a { x, y }>", "list<u8>"));
    }

    #[test]
    fn an_option_says_that_the_value_may_be_absent() {
        let misfit = fits(&ty("type t = option<u32>;"), &ty("type t = u32;")).unwrap_err();
        assert_eq!(misfit.reason, "option<u32> does not fit u32: the value may be absent");
        assert_eq!(misfit.help.as_deref(), Some("a function that takes option<u32> accepts an absent value"));
    }

    #[test]
    fn two_types_of_one_name_are_told_apart() {
        assert_eq!(parts("enum a { x } type t = a;", "record a { x: u8 } type t = a;"), "enum a does not fit record a");
    }
}
