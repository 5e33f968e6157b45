//! A test plugin: one exported function for each part of the library.

mod broken;

use std::env;
use std::fs::File;
use std::hash::BuildHasher;
use std::hash::RandomState;
use std::io::Write;
use std::time::Instant;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

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

    fn clocks() -> (u64, bool) {
        let first = Instant::now();
        let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        (since, Instant::now() > first)
    }

    fn chance() -> u64 {
        RandomState::new().hash_one(0)
    }

    fn writes(path: String, pieces: u32) -> Result<u32, String> {
        let mut file = File::create(path).map_err(|error| error.to_string())?;
        for written in 0..pieces {
            if file.write_all(&[b'x'; 1_000]).is_err() {
                return Ok(written);
            }
        }
        Ok(pieces)
    }

    fn grows(path: String, bytes: u64) -> Result<(), String> {
        File::create(path).and_then(|file| file.set_len(bytes)).map_err(|error| error.to_string())
    }
}
