//! More calls than the sandbox was made for.

use jobcontrol_core::event::Outcome;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::value::Value;
use jobcontrol_sandbox::Call;
use jobcontrol_sandbox::Called;
use jobcontrol_sandbox::Cancel;

use super::direct::call_with;
use super::direct::function;
use super::direct::sandbox_for;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime")
}

#[test]
fn a_call_beyond_them_waits_for_one_to_end() {
    let sandbox = sandbox_for(1);
    let grow = function(&sandbox, "limit_memory.wat", "grow");
    let call = || sandbox.call(&grow, call_with(vec![Value::Int(1), Value::Int(1), Value::Int(1)]));
    let called: [Called; 3] = runtime().block_on(async { tokio::join!(call(), call(), call()) }).into();
    for called in called {
        assert_eq!(called.outcome, Outcome::Returned(Some(Value::Int(1))));
    }
}

#[test]
fn a_call_that_waits_can_be_cancelled() {
    let sandbox = sandbox_for(1);
    let (spin, quick) =
        (function(&sandbox, "loop_endless.wat", "spin"), function(&sandbox, "loop_endless.wat", "quick"));
    let ((stop, stopped), (cancel, cancelled)) = (Cancel::pair(), Cancel::pair());
    cancel.send(true).expect("a call that sees it");
    let running = sandbox.call(&spin, Call { cancel: stopped, ..call_with(Vec::new()) });
    let waiting = async {
        let called = sandbox.call(&quick, Call { cancel: cancelled, ..call_with(Vec::new()) }).await;
        stop.send(true).expect("a call that sees it");
        called
    };
    let (running, waiting) = runtime().block_on(async { tokio::join!(running, waiting) });
    for called in [running, waiting] {
        let is_cancelled = |failure: &jobcontrol_core::failure::Failure| failure.kind == FailureKind::Cancelled;
        assert!(matches!(&called.outcome, Outcome::Failed(failure) if is_cancelled(failure)), "{called:?}");
    }
}
