//! Functions of scripts: one interpreter runs all scripts of a language, and takes and returns
//! values as JSON.

use std::sync::Arc;

use jobcontrol_core::argument::Arg;
use jobcontrol_core::event::Outcome;
use jobcontrol_core::failure::Frame;
use jobcontrol_core::failure::cut_failure;
use jobcontrol_core::held_size;
use jobcontrol_core::plugin::Plugin;
use jobcontrol_core::plugin::Script;
use jobcontrol_core::types::Retvals;
use jobcontrol_core::types::Signature;
use jobcontrol_core::types::Type;
use jobcontrol_core::types::resolve;
use jobcontrol_core::value::Json;
use jobcontrol_core::value::Value;

use crate::archive::Archive;
use crate::transfer::Returned;

/// The interpreter's function that calls a script's function.
pub(crate) const CALL: &str = "call";

/// How many lines of code are shown on each side of a call's line.
const AROUND: usize = 3;
/// The most characters shown of such a line.
const WIDTH: usize = 400;

/// A function of a script.
pub(crate) struct ScriptFunction {
    script: Arc<Script>,
    /// The index of the function's plan.
    plan: usize,
    result: Option<Type>,
    name: String,
    archive: Arc<[u8]>,
}

/// Resolves no references: a value that a script returned cannot refer to jobs.
struct NoRetvals;

impl Retvals for NoRetvals {
    fn retval(&self, _: &str) -> Option<(&Type, Option<&Value>)> {
        None
    }
}

impl ScriptFunction {
    /// Returns the function of a plugin that is a script.
    pub(crate) fn of(plugin: &Plugin, signature: &Signature) -> Option<Self> {
        let script = plugin.script.as_ref()?;
        let plan = script.plans.iter().position(|(name, _)| *name == signature.name)?;
        Some(Self {
            script: Arc::clone(script),
            plan,
            result: signature.result.clone(),
            name: signature.name.clone(),
            archive: Arc::clone(&plugin.bytes),
        })
    }

    /// Returns the bytes of host memory that a call takes besides its arguments.
    pub(crate) fn held(&self) -> u64 {
        held_size::of_text(self.script.program.len()) + held_size::of_text(self.plan().len())
    }

    /// Returns the arguments for the interpreter.
    pub(crate) fn arguments(&self, args: &[Value]) -> Vec<Value> {
        let args: Vec<Json<'_>> = args.iter().map(Json).collect();
        // The keys of these values are always text, and nothing else can fail.
        let args = serde_json::to_string(&args).unwrap_or_default();
        vec![Value::string(&*self.script.program), Value::string(self.plan()), Value::String(args)]
    }

    /// Returns all files of the script as one text.
    pub(crate) fn program(&self) -> &str {
        &self.script.program
    }

    fn plan(&self) -> &str {
        &self.script.plans[self.plan].1
    }

    /// Extracts the script's result from the interpreter's.
    pub(crate) fn returned(&self, returned: Returned) -> Returned {
        let (Some(ty), Returned::Value(Some(Value::String(text)))) = (&self.result, returned) else {
            return Returned::Value(None);
        };
        let wrong = |what: String| Returned::Error(Some(Value::String(format!("`{}` returned {what}", self.name))));
        let value = match serde_json::from_str::<Value>(&text) {
            Ok(value) => value,
            Err(error) => return wrong(format!("invalid JSON: {error}")),
        };
        let mut problems = Vec::new();
        let value = resolve(&Arg::literal(value), "value", ty, &NoRetvals, &mut problems);
        match problems.first() {
            // An error result is how the function itself failed.
            None => match ty {
                Type::Result(ok, err) => match (value.get("ok"), value.get("err")) {
                    (_, Some(error)) => Returned::Error(err.as_ref().map(|_| error.clone())),
                    (value, None) => Returned::Value(ok.as_ref().and(value).cloned()),
                },
                _ => Returned::Value(Some(value)),
            },
            Some(problem) => {
                let path = problem.path.strip_prefix("value").unwrap_or_default().trim_start_matches('.');
                let place = if path.is_empty() { String::new() } else { format!(" at `{path}`") };
                wrong(format!("a value of the wrong type{place}: {}", problem.reason_with_value()))
            }
        }
    }

    /// Keeps only the script's calls in an outcome, each with its code.
    pub(crate) fn with_code(&self, mut outcome: Outcome) -> Outcome {
        if let Outcome::Failed(failure) = &mut outcome {
            let files = Archive::decode(&self.archive).map(|archive| archive.files).unwrap_or_default();
            let causes = failure.causes.iter_mut().map(|cause| &mut cause.frames);
            for frames in std::iter::once(&mut failure.frames).chain(causes) {
                frames.retain_mut(|frame| code(&files, frame));
            }
            cut_failure(failure);
        }
        outcome
    }
}

/// Adds the code around a call, and returns whether its file belongs to the script.
fn code(files: &[(String, String)], frame: &mut Frame) -> bool {
    let Some((_, text)) = files.iter().find(|(name, _)| *name == frame.file) else { return false };
    if let Some(at) = usize::try_from(frame.line).ok().and_then(|line| line.checked_sub(1)) {
        let first = at.saturating_sub(AROUND);
        let lines = text.lines().skip(first).take(at - first + AROUND + 1);
        frame.context = lines.map(|line| line.chars().take(WIDTH).collect()).collect();
        frame.context_start = u32::try_from(first + 1).unwrap_or(0);
    }
    true
}
