//! `pools` of `jobcontrol.yaml`: how many slots each pool has.

use std::collections::BTreeMap;

use crate::diagnostic::Code;
use crate::yaml::fields::Fields;
use crate::yaml::node::key_text;

use super::keys::id::valid_id;
use super::keys::pool::slots;

/// Takes `pools` of `jobcontrol.yaml`: the size of each pool, by name.
pub(super) fn read_pools(fields: &mut Fields<'_>) -> BTreeMap<String, u32> {
    let mut sizes = BTreeMap::new();
    for (key, node) in fields.mapping("pools", "{ db: 3 }") {
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
