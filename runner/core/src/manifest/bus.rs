//! `bus` of `jobcontrol.yaml`: what carries attempts to workers, where the broker is, and how to
//! sign in.

use crate::diagnostic::Code;
use crate::labels::KEYED;
use crate::labels::Labels;
use crate::labels::MOST;
use crate::labels::RULE;
use crate::labels::valid_label;
use crate::yaml::fields::Fields;

/// Every key of the bus.
const KEYS: &[&str] = &["url", "credentials", "nkey", "ca"];

/// Where the broker is, and how to sign in. Paths are relative to the folder of jobcontrol.yaml.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BusAddress {
    /// One or more servers of one cluster, as `nats://HOST:PORT` or `tls://HOST:PORT`.
    pub servers: Vec<String>,
    /// A file with credentials (JWT and NKey), as `nsc` writes it.
    pub credentials: Option<String>,
    /// A file with an NKey seed.
    pub nkey: Option<String>,
    /// Certificates of authorities to trust, in PEM, instead of the system's.
    pub ca: Option<String>,
}

/// What carries attempts to workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bus {
    /// A broker, which workers on any machine reach.
    Nats(BusAddress),
    /// The service's own memory. Its only worker runs in the same process and has these labels.
    Local(Labels),
}

/// The address of [`Bus::Local`], before its labels.
const LOCAL: &str = "local";

impl Bus {
    /// Reads `nats://HOST:PORT[,HOST:PORT..]`, or `local[:LABEL,..]`.
    ///
    /// # Errors
    ///
    /// Returns an error that names the part which is neither.
    pub fn parse(text: &str) -> Result<Self, String> {
        let labels = match text.strip_prefix(LOCAL) {
            Some("") => "",
            Some(rest) if rest.starts_with(':') && !rest.starts_with("://") => &rest[1..],
            _ => return BusAddress::parse(text).map(Self::Nats),
        };
        let labels: Vec<_> = labels.split(',').filter(|label| !label.is_empty()).collect();
        match labels.iter().find(|label| !valid_label(label) || **label == KEYED) {
            Some(label) => Err(format!("`{label}` cannot be a label of the worker: {RULE}")),
            None if labels.len() > MOST => Err(format!("a worker has at most {MOST} labels")),
            None => Ok(Self::Local(Labels::of(labels.into_iter().map(str::to_owned)))),
        }
    }

    /// Returns the broker.
    ///
    /// # Errors
    ///
    /// Returns an error if there is none, since the bus is inside the service.
    pub fn broker(self) -> Result<BusAddress, String> {
        match self {
            Self::Nats(address) => Ok(address),
            Self::Local(_) => Err(format!(
                "the bus `{LOCAL}` is inside the service, which has its own worker; others need `nats://HOST:{PORT}`"
            )),
        }
    }
}

/// The port of NATS.
const PORT: u16 = 4222;

impl BusAddress {
    /// Reads `nats://HOST:PORT[,HOST:PORT..]`.
    ///
    /// # Errors
    ///
    /// Returns an error that names the part which is not an address of a NATS server.
    pub fn parse(text: &str) -> Result<Self, String> {
        let servers = text.split(',').map(server).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { servers, ..Self::default() })
    }

    /// Returns the addresses without user names and passwords.
    pub fn shown(&self) -> String {
        self.servers.iter().map(|server| plain(server)).collect::<Vec<_>>().join(",")
    }
}

/// Takes `bus`.
pub(super) fn read_bus(fields: &mut Fields<'_>) -> Option<Bus> {
    let (_, node) = fields.take("bus")?;
    let whole = node.span;
    let mut inner = Fields::new(fields.source, fields.problems, node, "`bus`")?;
    let url = inner.string("url");
    let file = |inner: &mut Fields<'_>, key| inner.string(key).map(|(path, _)| path);
    let (credentials, nkey, ca) = (file(&mut inner, "credentials"), file(&mut inner, "nkey"), file(&mut inner, "ca"));
    if credentials.is_some() && nkey.is_some() {
        let help = Some("remove one of them".to_owned());
        inner.report(Code::InvalidBus, whole, "`credentials` and `nkey` cannot be combined".to_owned(), help);
    }
    let bus = match url {
        Some((text, span)) => match Bus::parse(&text) {
            Ok(bus) => Some(bus),
            Err(reason) => {
                inner.report(Code::InvalidBus, span, reason, None);
                None
            }
        },
        None if inner.has_misspelt("url", KEYS) => None,
        None => {
            let help = Some(format!("write `bus: {{ url: \"nats://HOST:{PORT}\" }}`"));
            inner.report(Code::InvalidBus, whole, "`bus` has no `url`".to_owned(), help);
            None
        }
    };
    inner.finish(KEYS, &[]);
    Some(match bus? {
        Bus::Nats(address) => Bus::Nats(BusAddress { credentials, nkey, ca, ..address }),
        local @ Bus::Local(_) => local,
    })
}

/// Takes `workers`: the public keys of workers.
pub(super) fn read_workers(fields: &mut Fields<'_>) -> Vec<String> {
    let keys = fields.strings("workers");
    for key in &keys {
        // A key has 62 characters. Whether it is one is found out where it is used.
        if !key.name.starts_with("age1") || key.name.len() != 62 || !key.name.bytes().all(|b| b.is_ascii_alphanumeric())
        {
            let message = format!("`{}` is not the public key of a worker", key.name);
            let help = Some("`jobcontrol worker key` prints it on the worker: `age1..`".to_owned());
            fields.report(Code::InvalidBus, key.span, message, help);
        }
    }
    keys.into_iter().map(|key| key.name).collect()
}

/// Returns an address without user name and password.
fn plain(server: &str) -> String {
    match (server.find("://"), server.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => format!("{}{}", &server[..scheme + 3], &server[at + 1..]),
        (None, Some(at)) => server[at + 1..].to_owned(),
        _ => server.to_owned(),
    }
}

fn server(text: &str) -> Result<String, String> {
    let whole = text.trim();
    let (shown, text) = (plain(whole), whole.strip_suffix('/').unwrap_or(whole));
    let (scheme, rest) = text.split_once("://").unwrap_or(("nats", text));
    if !matches!(scheme, "nats" | "tls") {
        return Err(format!(
            "`{shown}` is not the address of a NATS server (write `nats://HOST:{PORT}` or `tls://..`)"
        ));
    }
    let host = rest.rsplit('@').next().unwrap_or_default();
    if host.is_empty() || host.starts_with(':') || host.contains(['/', ' ']) {
        return Err(format!("`{shown}` does not name a host (write `nats://HOST:{PORT}`)"));
    }
    let has_port = host.rsplit_once(':').is_some_and(|(name, port)| !name.is_empty() && port.parse::<u16>().is_ok());
    if !has_port && (host.ends_with(':') || host.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'))) {
        return Err(format!("`{shown}` has no valid port (write `nats://HOST:{PORT}`)"));
    }
    Ok(if has_port { format!("{scheme}://{rest}") } else { format!("{scheme}://{rest}:{PORT}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_scheme_and_a_port_and_hide_passwords() {
        let read = |text: &str| BusAddress::parse(text).map(|address| address.servers);
        assert_eq!(read("nats://a:4222"), Ok(vec!["nats://a:4222".to_owned()]));
        assert_eq!(read("a,tls://b:1"), Ok(vec!["nats://a:4222".to_owned(), "tls://b:1".to_owned()]));
        assert_eq!(read("nats://[::1]"), Ok(vec!["nats://[::1]:4222".to_owned()]));
        for wrong in ["", "http://a", "nats://", "nats://:4222", "nats://a:x", "nats://a/b", "nats://a:99999"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert_eq!(read("nats://a:1/"), Ok(vec!["nats://a:1".to_owned()]));
        for wrong in
            ["http://u:secret@a", "nats://u:secret@a:x", "u:secret@a:x", "nats://u:secret@", "tls://u:secret@a/b"]
        {
            let error = read(wrong).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
        let address = BusAddress::parse("nats://user:secret@a:1,b").unwrap();
        assert_eq!(address.shown(), "nats://a:1,nats://b:4222");
    }

    #[test]
    fn a_bus_inside_the_service_has_labels() {
        let labels = |all: &[&str]| Ok(Bus::Local(Labels::of(all.iter().map(|&label| label.to_owned()))));
        assert_eq!(Bus::parse("local"), labels(&[]));
        assert_eq!(Bus::parse("local:gpu,linux"), labels(&["gpu", "linux"]));
        for wrong in ["local:GPU", "local:has-key", "local:a,b,c,d,e,f,g,h,i"] {
            assert!(Bus::parse(wrong).is_err(), "{wrong}");
        }
        // A machine may have this name.
        assert!(matches!(Bus::parse("nats://local:4222"), Ok(Bus::Nats(_))));
        assert!(matches!(Bus::parse("localhost"), Ok(Bus::Nats(_))));
    }
}
