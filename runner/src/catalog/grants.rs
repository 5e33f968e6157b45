//! Compares what a job asks for with what the operator allows. The result is the rights of its
//! builds, or what is refused.

use std::sync::Arc;

use jobcontrol_core::diagnostic::Code;
use jobcontrol_core::diagnostic::Diagnostic;
use jobcontrol_core::diagnostic::nearest;
use jobcontrol_core::grants::EnvGrant;
use jobcontrol_core::grants::HttpGrant;
use jobcontrol_core::job::Job;
use jobcontrol_core::plugin::Plugin;
use jobcontrol_sandbox::Granted;
use jobcontrol_sandbox::GrantedFolder;

use crate::catalog::workspace::Workspace;

/// The imports with which a plugin makes requests.
pub(crate) const OUTGOING: [&str; 2] = ["wasi:http/outgoing-handler", "jobcontrol:plugin/http"];

/// An example of what a job has to grant before its plugin makes requests.
pub(crate) const HTTP_EXAMPLE: &str = "grants: { http: [{ host: api.example.com, methods: [GET] }] }";

/// Reports a plugin that makes requests while its job does not mention any.
fn http_not_granted(job: &Job, plugin: Option<&Plugin>) -> Option<Diagnostic> {
    let plugin = plugin.filter(|_| job.grants.http.is_empty())?;
    let import =
        plugin.imports.iter().find(|import| import.split('@').next().is_some_and(|name| OUTGOING.contains(&name)))?;
    let message = format!("`{}` imports `{import}`, and the job grants no HTTP requests", plugin.path.display());
    let problem = Diagnostic::at(Code::HttpNotGranted, &job.place.source, job.place.function, message);
    let problem = problem.help(format!("add `{HTTP_EXAMPLE}` to the job"));
    Some(problem.help("add `grants: { http: [] }` if this function makes no request"))
}

/// Returns why the operator does not allow a grant, or `None` if it is allowed.
fn above_ceiling(workspace: &Workspace, grant: &HttpGrant) -> Option<String> {
    let (ceiling, rule) = (workspace.context.http.ceiling.as_ref()?, grant.rule.as_ref()?);
    let covered = ceiling.iter().any(|most| most.covers(rule));
    let operator = &workspace.files.operator;
    (!covered).then(|| format!("requests `{rule}` are above the ceiling that {operator} sets"))
}

/// Grants what a job asks for. Its secrets come from elsewhere.
pub(crate) fn grant_without_secrets(
    workspace: &Workspace,
    job: &Job,
    plugin: Option<&Plugin>,
) -> (Granted, Vec<Diagnostic>) {
    let mut granted = Granted::default();
    let mut problems = Vec::new();
    let source = &job.place.source;
    for files in &job.grants.files {
        match workspace.files.resolve(&files.path(&job.place.folder), &files.guest, files.write) {
            Ok(folder) => granted.folders.push(GrantedFolder { quota: files.quota, ..folder }),
            Err(message) => problems.push(Diagnostic::at(Code::FolderRefused, source, files.span, message)),
        }
    }
    for variable in &job.grants.env {
        match variable.resolve(&workspace.context.environment, source) {
            Ok(value) => granted.variables.push((variable.name.clone(), value)),
            Err(problem) => problems.push(problem),
        }
    }
    problems.extend(http_not_granted(job, plugin));
    for grant in &job.grants.http {
        match above_ceiling(workspace, grant) {
            Some(message) => problems.push(Diagnostic::at(Code::AboveCeiling, source, grant.span, message)),
            None => granted.http.push(grant.clone()),
        }
    }
    let (grants, variables) = (&job.grants.env, &granted.variables);
    let for_plugin = || EnvGrant::too_large_for_adapter(grants, variables, plugin?, source);
    problems.extend(EnvGrant::too_large(grants, variables, source).or_else(for_plugin));
    granted.http_rules = Arc::clone(&workspace.context.http);
    granted.clock = job.grants.clock.first().map(|grant| grant.time);
    granted.random = job.grants.random.first().map(|grant| grant.seed);
    granted.secrets = job.grants.secrets.iter().map(|grant| grant.name.clone()).collect();
    (granted, problems)
}

/// Grants what a job asks for, with the secrets that this operator's file has.
pub(crate) fn grant(workspace: &Workspace, job: &Job, plugin: Option<&Plugin>) -> (Granted, Vec<Diagnostic>) {
    let (mut granted, mut problems) = grant_without_secrets(workspace, job, plugin);
    let source = &job.place.source;
    for (name, span) in job.secrets() {
        let known = &workspace.context.secrets;
        if !known.contains_key(name) {
            let near = nearest(name, known.keys().map(String::as_str)).map(|near| format!("did you mean `{near}`?"));
            let write = || {
                format!("name its source in {}: `secrets: {{ {name}: {{ env: {name} }} }}`", workspace.files.operator)
            };
            let message = format!("there is no secret `{name}`");
            problems.push(Diagnostic::at(Code::NoSuchSecret, source, span, message).help(near.unwrap_or_else(write)));
        }
    }
    granted.sources = Arc::clone(&workspace.context.secrets);
    (granted, problems)
}
