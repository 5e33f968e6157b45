//! `pool`: the slots that each build of a job takes while it runs.

use std::collections::BTreeMap;

use serde_json::json;

use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Span;
use crate::diagnostic::nearest;
use crate::limits::Unit;
use crate::pool::MAX_SIZE;
use crate::pool::PoolUse;
use crate::schema::parts::described;
use crate::schema::parts::object;
use crate::schema::parts::or_variable;
use crate::value::Value;
use crate::yaml::fields::Fields;
use crate::yaml::node::Node;
use crate::yaml::node::NodeKind;
use crate::yaml::quantity::number;

use super::id::PATTERN;
use super::id::valid_id;
use super::job_key::JobKey;

const KEYS: &[&str] = &["name", "slots"];

pub(crate) const POOL: JobKey = JobKey {
    name: "pool",
    decisive: false,
    packed_at: 16,
    read: |draft, fields| draft.job.pool = read(&draft.context.pools, fields),
    // Packed only if there is one, so that configs from before pools existed stay equal.
    pack: |job| job.pool.as_ref().map(pack),
    unpack: |packed, job| job.pool = unpack(packed),
    schema: |_| {
        described(
            "The pool that each build takes slots of while it runs: its name, or a mapping with the number of slots.",
            schema(),
        )
    },
};

/// Reads a name, or a mapping of name and slots. `pools` holds the sizes of all pools, by name.
fn read(pools: &BTreeMap<String, u32>, fields: &mut Fields<'_>) -> Option<PoolUse> {
    if !matches!(fields.peek(POOL.name)?.kind, NodeKind::Map(_)) {
        let (name, span) = fields.string(POOL.name)?;
        return known(PoolUse { name, slots: 1 }, span, span, pools, fields);
    }
    let (_, node) = fields.take(POOL.name)?;
    let whole = node.span;
    let mut inner = Fields::new(fields.source, fields.problems, node, "`pool`")?;
    let unnamed = inner.peek("name").is_none();
    let name = inner.string("name");
    let slots = inner.take("slots").map(|(_, node)| (slots(&node, "slots", &mut inner), node.span));
    if unnamed && !inner.has_misspelt("name", KEYS) {
        let help = Some("write `pool: db`, or `pool: { name: db, slots: 1 }`".to_owned());
        inner.report(Code::InvalidPool, whole, "`pool` has no `name`", help);
    }
    inner.finish(KEYS, &[]);
    let (name, span) = name?;
    let (slots, slots_span) = slots.unwrap_or((Some(1), span));
    known(PoolUse { name, slots: slots? }, span, slots_span, pools, fields)
}

/// Checks the use of a pool against the existing pools. The spans are those of its name and its
/// slots.
fn known(
    pool: PoolUse,
    name: Span,
    slots: Span,
    pools: &BTreeMap<String, u32>,
    fields: &mut Fields<'_>,
) -> Option<PoolUse> {
    let lines = format!("`pools: {{ {}: {} }}`", pool.name, pool.slots);
    match pools.get(&pool.name) {
        Some(size) if *size >= pool.slots => return Some(pool),
        Some(size) => {
            let message = format!("pool `{}` has {}, but the job takes {}", pool.name, counted(*size), pool.slots);
            let help = Some(format!("take fewer, or make the pool larger in jobcontrol.yaml: {lines}"));
            fields.report(Code::PoolTooSmall, slots, message, help);
        }
        None => {
            let near = nearest(&pool.name, pools.keys().map(String::as_str));
            let near = near.map(|near| format!("did you mean `{near}`?"));
            let add = valid_id(&pool.name).then(|| format!("to add the pool, write in jobcontrol.yaml: {lines}"));
            let problem =
                Diagnostic::at(Code::NoSuchPool, fields.source, name, format!("there is no pool `{}`", pool.name));
            fields.problems.push(problem.maybe_help(near).maybe_help(add));
        }
    }
    None
}

fn counted(size: u32) -> String {
    if size == 1 { "1 slot".to_owned() } else { format!("{size} slots") }
}

/// Reads a number of slots: the size of a pool, or what a build takes.
pub(crate) fn slots(node: &Node, key: &str, fields: &mut Fields<'_>) -> Option<u32> {
    number(node, key, Unit::Count, MAX_SIZE.into(), fields).and_then(|slots| u32::try_from(slots).ok())
}

fn pack(pool: &PoolUse) -> Value {
    let slots = Value::Int(pool.slots.into());
    Value::map([("name", Value::string(&pool.name)), ("slots", slots)])
}

/// Reads the pool from a build config.
pub(crate) fn unpack(packed: &Value) -> Option<PoolUse> {
    let (Value::String(name), Value::Int(slots)) = (packed.get("name")?, packed.get("slots")?) else {
        return None;
    };
    Some(PoolUse { name: name.clone(), slots: u32::try_from(*slots).ok()?.clamp(1, MAX_SIZE) })
}

fn schema() -> serde_json::Value {
    let name = or_variable(&json!({ "type": "string", "pattern": PATTERN }));
    let slots = or_variable(&json!({ "type": "integer", "minimum": 1, "maximum": MAX_SIZE }));
    let keys = json!({
        "name": described("A pool that jobcontrol.yaml lists.", name.clone()),
        "slots": described("How many of its slots; 1 by default.", slots),
    });
    json!({ "anyOf": [name, object(keys, &["name"])] })
}
