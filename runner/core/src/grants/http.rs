//! `grants: { http: [..] }`: requests that the plugin may make.

use serde_json::json;

use crate::diagnostic::Code;
use crate::diagnostic::Span;
use crate::http::HostPattern;
use crate::http::PathPattern;
use crate::http::Rule;
use crate::http::Scheme;
use crate::http::is_method;
use crate::schema::parts::described;
use crate::schema::parts::object;
use crate::secret::valid_name;
use crate::value::Name;
use crate::value::SECRET_KEY;
use crate::value::Value;
use crate::value::as_tag;
use crate::yaml::fields::Fields;
use crate::yaml::node::Node;
use crate::yaml::node::NodeKind;
use crate::yaml::node::key_text;
use crate::yaml::secret::read_secret;

use super::grant::Grant;
use super::today::Repeated;
use super::today::Today;
use super::today::Withdrawn;

/// Every key of a rule.
const RULE_KEYS: &[&str] = &["host", "scheme", "ports", "methods", "paths"];
/// Every key of an entry.
const KEYS: &[&str] = &["host", "scheme", "ports", "methods", "paths", "headers"];

/// Methods that only read. An entry without `methods` allows these.
const READING: &[&str] = &["GET", "HEAD"];

/// Headers that control the transport of a message. Only the runner sets them.
const TRAVEL: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Requests that a plugin may make.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpGrant {
    /// The requests that are allowed; `None` if the job says that it makes no requests at all.
    pub rule: Option<Rule>,
    /// Headers that the runner adds to each request, with names in lower case. The plugin does not
    /// see them.
    pub headers: Vec<(String, Vec<HeaderPart>)>,
    /// The place of `host` in the manifest.
    pub span: Span,
}

/// A piece of a header's value.
#[derive(Clone, Debug, PartialEq)]
pub enum HeaderPart {
    /// Text that is sent as it is.
    Text(String),
    /// The value of a secret.
    Secret(String, Span),
}

impl HttpGrant {
    /// Returns whether another entry adds the same headers, so that a secret is sent only where
    /// today's job sends it.
    fn adds_the_same(&self, other: &Self) -> bool {
        let packed = |grant: &Self| {
            let mut headers = pack_headers(&grant.headers);
            headers.sort_by(|(one, _), (other, _)| one.cmp(other));
            headers
        };
        packed(self) == packed(other)
    }

    /// Returns the secrets in the headers, each with its place.
    pub fn secrets(&self) -> impl Iterator<Item = (&str, Span)> {
        self.headers.iter().flat_map(|(_, parts)| parts).filter_map(|part| match part {
            HeaderPart::Text(_) => None,
            HeaderPart::Secret(name, span) => Some((name.as_str(), *span)),
        })
    }
}

impl Grant for HttpGrant {
    const KEY: &'static str = "http";

    fn read(fields: &mut Fields<'_>) -> Vec<Self> {
        let Some(span) = fields.peek(Self::KEY).map(|node| node.span) else {
            return Vec::new();
        };
        let Some(items) = fields.list(Self::KEY) else {
            return Vec::new();
        };
        if items.is_empty() {
            return vec![Self { rule: None, headers: Vec::new(), span }];
        }
        let entries = items.into_iter().filter_map(|item| {
            if let NodeKind::Scalar(Value::String(host)) = &item.kind {
                let message = format!("an entry of `http` is a mapping, found {}", item.shown());
                fields.report(Code::WrongKind, item.span, message, Some(host_help(host)));
                return None;
            }
            let mut entry = Fields::new(fields.source, fields.problems, item, "an entry of `http`")?;
            let place = entry.peek("host").map_or(entry.span, |node| node.span);
            let rule = read_rule(&mut entry);
            let headers = read_headers(&mut entry);
            entry.finish(KEYS, &[]);
            let rule = rule.map(|rule| {
                let scheme = rule.scheme.unwrap_or(Scheme::Https);
                let ports = rule.ports.or_else(|| Some(vec![scheme.port()]));
                let reading = || READING.iter().map(|method| (*method).to_owned()).collect();
                let methods = rule.methods.or_else(|| Some(reading()));
                Rule { scheme: Some(scheme), ports, methods, ..rule }
            });
            rule.map(|rule| Self { rule: Some(rule), headers, span: place })
        });
        entries.collect()
    }

    fn pack(grants: &[Self]) -> Option<Value> {
        let entry = |grant: &Self| {
            let mut entry = pack_rule(grant.rule.as_ref()?);
            entry.push(("headers", Value::Map(pack_headers(&grant.headers))));
            Some(Value::map(entry))
        };
        (!grants.is_empty()).then(|| Value::List(grants.iter().filter_map(entry).collect()))
    }

    fn unpack(packed: &Value) -> Vec<Self> {
        let nothing = Self { rule: None, headers: Vec::new(), span: Span::default() };
        match packed {
            Value::List(entries) if entries.is_empty() => vec![nothing],
            packed => packed.items().iter().filter_map(unpack_entry).collect(),
        }
    }

    fn schema() -> serde_json::Value {
        let texts = json!({ "type": "array", "items": { "type": "string" } });
        let entry = json!({
            "host": { "description": "A host, or `*.example.com` for all hosts below it.", "type": "string" },
            "scheme": { "description": "`https` by default.", "enum": ["http", "https"] },
            "ports": {
                "description": "Ports; the scheme's port by default.",
                "type": "array", "items": { "type": "integer", "minimum": 1, "maximum": 65535 },
            },
            "methods": described("Methods; GET and HEAD by default.", texts.clone()),
            "paths": described("Paths; one that ends in `*` matches by prefix. All by default.", texts),
            "headers": {
                "description": "Headers that the runner adds: a text, a `!secret`, or a list of both.",
                "type": "object",
            },
        });
        json!({
            "description": "Requests that the plugin may make.",
            "type": ["array", "null"], "items": object(entry, &["host"]),
        })
    }

    /// A request is granted again if today's job still grants it, or if the job no longer exists
    /// and the operator limits the requests that may be granted.
    fn still_granted(granted: &[Self], repeated: &Repeated<'_>, today: &Today<'_, [Self]>) -> Result<(), Withdrawn> {
        let now = match today {
            Today::Gone if repeated.operator_lists_http => return Ok(()),
            today => today.grants().unwrap_or_default(),
        };
        let still = |grant: &Self| match &grant.rule {
            Some(wanted) => now
                .iter()
                .any(|now| now.rule.as_ref().is_some_and(|rule| rule.covers(wanted)) && now.adds_the_same(grant)),
            None => true,
        };
        match granted.iter().find(|grant| !still(grant)).and_then(|grant| grant.rule.as_ref()) {
            Some(wanted) => {
                let lines = format!("list it in jobcontrol.yaml: `ceiling: {{ http: [{wanted}] }}`");
                let gone = matches!(today, Today::Gone);
                Err(today.withdrawn(format!("requests to `{}`", wanted.host), gone.then_some(lines)))
            }
            None => Ok(()),
        }
    }
}

/// Reads an entry of the operator's ceiling. A part that is left out allows everything.
pub(crate) fn read_ceiling_rule(mut entry: Fields<'_>) -> Option<Rule> {
    let rule = read_rule(&mut entry);
    entry.finish(RULE_KEYS, &[]);
    rule
}

fn read_rule(entry: &mut Fields<'_>) -> Option<Rule> {
    let host = match entry.string("host") {
        Some((text, span)) => HostPattern::parse(&text).map_err(|reason| (reason, span)),
        None if entry.has_misspelt("host", KEYS) => return None,
        None => Err(("an entry of `http` needs `host`".to_owned(), entry.span)),
    };
    let host = host.map_err(|(reason, span)| {
        let written = entry.source.text.get(span.start..span.end).unwrap_or_default().trim_matches(['"', '\'']);
        let help = host_help(written);
        entry.report(Code::InvalidHttpGrant, span, reason, Some(help));
    });
    let scheme = entry.string("scheme").and_then(|(text, span)| {
        let scheme = Scheme::find(&text);
        if scheme.is_none() {
            let message = format!("`scheme` is `http` or `https`, found `{text}`");
            entry.report(Code::InvalidHttpGrant, span, message, None);
        }
        scheme
    });
    let ports = read_ports(entry);
    let methods = entry.peek("methods").is_some().then(|| entry.strings("methods")).map(|keys| {
        keys.into_iter().filter_map(|key| {
            let method = key.name.to_ascii_uppercase();
            if !is_method(&method) {
                let message = format!("`{}` is not a method that can be granted", key.name);
                entry.report(Code::InvalidHttpGrant, key.span, message, Some("such as `GET` or `POST`".to_owned()));
                return None;
            }
            Some(method)
        })
    });
    let methods = methods.map(Iterator::collect);
    let paths = entry.peek("paths").is_some().then(|| entry.strings("paths")).map(|keys| {
        keys.into_iter().filter_map(|key| match PathPattern::parse(&key.name) {
            Ok(path) => Some(path),
            Err(reason) => {
                let help = "write `/v1/orders`, or `/v1/*` for all paths that begin with `/v1/`".to_owned();
                entry.report(Code::InvalidHttpGrant, key.span, reason, Some(help));
                None
            }
        })
    });
    let paths = paths.map(Iterator::collect);
    Some(Rule { scheme, host: host.ok()?, ports, methods, paths })
}

/// Suggests what the author may have meant by a text that is not the name of a host.
fn host_help(written: &str) -> String {
    let (scheme, rest) =
        written.split_once("://").map_or((None, written), |(scheme, rest)| (Scheme::find(scheme), rest));
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let (host, port) = authority.split_once(':').map_or((authority, None), |(host, port)| (host, port.parse().ok()));
    let below = host.strip_prefix('*').map(|name| format!("*.{name}"));
    let Ok(host) = HostPattern::parse(below.as_deref().unwrap_or(host)) else {
        return "write `host: api.example.com`, or `host: \"*.example.com\"`".to_owned();
    };
    let scheme = scheme.filter(|scheme| *scheme == Scheme::Http);
    let ports = port.map(|port: u16| vec![port]);
    let paths = PathPattern::parse(&format!("{}*", path.trim_end_matches('*'))).ok().filter(|_| path.len() > 1);
    let rule = Rule { scheme, host, ports, methods: None, paths: paths.map(|path| vec![path]) };
    format!("write `{rule}`")
}

fn read_ports(entry: &mut Fields<'_>) -> Option<Vec<u16>> {
    entry.peek("ports")?;
    let mut ports = Vec::new();
    for item in entry.list("ports").unwrap_or_default() {
        match item.integer().and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0) {
            Some(port) => ports.push(port),
            None => {
                let message = format!("a port is a number from 1 to 65535, found {}", item.shown());
                entry.report(Code::InvalidHttpGrant, item.span, message, None);
            }
        }
    }
    Some(ports)
}

fn read_headers(entry: &mut Fields<'_>) -> Vec<(String, Vec<HeaderPart>)> {
    let mut headers: Vec<(String, Vec<HeaderPart>)> = Vec::new();
    for (key, value) in entry.mapping("headers", "{ authorization: !secret TOKEN }") {
        let name = key_text(&key).to_ascii_lowercase();
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        let refused = match name.as_str() {
            name if name.is_empty() || !name.bytes().all(token) => "cannot be the name of a header",
            name if TRAVEL.contains(&name) => "is a header that only the runner sets",
            name if headers.iter().any(|(known, _)| known == name) => "is given twice",
            _ => {
                if let Some(parts) = read_header(value, entry) {
                    headers.push((name, parts));
                }
                continue;
            }
        };
        entry.report(Code::InvalidHttpGrant, key.span, format!("`{name}` {refused}"), None);
    }
    headers
}

/// Reads the value of a header: a text, a secret, or a list of both.
fn read_header(node: Node, entry: &mut Fields<'_>) -> Option<Vec<HeaderPart>> {
    match node {
        Node { kind: NodeKind::Seq(items), tag: None, .. } => {
            items.into_iter().map(|item| read_part(&item, entry)).collect()
        }
        node => Some(vec![read_part(&node, entry)?]),
    }
}

fn read_part(node: &Node, entry: &mut Fields<'_>) -> Option<HeaderPart> {
    if node.tag.as_deref() == Some(SECRET_KEY) {
        return Some(HeaderPart::Secret(read_secret(node, entry)?, node.span));
    }
    match &node.kind {
        NodeKind::Scalar(Value::String(text)) if node.tag.is_none() && is_header_text(text) => {
            Some(HeaderPart::Text(text.clone()))
        }
        _ => {
            let message = format!("a header is a single line of text or a `!secret`, found {}", node.shown());
            let help = "write `\"Bearer \"` and a secret as a list: `[\"Bearer \", !secret TOKEN]`".to_owned();
            entry.report(Code::InvalidHttpGrant, node.span, message, Some(help));
            None
        }
    }
}

fn is_header_text(text: &str) -> bool {
    text.bytes().all(|b| b == b'\t' || (b >= b' ' && b != 0x7f))
}

fn pack_rule(rule: &Rule) -> Vec<(&'static str, Value)> {
    let texts = |texts: Vec<String>| Value::List(texts.into_iter().map(Value::String).collect());
    let mut entry = vec![("host", Value::string(rule.host.to_string()))];
    entry.extend(rule.scheme.map(|scheme| ("scheme", Value::string(scheme.name()))));
    let ports = rule.ports.iter().map(|ports| Value::List(ports.iter().map(|p| Value::Int((*p).into())).collect()));
    entry.extend(ports.map(|ports| ("ports", ports)));
    entry.extend(rule.methods.iter().map(|methods| ("methods", texts(methods.clone()))));
    let paths = rule.paths.iter().map(|paths| texts(paths.iter().map(ToString::to_string).collect()));
    entry.extend(paths.map(|paths| ("paths", paths)));
    entry
}

fn pack_headers(headers: &[(String, Vec<HeaderPart>)]) -> Vec<(Name, Value)> {
    let part = |part: &HeaderPart| match part {
        HeaderPart::Text(text) => Value::string(text),
        HeaderPart::Secret(name, _) => Value::entry(SECRET_KEY, Value::string(name)),
    };
    let packed = headers.iter().map(|(name, parts)| (name.into(), Value::List(parts.iter().map(part).collect())));
    packed.collect()
}

/// Reads a packed entry; an invalid one grants nothing.
fn unpack_entry(entry: &Value) -> Option<HttpGrant> {
    let text = |key| entry.get(key).and_then(Value::as_str);
    let texts = |key: &str| {
        let items = entry.get(key)?.items().iter().map(|item| item.as_str().map(str::to_owned));
        Some(items.collect::<Option<Vec<_>>>().unwrap_or_default())
    };
    let port = |port: &Value| match port {
        Value::Int(port) => u16::try_from(*port).ok(),
        _ => None,
    };
    let rule = Rule {
        host: HostPattern::parse(text("host")?).ok()?,
        scheme: Some(Scheme::find(text("scheme")?)?),
        ports: Some(entry.get("ports")?.items().iter().filter_map(port).collect()),
        methods: Some(texts("methods")?.into_iter().filter(|method| is_method(method)).collect()),
        paths: texts("paths").map(|paths| paths.iter().filter_map(|path| PathPattern::parse(path).ok()).collect()),
    };
    let header = |(name, parts): &(Name, Value)| {
        let part = |part: &Value| match part {
            Value::String(text) if is_header_text(text) => Some(HeaderPart::Text(text.clone())),
            Value::Map(entries) => match as_tag(entries) {
                Some((SECRET_KEY, name)) if valid_name(name) => {
                    Some(HeaderPart::Secret(name.to_owned(), Span::default()))
                }
                _ => None,
            },
            _ => None,
        };
        Some((name.to_string(), parts.items().iter().map(part).collect::<Option<Vec<_>>>()?))
    };
    let headers =
        entry.get("headers").map_or_else(Vec::new, |headers| headers.entries().iter().filter_map(header).collect());
    Some(HttpGrant { rule: Some(rule), headers, span: Span::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_answered_with_its_parts() {
        for (written, help) in [
            ("https://example.com/v1", "{ host: \"example.com\", paths: [\"/v1*\"] }"),
            ("http://example.com:8080/", "{ host: \"example.com\", scheme: http, ports: [8080] }"),
            ("example.com:8443", "{ host: \"example.com\", ports: [8443] }"),
            ("*example.com", "{ host: \"*.example.com\" }"),
        ] {
            assert_eq!(host_help(written), format!("write `{help}`"));
        }
        assert!(host_help("a b").starts_with("write `host: api.example.com`"));
    }

    #[test]
    fn a_request_is_granted_again_where_todays_job_sends_the_same_headers() {
        let entry = |secret: &str| {
            let part = HeaderPart::Secret(secret.to_owned(), Span::default());
            let host = HostPattern::parse("example.com").unwrap();
            let rule = Rule { scheme: None, host, ports: None, methods: None, paths: None };
            HttpGrant { rule: Some(rule), headers: vec![("x-key".to_owned(), vec![part])], span: Span::default() }
        };
        let repeated = Repeated { folder: "", operator_lists_files: false, operator_lists_http: false };
        let still =
            |today: &[HttpGrant]| HttpGrant::still_granted(&[entry("TOKEN")], &repeated, &Today::Grants(today)).is_ok();
        assert!(still(&[entry("OTHER"), entry("TOKEN")]));
        assert!(!still(&[entry("OTHER")]) && !still(&[HttpGrant { headers: Vec::new(), ..entry("TOKEN") }]));
    }
}
