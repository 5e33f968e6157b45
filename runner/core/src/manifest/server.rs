//! `server` of `jobcontrol.yaml`: where clients reach a service.

use std::net::IpAddr;

use crate::diagnostic::Code;
use crate::yaml::fields::Fields;

/// Every key of the server.
const KEYS: &[&str] = &["listen", "tls_cert", "tls_key", "behind_proxy"];

/// Where clients reach a service. Paths are relative to the folder of jobcontrol.yaml.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// An address and a port, or `unix:` and a path, as written.
    pub listen: Option<String>,
    /// A file with the certificate for TLS. `tls_key` is then set as well.
    pub tls_cert: Option<String>,
    /// A file with the certificate's key.
    pub tls_key: Option<String>,
    /// The address of the proxy that encrypts connections in place of the service. `Forwarded`
    /// headers from other addresses are ignored.
    pub behind_proxy: Option<IpAddr>,
}

/// Takes `server`.
pub(super) fn read_server(fields: &mut Fields<'_>, server: &mut Server) {
    let Some((_, node)) = fields.take("server") else {
        return;
    };
    let whole = node.span;
    let Some(mut inner) = Fields::new(fields.source, fields.problems, node, "`server`") else {
        return;
    };
    server.listen = inner.string("listen").map(|(text, _)| text);
    for (key, other) in [("tls_cert", "tls_key"), ("tls_key", "tls_cert")] {
        if inner.peek(key).is_some() && inner.peek(other).is_none() && !inner.has_misspelt(other, KEYS) {
            let help = Some(format!("write the file under `{other}`"));
            inner.report(Code::InvalidServer, whole, format!("`{key}` needs `{other}` as well"), help);
        }
    }
    server.tls_cert = inner.string("tls_cert").map(|(path, _)| path);
    server.tls_key = inner.string("tls_key").map(|(path, _)| path);
    if let Some((text, span)) = inner.string("behind_proxy") {
        server.behind_proxy = text.parse().ok();
        if server.behind_proxy.is_none() {
            let help = Some("write the address of the proxy, such as `10.0.0.5`".to_owned());
            inner.report(Code::InvalidServer, span, format!("`{text}` is not an IP address"), help);
        }
    }
    inner.finish(KEYS, &[]);
}
