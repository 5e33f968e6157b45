//! Any text as a manifest and as the operator's settings: an answer, whose places lie in the text.
#![no_main]

use std::sync::Arc;

use jobcontrol_core::diagnostic::Source;
use jobcontrol_core::manifest::Context;
use jobcontrol_core::manifest::parse;
use jobcontrol_core::manifest::parse_settings;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let source = Arc::new(Source { path: "fuzz.yaml".to_owned(), text: text.to_owned() });
    let parsed = parse(&source, "", "fuzz", &Context::default());
    for job in &parsed.jobs {
        assert!(text.get(job.place.id.start..job.place.id.end).is_some(), "{:?}", job.place);
        for (_, span) in job.references() {
            assert!(text.get(span.start..span.end).is_some(), "{span:?}");
        }
        jobcontrol_core::value::pack(&job.to_config()).expect("a config can be stored");
    }
    parse_settings(&source, &mut Vec::new());
});
