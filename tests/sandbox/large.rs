//! Large values, which are moved apart from other guests where the runtime has several threads.

use jobcontrol_core::event::Outcome;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::limits::Limits;
use jobcontrol_core::value::Value;
use jobcontrol_sandbox::Call;
use jobcontrol_sandbox::Called;
use tokio::runtime::Builder;
use tokio::runtime::Runtime;

use super::direct::call_with;
use super::direct::function;
use super::direct::sandbox;

/// Items of a list of some 5 MB, encoded.
const ITEMS: u32 = 1_000_000;

/// A runtime of one thread, and one of several.
fn runtimes() -> [Runtime; 2] {
    [Builder::new_current_thread(), Builder::new_multi_thread()]
        .map(|mut builder| builder.enable_time().build().expect("a runtime"))
}

/// Calls in a task of the runtime, as a guest's thread does.
fn called(runtime: &Runtime, guest: &str, name: &str, call: Call) -> Called {
    let function = function(sandbox(), guest, name);
    runtime
        .block_on(async { tokio::spawn(async move { sandbox().call(&function, call).await }).await.expect("an end") })
}

fn numbers() -> Value {
    Value::List((0..ITEMS).map(|n| Value::Int(n.into())).collect())
}

#[test]
fn a_large_list_comes_back() {
    for runtime in runtimes() {
        let called = called(&runtime, "values_list.wat", "numbers", call_with(vec![numbers()]));
        assert!(called.outcome == Outcome::Returned(Some(numbers())), "{:?}", called.usage);
    }
}

/// Room for each text is made by the guest, which gives way in between.
#[test]
fn a_large_list_of_texts_comes_back() {
    let texts = || Value::List((0..ITEMS / 4).map(|n| Value::string(format!("text {n}"))).collect());
    for runtime in runtimes() {
        let called = called(&runtime, "values_list.wat", "texts", call_with(vec![texts()]));
        assert!(called.outcome == Outcome::Returned(Some(texts())), "{:?}", called.usage);
    }
}

#[test]
fn many_large_lists_at_once_come_back() {
    let [_, runtime] = runtimes();
    let echo = function(sandbox(), "values_list.wat", "numbers");
    let call = || {
        let echo = echo.clone();
        runtime.spawn(async move { sandbox().call(&echo, call_with(vec![numbers()])).await.outcome })
    };
    let calls: Vec<_> = (0..8).map(|_| call()).collect();
    for call in calls {
        assert!(runtime.block_on(call).expect("an end") == Outcome::Returned(Some(numbers())));
    }
}

#[test]
fn a_large_list_beyond_the_limit_is_refused() {
    for runtime in runtimes() {
        let limits = Limits { retval: 1 << 20, ..Limits::default() };
        let called = called(&runtime, "values_list.wat", "numbers", Call { limits, ..call_with(vec![numbers()]) });
        assert!(matches!(&called.outcome, Outcome::Failed(failure) if failure.kind == FailureKind::Limit));
    }
}
