//! Calls of the sandbox without the program around it.

#[path = "../../runner/sandbox/benches/nowhere/mod.rs"]
mod nowhere;

use std::path::Path;
use std::sync::Arc;
use std::sync::OnceLock;

use jobcontrol_core::child_limits::ChildLimits;
use jobcontrol_core::clock::SystemClock;
use jobcontrol_core::limits::Limits;
use jobcontrol_core::secret::Secrets;
use jobcontrol_core::value::Value;
use jobcontrol_sandbox::BuildInfo;
use jobcontrol_sandbox::Call;
use jobcontrol_sandbox::Called;
use jobcontrol_sandbox::Cancel;
use jobcontrol_sandbox::Function;
use jobcontrol_sandbox::Granted;
use jobcontrol_sandbox::Ledger;
use jobcontrol_sandbox::Plugins;
use jobcontrol_sandbox::Sandbox;
use tokio::runtime::Runtime;

use self::nowhere::Nowhere;
use crate::harness::root;

/// A sandbox that makes so many calls at once, with the tests' own cache of compiled plugins.
pub(crate) fn sandbox_for(concurrency: usize) -> Sandbox {
    let command = vec![env!("CARGO_BIN_EXE_jobcontrol").into(), "__interpret".into()];
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache");
    let plugins = Plugins::new(cache, command, ChildLimits::READ, ChildLimits::COMPILE);
    Sandbox::new(plugins, Arc::new(SystemClock), concurrency).expect("an engine")
}

/// One sandbox for all tests of this process that need no other.
pub(super) fn sandbox() -> &'static Sandbox {
    /// Calls at once: more than tests run at the same time.
    const CONCURRENCY: usize = 64;
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| sandbox_for(CONCURRENCY))
}

/// A call with these arguments, without grants and with the default limits.
pub(crate) fn call_with(args: Vec<Value>) -> Call {
    Call {
        secrets: Secrets::default(),
        args,
        granted: Granted::default(),
        limits: Limits::default(),
        account: Ledger::unbounded().enter(),
        build: BuildInfo { build_id: 1, job_id: "j".into(), attempt: 1, store_id: "test".into() },
        sink: Arc::new(Nowhere),
        cancel: Cancel::pair().1,
        until: None,
    }
}

/// A function of a guest of `tests/guests`.
#[track_caller]
pub(crate) fn function(sandbox: &Sandbox, guest: &str, name: &str) -> Function {
    let path = root().join("tests/guests").join(guest);
    let plugin = sandbox.plugins().read_file(&path, Path::new(guest)).expect("a plugin");
    let signature = plugin.functions.iter().find(|signature| signature.name == name).expect("the function");
    sandbox.function(&plugin, signature, &Cancel::pair().1).expect("it compiles")
}

/// Calls a function of a guest of `tests/guests`.
#[track_caller]
pub(super) fn called(runtime: &Runtime, guest: &str, name: &str, call: Call) -> Called {
    runtime.block_on(sandbox().call(&function(sandbox(), guest, name), call))
}
