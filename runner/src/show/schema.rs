//! The shapes that are written by hand or by `core`, for the description of the API. `core` knows
//! nothing of the API. A test compares each of these shapes with what is written.

use utoipa::ToSchema;

/// A failure.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is written by hand")]
pub(crate) struct Failed {
    /// A kind of the runner (`error`, `trap`, `limit`, `timeout`, `cancelled`, `interrupted`,
    /// `exit`, `arguments`, `storage`), or the name that the plugin gives it.
    kind: String,
    message: String,
    /// The function's own error value, if it returned one.
    value: Option<serde_json::Value>,
    /// What led to it, nearest first; left out if nothing is known.
    #[schema(required = false)]
    causes: Vec<Caused>,
    /// `stderr` if the plugin did not report the failure itself; left out otherwise.
    #[schema(required = false, nullable = false)]
    read_from: Option<String>,
}

/// One link of a chain of failures.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `core` writes")]
pub(crate) struct Caused {
    kind: String,
    message: String,
    frames: Vec<Framed>,
}

/// One call in a traceback.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `core` writes")]
pub(crate) struct Framed {
    /// Empty when unknown.
    file: String,
    /// 1-based; 0 when unknown.
    line: u32,
    /// 1-based; 0 when unknown.
    column: u32,
    /// Empty when unknown.
    function: String,
    /// Lines of code around `line`.
    context: Vec<String>,
    /// Number of the first line in `context`.
    context_start: u32,
    /// Names and values of local variables.
    locals: Vec<(String, String)>,
    /// The position of the call in the plugin's binary, while its name and line are not found; left
    /// out otherwise.
    #[schema(required = false, nullable = false)]
    raw: Option<Placed>,
    /// How often calls up to this one were repeated; left out if they were not.
    #[schema(required = false, nullable = false)]
    repeated: Option<Repeated>,
}

/// A call without a line.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `core` writes")]
pub(crate) struct Placed {
    /// Bytes from the start of the compiled code.
    offset: u64,
    /// Why the name and the line were not found.
    why: String,
}

/// Calls of a recursion, which are kept once.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `core` writes")]
pub(crate) struct Repeated {
    /// How many calls; the last of them has this field.
    calls: u32,
    /// How many more times they were made.
    times: u32,
    /// Whether there may have been more; left out if there were not.
    #[schema(required = false)]
    at_least: bool,
}

/// The newest report of one group of a build's progress.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `core` writes")]
pub(crate) struct Progressed {
    /// Levels joined by `::`; empty for the whole build.
    group_name: String,
    /// Steps done.
    current: u64,
    /// Steps in all; 0 when unknown.
    total: u64,
    /// One line about what is going on.
    status_line: String,
}

/// How many builds of a run have which status.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `core` writes")]
pub(crate) struct Counted {
    created: u64,
    running: u64,
    failed: u64,
    skipped: u64,
    successful: u64,
}

/// A job that has changed.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `core` writes")]
pub(crate) struct AlteredJob {
    job: String,
    /// What differs, each in a few words.
    changes: Vec<String>,
}

/// A mistake, as a reload keeps it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `core` writes")]
pub(crate) struct Mistake {
    code: String,
    message: String,
    file: Option<String>,
    /// Counted from 1; null for a mistake of a whole file.
    line: Option<u64>,
    /// In characters, counted from 1.
    column: Option<u64>,
    /// The text of that line.
    text: Option<String>,
    help: Vec<String>,
}

/// The status of a build.
#[derive(ToSchema)]
#[schema(rename_all = "UPPERCASE")]
#[expect(dead_code, reason = "describes what `core` writes")]
pub(crate) enum Named {
    Created,
    Running,
    Failed,
    Skipped,
    Successful,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jobcontrol_core::build::BuildStatus;
    use jobcontrol_core::failure::Cause;
    use jobcontrol_core::failure::Failure;
    use jobcontrol_core::failure::Frame;
    use jobcontrol_core::failure::Raw;
    use jobcontrol_core::progress::Progress;
    use jobcontrol_core::run::RunCounts;
    use serde_json::Value;
    use serde_json::json;
    use utoipa::PartialSchema;

    use super::*;
    use crate::show::json::FailureJson;

    fn keys(value: &Value) -> BTreeSet<&str> {
        value.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect()
    }

    /// Checks that what is written has the properties that are described, and no others.
    fn described<T: PartialSchema>(written: &impl serde::Serialize) {
        let (schema, written) = (json!(T::schema()), json!(written));
        assert_eq!(keys(&schema["properties"]), keys(&written), "{schema}");
    }

    #[test]
    fn what_is_described_is_what_is_written() {
        let repeated = jobcontrol_core::failure::Repeated { calls: 1, times: 1, at_least: true };
        let raw = Raw::default();
        let frame = Frame { raw: Some(raw.clone()), repeated: Some(repeated), ..Frame::default() };
        let cause = Cause { frames: vec![frame.clone()], ..Cause::default() };
        let failure = Failure { causes: vec![cause.clone()], from_stderr: true, ..Failure::default() };
        described::<Failed>(&FailureJson(&failure));
        described::<Caused>(&cause);
        described::<Framed>(&frame);
        described::<Placed>(&raw);
        described::<Repeated>(&repeated);
        described::<Progressed>(&Progress::default());
        described::<Counted>(&RunCounts::default());
        described::<AlteredJob>(&jobcontrol_core::reload::Altered::default());
        described::<Mistake>(&jobcontrol_core::reload::Problem::default());
    }

    #[test]
    fn each_status_is_described_by_its_name() {
        let all = [(false, false), (true, false), (true, true)].map(|(started, finished)| {
            [(false, false), (true, false), (true, true)]
                .map(|(success, skipped)| json!(BuildStatus::of(started, finished, success, skipped)))
        });
        let all: BTreeSet<String> = all.iter().flatten().map(ToString::to_string).collect();
        let named = json!(Named::schema());
        let named: BTreeSet<String> = named["enum"].as_array().unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(named, all);
    }
}
