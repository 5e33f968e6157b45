//! `pool` of a job, and `pools` of `jobcontrol.yaml`.

use std::collections::BTreeMap;

use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Span;
use crate::diagnostic::nearest;
use crate::limits::Unit;
use crate::pool::MAX_SIZE;
use crate::pool::PoolUse;
use crate::yaml::fields::Fields;
use crate::yaml::node::Node;
use crate::yaml::node::NodeKind;
use crate::yaml::node::key_text;
use crate::yaml::quantity::number;

use super::parse::valid_id;

const KEYS: &[&str] = &["name", "slots"];

/// Takes `pool` of a job: a name, or a mapping of name and slots. `pools` are the sizes of all pools, by name.
pub(super) fn pool(pools: &BTreeMap<String, u32>, fields: &mut Fields<'_>) -> Option<PoolUse> {
    if !matches!(fields.peek("pool")?.kind, NodeKind::Map(_)) {
        let (name, span) = fields.string("pool")?;
        return known(PoolUse { name, slots: 1 }, (span, span), pools, fields);
    }
    let (_, node) = fields.take("pool")?;
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
    known(PoolUse { name, slots: slots? }, (span, slots_span), pools, fields)
}

/// Compares the use of a pool with the pools that there are. The spans are of its name and its slots.
fn known(
    pool: PoolUse,
    (name, slots): (Span, Span),
    pools: &BTreeMap<String, u32>,
    fields: &mut Fields<'_>,
) -> Option<PoolUse> {
    let lines = format!("`pools: {{ {}: {} }}`", pool.name, pool.slots);
    match pools.get(&pool.name) {
        Some(size) if *size >= pool.slots => return Some(pool),
        Some(size) => {
            let message = format!("pool `{}` has {}, and the job takes {}", pool.name, counted(*size), pool.slots);
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

fn slots(node: &Node, key: &str, fields: &mut Fields<'_>) -> Option<u32> {
    number(node, key, Unit::Count, MAX_SIZE.into(), fields).and_then(|slots| u32::try_from(slots).ok())
}

/// Takes `pools` of `jobcontrol.yaml`: the size of each pool, by name.
pub(super) fn sizes(fields: &mut Fields<'_>) -> BTreeMap<String, u32> {
    let mut sizes = BTreeMap::new();
    let Some((_, node)) = fields.take("pools") else {
        return sizes;
    };
    let found = node.kind_name();
    let NodeKind::Map(entries) = node.kind else {
        let help = Some("write `pools: { db: 3 }`".to_owned());
        fields.report(Code::WrongKind, node.span, format!("`pools` is a mapping, found {found}"), help);
        return sizes;
    };
    for (key, node) in entries {
        let name = key_text(&key);
        if !valid_id(&name) {
            let help = Some("a pool's name is like a job's id: letters, digits, `_` and `-`".to_owned());
            fields.report(Code::InvalidPool, key.span, format!("`{name}` cannot be a pool's name"), help);
        } else if let Some(size) = slots(&node, &name, fields) {
            sizes.insert(name, size);
        }
    }
    sizes
}
