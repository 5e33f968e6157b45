//! A test plugin: one exported function for each part of the library.

mod broken;

use std::env;

use jobcontrol_plugin::ProgressIterator;

use crate::broken::Broken;

wit_bindgen::generate!({ path: "wit", world: "sdk" });
jobcontrol_plugin::init_on_load!();
export!(Plugin);

struct Plugin;

impl Guest for Plugin {
    fn greet(name: String) -> String {
        log::trace!("about to greet");
        log::debug!(length = name.len(); "the name has a length");
        log::info!(name = name.as_str(), polite = true; "greeting {name}");
        log::warn!(target: "manners", "no hat was taken off");
        log::error!(code = 7; "the hand was not shaken");
        format!("Hello, {name}!")
    }

    fn panics(message: String) {
        panic!("{message}");
    }

    fn skips(reason: String) {
        jobcontrol_plugin::skip(&reason);
    }

    fn fails() -> String {
        jobcontrol_plugin::fail_with(&Broken::example())
    }

    fn counts(n: u32) -> u64 {
        (1..=u64::from(n)).progress(["count"]).with_status("counting").sum()
    }

    fn whoami() -> Identity {
        let build = jobcontrol_plugin::current();
        Identity {
            build_id: build.build_id,
            job_id: build.job_id,
            attempt: build.attempt,
            idempotency_key: build.idempotency_key,
        }
    }

    #[expect(clippy::print_stdout, clippy::print_stderr, reason = "what is under test")]
    fn prints(line: String) {
        println!("{line}");
        eprintln!("{line}");
    }

    fn reads_env(name: String) -> Option<String> {
        env::var(name).ok()
    }
}
