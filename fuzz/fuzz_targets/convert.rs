//! Two types as WIT text and a literal as YAML, each up to a line of `---`: a literal of the first
//! type that is accepted has to convert wherever the type fits.
#![no_main]

use jobcontrol_core::job::Arg;
use jobcontrol_core::manifest::parse_value;
use jobcontrol_core::types::Retvals;
use jobcontrol_core::types::Type;
use jobcontrol_core::types::convert;
use jobcontrol_core::types::fits;
use jobcontrol_core::types::from_text;
use jobcontrol_core::types::resolve;
use jobcontrol_core::types::to_text;
use jobcontrol_core::value::Value;
use libfuzzer_sys::fuzz_target;

struct Nothing;

impl Retvals for Nothing {
    fn retval(&self, _: &str) -> Option<(&Type, Option<&Value>)> {
        None
    }
}

fn literal(value: Value, ty: &Type) -> Option<Value> {
    let mut problems = Vec::new();
    let value = resolve(&Arg::literal(value), "it", ty, &Nothing, &mut problems);
    problems.is_empty().then_some(value)
}

fuzz_target!(|text: &str| {
    let mut parts = text.splitn(3, "\n---\n");
    let (Some(from), to, value) = (parts.next(), parts.next(), parts.next()) else { return };
    let Ok(from) = from_text(from) else { return };
    let again = from_text(&to_text(&from)).expect("what was written can be read");
    if from.unsupported().is_none() {
        assert_eq!(fits(&from, &again), Ok(()));
    }
    let Some(value) = value.and_then(|text| parse_value(text).ok()) else { return };
    let Some(value) = literal(value, &from) else { return };
    let Some(Ok(to)) = to.map(from_text) else { return };
    if fits(&from, &to).is_ok() {
        let converted = convert(value, &from, &to).expect("what fits converts");
        literal(converted, &to).expect("and is of the type");
    }
});
