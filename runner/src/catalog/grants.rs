//! What a job asks for, against what the operator allows: the rights of its builds, or what is refused.

use std::path::Path;
use std::path::PathBuf;

use jobcontrol_core::diagnostic::Code;
use jobcontrol_core::diagnostic::Diagnostic;
use jobcontrol_core::diagnostic::Span;
use jobcontrol_core::job::Job;
use jobcontrol_sandbox::Granted;

use crate::catalog::workspace::Workspace;

pub(crate) fn grant(workspace: &Workspace, job: &Job) -> (Granted, Vec<Diagnostic>) {
    let mut granted = Granted::default();
    let mut problems = Vec::new();
    let at = |code: Code, span: Span, message: String| Diagnostic::at(code, &job.place.source, span, message);
    for files in &job.grants.files {
        let host: PathBuf = Path::new(&job.place.folder).join(&files.host).components().collect();
        match workspace.files.resolve(&host, &files.guest, files.write) {
            Ok(folder) => granted.folders.push(folder),
            Err(message) => problems.push(at(Code::FolderRefused, files.span, message)),
        }
    }
    for variable in &job.grants.env {
        let known = workspace.context.environment.0.get(&variable.name);
        match (&variable.value, known) {
            (Some(value), _) | (None, Some(Some(value))) => {
                granted.variables.push((variable.name.clone(), value.clone()));
            }
            (None, Some(None)) => {
                let message = format!("the environment variable `{}` is not set", variable.name);
                problems.push(at(Code::VariableNotSet, variable.span, message));
            }
            (None, None) => {
                let message = format!("`{}` may not be taken from the environment", variable.name);
                let help = format!("list it in jobcontrol.yaml: `environment: [{}]`", variable.name);
                problems.push(at(Code::VariableNotAllowed, variable.span, message).help(help));
            }
        }
    }
    (granted, problems)
}
