//! `jobcontrol.yaml`, the operator's file: where things are, and the ceiling for what jobs may ask
//! for.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::child_limits::ChildLimits;
use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Source;
use crate::grants::files::is_for_writing;
use crate::http::HttpRules;
use crate::limits::Limits;
use crate::limits::MAX_COMPILE_MEMORY;
use crate::limits::MAX_COMPILE_TIME;
use crate::limits::MAX_HOST_MEMORY;
use crate::limits::MIN_COMPILE_MEMORY;
use crate::limits::MIN_HOST_MEMORY;
use crate::limits::Unit;
use crate::limits::show_bytes;
use crate::limits::show_duration;
use crate::retention::PruneTime;
use crate::retention::Retention;
use crate::secret::SecretSource;
use crate::trigger::Trigger;
use crate::yaml::environment::Environment;
use crate::yaml::fields::Fields;
use crate::yaml::node;
use crate::yaml::quantity::duration;
use crate::yaml::quantity::number;

use super::bus::Bus;
use super::bus::read_bus;
use super::bus::read_workers;
use super::ceiling::Ceiling;
use super::http::read_http;
use super::http::read_http_ceiling;
use super::keys::limits::limit;
use super::keys::on::trigger;
use super::keys::timeout::timeouts;
use super::notify::Notify;
use super::notify::read_notify;
use super::pools::read_pools;
use super::retention::read_retention;
use super::secrets::read_secrets;
use super::server::Server;
use super::server::read_server;

const KEYS: &[&str] = &[
    "jobs",
    "store",
    "cache",
    "environment",
    "plugins",
    "read",
    "compile",
    "memory",
    "ceiling",
    "pools",
    "retention",
    "secrets",
    "http",
    "on",
    "notify",
    "server",
    "bus",
    "workers",
];

/// The operator's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The jobs folder; key `jobs`.
    pub jobs: Option<String>,
    /// The store's URL; key `store`.
    pub store: Option<String>,
    /// The folder of compiled plugins; key `cache`.
    pub cache: Option<String>,
    /// Names of variables that manifests may take; key `environment`.
    pub environment: Vec<String>,
    /// Folders that are searched for plugins, after the manifest's own folder; key `plugins`.
    pub plugins: Vec<String>,
    /// The limits for reading a plugin; key `read`.
    pub read: ChildLimits,
    /// The limits for compiling a plugin; key `compile`.
    pub compile: ChildLimits,
    /// Bytes of the host's memory that all running builds of a process may hold together; key
    /// `memory`.
    pub memory: Option<u64>,
    /// The largest limits; keys `ceiling.limits` and `ceiling.timeout`.
    pub ceiling: Ceiling,
    /// The only folders a job may be granted, if the operator listed any; key `ceiling.files`.
    pub files: Option<Vec<CeilingFiles>>,
    /// How many slots each pool has, by name; key `pools`.
    pub pools: BTreeMap<String, u32>,
    /// How long the store keeps logs and builds; key `retention`.
    pub retention: Retention,
    /// Where the value of each secret comes from, by name; key `secrets`.
    pub secrets: BTreeMap<String, SecretSource>,
    /// Which requests jobs may be granted, and how they are made; keys `http` and `ceiling.http`.
    pub http: HttpRules,
    /// Whether a service builds jobs that name no trigger whenever they change; key `on`. See
    /// [`Job::builds_on_change`](crate::job::Job::builds_on_change).
    pub on_change: bool,
    /// The receivers of messages about failed runs; key `notify`.
    pub notify: Vec<Notify>,
    /// Where clients reach a service; key `server`.
    pub server: Server,
    /// The bus that a service gives builds to, and that a worker takes them from; key `bus`.
    pub bus: Option<Bus>,
    /// The public keys of workers that get jobs with secrets; key `workers`.
    pub workers: Vec<String>,
    /// When a service prunes the store; keys `retention.at` and `retention.timezone`.
    pub prune_at: PruneTime,
}

impl Default for Settings {
    fn default() -> Self {
        let (jobs, store, cache, environment, plugins) = Default::default();
        let (memory, ceiling, files, pools, retention, secrets, http) = Default::default();
        let (on_change, notify, server, bus, prune_at) = Default::default();
        let (read, compile) = (ChildLimits::READ, ChildLimits::COMPILE);
        Self {
            jobs,
            store,
            cache,
            environment,
            plugins,
            read,
            compile,
            memory,
            ceiling,
            files,
            pools,
            retention,
            secrets,
            http,
            on_change,
            notify,
            server,
            bus,
            workers: Vec::new(),
            prune_at,
        }
    }
}

/// A folder that jobs may be granted, including everything below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CeilingFiles {
    /// The folder, relative to the folder of jobcontrol.yaml.
    pub host: String,
    /// Whether a job may be granted write access to it.
    pub write: bool,
}

/// Reads the operator's file and reports everything that is wrong with it.
pub fn parse_settings(source: &Arc<Source>, problems: &mut Vec<Diagnostic>) -> Settings {
    let mut settings = Settings::default();
    if source.text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return settings;
    }
    let Some(root) = node::read(source, &Environment::default(), KEYS, problems) else {
        return settings;
    };
    let Some(mut fields) = Fields::new(source, problems, root, "the configuration") else {
        return settings;
    };
    let text = |fields: &mut Fields<'_>, key| fields.string(key).map(|(text, _)| text);
    settings.jobs = text(&mut fields, "jobs");
    settings.store = text(&mut fields, "store");
    settings.cache = text(&mut fields, "cache");
    settings.environment = fields.strings("environment").into_iter().map(|key| key.name).collect();
    settings.plugins = fields.strings("plugins").into_iter().map(|key| key.name).collect();
    for (key, limits) in [("read", &mut settings.read), ("compile", &mut settings.compile)] {
        if let Some((_, node)) = fields.take(key)
            && let Some(section) = Fields::new(source, fields.problems, node, &format!("`{key}`"))
        {
            read_child_limits(section, limits);
        }
    }
    settings.memory = read_memory(&mut fields);
    if let Some((_, node)) = fields.take("ceiling")
        && let Some(ceiling) = Fields::new(source, fields.problems, node, "`ceiling`")
    {
        read_ceiling(ceiling, &mut settings);
    }
    settings.pools = read_pools(&mut fields);
    settings.secrets = read_secrets(&mut fields, &settings.environment);
    read_http(&mut fields, &mut settings.http);
    if let Some((_, node)) = fields.take("retention")
        && let Some(retention) = Fields::new(source, fields.problems, node, "`retention`")
    {
        read_retention(retention, &mut settings.retention, &mut settings.prune_at);
    }
    settings.on_change = trigger(&mut fields).is_some_and(|(trigger, _)| trigger == Trigger::Change);
    settings.notify = read_notify(&mut fields, &settings.secrets);
    read_server(&mut fields, &mut settings.server);
    settings.bus = read_bus(&mut fields);
    settings.workers = read_workers(&mut fields);
    fields.finish(KEYS, &[]);
    // The warnings are meant for manifests; the operator's file works in spite of them.
    problems.retain(|problem| !problem.is_warning());
    settings
}

fn read_child_limits(mut fields: Fields<'_>, limits: &mut ChildLimits) {
    if let Some((timeout, span)) = duration("timeout", &mut fields) {
        if timeout > MAX_COMPILE_TIME {
            let message = format!("`timeout` can be at most {}", show_duration(MAX_COMPILE_TIME));
            fields.report(Code::LimitOutOfRange, span, message, None);
        }
        limits.timeout = timeout;
    }
    if let Some((_, node)) = fields.take("memory")
        && let Some(memory) = number(&node, "memory", Unit::Bytes, MAX_COMPILE_MEMORY, &mut fields)
    {
        if memory < MIN_COMPILE_MEMORY {
            let message = format!("`memory` must be at least {}", show_bytes(MIN_COMPILE_MEMORY));
            let help = Some("the program itself needs nearly that much".to_owned());
            fields.report(Code::LimitOutOfRange, node.span, message, help);
        }
        limits.memory = memory;
    }
    fields.finish(&["timeout", "memory"], &[]);
}

fn read_memory(fields: &mut Fields<'_>) -> Option<u64> {
    let (_, node) = fields.take("memory")?;
    let memory = number(&node, "memory", Unit::Bytes, MAX_HOST_MEMORY, fields)?;
    if memory < MIN_HOST_MEMORY {
        let message = format!("`memory` must be at least {}", show_bytes(MIN_HOST_MEMORY));
        let help = Some("each running build takes 1 MiB, whatever it does".to_owned());
        fields.report(Code::LimitOutOfRange, node.span, message, help);
    }
    Some(memory)
}

fn read_ceiling(mut fields: Fields<'_>, settings: &mut Settings) {
    settings.ceiling.timeouts = timeouts(&Ceiling::default(), &mut fields);
    if let Some((_, node)) = fields.take("limits")
        && let Some(mut inner) = Fields::new(fields.source, fields.problems, node, "`limits`")
    {
        let mut scratch = Limits::default();
        for key in Limits::KEYS {
            let Some((_, node)) = inner.take(key) else {
                continue;
            };
            let number = limit(&node, key, &mut scratch, &mut inner);
            settings.ceiling.limits.extend(number.map(|max| ((*key).to_owned(), max)));
        }
        inner.finish(Limits::KEYS, &[]);
    }
    if let Some(items) = fields.list("files") {
        let mut files = Vec::new();
        for item in items {
            let Some(mut file) = Fields::new(fields.source, fields.problems, item, "an entry of `files`") else {
                continue;
            };
            let write = is_for_writing(&mut file);
            match file.string("host") {
                Some((host, _)) => files.push(CeilingFiles { host, write }),
                None => {
                    let help = Some("write `{ host: ./data, mode: read }`".to_owned());
                    file.report(Code::FilesGrantIncomplete, file.span, "a folder of the ceiling needs `host`", help);
                }
            }
            file.finish(&["host", "mode"], &[]);
        }
        settings.files = Some(files);
    }
    settings.http.ceiling = read_http_ceiling(&mut fields);
    fields.finish(&["limits", "timeout", "files", "http"], &[]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Settings, Vec<Diagnostic>) {
        let source = Arc::new(Source { path: "jobcontrol.yaml".to_owned(), text: text.to_owned() });
        let mut problems = Vec::new();
        (parse_settings(&source, &mut problems), problems)
    }

    #[test]
    fn what_a_service_needs_has_defaults() {
        let (settings, problems) = read("memory: 1 GiB\n");
        assert_eq!((problems, settings.on_change, settings.notify), (vec![], false, vec![]));
        assert_eq!(settings.server, Server::default());
        assert_eq!(
            (settings.prune_at.hour, settings.prune_at.minute, settings.prune_at.timezone.name()),
            (3, 30, "UTC")
        );
    }

    #[test]
    fn what_a_service_needs_is_read() {
        let text = "
on: change
secrets: { KEY: { env: HOOK_KEY } }
notify:
  - { command: [./tell, --failed] }
  - { webhook: 'https://hooks.example.com/a?b', secret: KEY }
server: { listen: 'unix:run/socket', tls_cert: cert.pem, tls_key: key.pem, behind_proxy: '::1' }
retention: { at: 04:05, timezone: Europe/Rome }
bus: { url: 'tls://a,b:1', credentials: bus.creds }
";
        let (settings, problems) = read(text);
        assert_eq!((problems, settings.on_change), (vec![], true));
        let url = "https://hooks.example.com/a?b".to_owned();
        let webhook = Notify::Webhook { url, secret: Some("KEY".to_owned()) };
        assert_eq!(settings.notify, [Notify::Command(vec!["./tell".to_owned(), "--failed".to_owned()]), webhook]);
        assert_eq!(settings.server.listen.as_deref(), Some("unix:run/socket"));
        assert_eq!(settings.server.tls_key.as_deref(), Some("key.pem"));
        assert!(settings.server.behind_proxy.is_some_and(|address| address.is_loopback()));
        let Some(Bus::Nats(bus)) = settings.bus else { panic!("a broker") };
        assert_eq!(
            (bus.servers, bus.credentials.as_deref()),
            (vec!["tls://a:4222".into(), "nats://b:1".into()], Some("bus.creds"))
        );
        assert_eq!((settings.prune_at.hour, settings.prune_at.minute), (4, 5));
        assert_eq!(settings.prune_at.timezone.name(), "Europe/Rome");
    }

    #[test]
    fn what_a_service_cannot_use_is_reported() {
        for (text, said) in [
            ("on: push", "`push` is not a trigger"),
            ("notify: [{}]", "an entry of `notify` has either `command` or `webhook`"),
            (
                "notify: [{ command: [a], webhook: 'https://a' }]",
                "an entry of `notify` has either `command` or `webhook`",
            ),
            ("notify: [{ command: [] }]", "`command` is a list of a program and its arguments"),
            (
                "notify: [{ command: [a], secret: A }]",
                "`secret` signs the requests of a webhook, but a command makes none",
            ),
            ("notify: [{ webhook: 'ftp://a' }]", "`webhook` is not an `http` or `https` URL"),
            ("notify: [{ webhook: 'https://a', secret: A }]", "there is no secret `A`"),
            ("notify: [{ webhok: 'https://a' }]", "unknown key `webhok`"),
            ("server: { tls_key: a }", "`tls_key` needs `tls_cert` as well"),
            (
                "bus: { url: 'http://a' }",
                "`http://a` is not the address of a NATS server (write `nats://HOST:4222` or `tls://..`)",
            ),
            ("bus: { credentials: a }", "`bus` has no `url`"),
            ("bus: { url: a, credentials: a, nkey: b }", "`credentials` and `nkey` cannot be combined"),
            ("server: { behind_proxy: proxy }", "`proxy` is not an IP address"),
            ("retention: { at: noon }", "`noon` is not a time of day"),
            ("retention: { timezone: Mars }", "there is no time zone `Mars`"),
        ] {
            let messages: Vec<_> = read(text).1.into_iter().map(|problem| problem.message).collect();
            assert_eq!(messages, [said], "{text}");
        }
    }

    #[test]
    fn an_integer_may_be_written_as_a_float() {
        let text = "pools: { db: 3.0 }\nretention: { builds: { keep: 10.0 } }\nceiling: { limits: { handles: 010.0 } }\n\
                    memory: 064 GiB\nread: { timeout: 05s }\n";
        let (settings, problems) = read(text);
        assert_eq!(problems, vec![]);
        assert_eq!(settings.pools.get("db"), Some(&3));
        assert_eq!(settings.retention.builds, Some(10));
        assert_eq!(settings.ceiling.limit("handles"), Some(10));
    }
}
