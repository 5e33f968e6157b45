//! `!secret NAME`: the tag that names a secret.

use crate::diagnostic::Code;
use crate::secret::valid_name;

use super::fields::Fields;
use super::node::Node;
use super::node::NodeKind;
use super::node::key_text;

/// Reads the name of the secret from a `!secret` tag.
pub(crate) fn read_secret(node: &Node, fields: &mut Fields<'_>) -> Option<String> {
    let name = match &node.kind {
        NodeKind::Scalar(_) if !node.filled => key_text(node),
        _ => String::new(),
    };
    if valid_name(&name) {
        return Some(name);
    }
    let help = Some("write `!secret NAME`, with a name that jobcontrol.yaml has under `secrets:`".to_owned());
    fields.report(Code::SecretSyntax, node.span, "`!secret` takes the name of a secret", help);
    None
}
