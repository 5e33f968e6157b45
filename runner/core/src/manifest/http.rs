//! `http` and `ceiling.http` of `jobcontrol.yaml`: which requests jobs may be granted, and how they
//! are made.

use crate::diagnostic::Code;
use crate::grants::http::read_ceiling_rule;
use crate::http::AddressRange;
use crate::http::HttpRules;
use crate::http::Proxy;
use crate::http::Rule;
use crate::yaml::fields::Fields;

/// Takes `http` of `jobcontrol.yaml`.
pub(super) fn read_http(fields: &mut Fields<'_>, rules: &mut HttpRules) {
    let Some((_, node)) = fields.take("http") else {
        return;
    };
    let Some(mut http) = Fields::new(fields.source, fields.problems, node, "`http`") else {
        return;
    };
    for key in http.strings("addresses") {
        match AddressRange::parse(&key.name) {
            Ok(range) => rules.addresses.push(range),
            Err(reason) => {
                let help = Some("write `10.0.0.5`, or `10.0.0.0/8`".to_owned());
                http.report(Code::InvalidHttpRules, key.span, reason, help);
            }
        }
    }
    rules.ca = http.string("ca").map(|(path, _)| path);
    if let Some((text, span)) = http.string("proxy") {
        match Proxy::parse(&text) {
            Ok(proxy) => rules.proxy = Some(proxy),
            Err(reason) => {
                let help = Some("write `http://HOST:PORT`".to_owned());
                http.report(Code::InvalidHttpRules, span, reason, help);
            }
        }
    }
    http.finish(&["addresses", "ca", "proxy"], &[]);
}

/// Takes `http` of the ceiling: the only requests that a job may be granted.
pub(super) fn read_http_ceiling(fields: &mut Fields<'_>) -> Option<Vec<Rule>> {
    let items = fields.list("http")?;
    let rules = items.into_iter().filter_map(|item| {
        let entry = Fields::new(fields.source, fields.problems, item, "an entry of `http`")?;
        read_ceiling_rule(entry)
    });
    Some(rules.collect())
}
