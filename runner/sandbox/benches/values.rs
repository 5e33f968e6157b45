//! Measures values to a plugin and back, beside the engine's typed binding: a million records, and
//! 100 MB of bytes, also beside plain copies. `cargo bench -p jobcontrol-sandbox --bench values`.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints, and stops where something is wrong")]

mod nowhere;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use jobcontrol_core::child_limits::ChildLimits;
use jobcontrol_core::clock::SystemClock;
use jobcontrol_core::event::Outcome;
use jobcontrol_core::limits::Limits;
use jobcontrol_core::limits::MIB;
use jobcontrol_core::plugin::Plugin;
use jobcontrol_core::secret::Secrets;
use jobcontrol_core::value::Name;
use jobcontrol_core::value::Value;
use jobcontrol_core::value::pack;
use jobcontrol_core::value::unpack;
use jobcontrol_sandbox::BuildInfo;
use jobcontrol_sandbox::Call;
use jobcontrol_sandbox::Cancel;
use jobcontrol_sandbox::Granted;
use jobcontrol_sandbox::Plugins;
use jobcontrol_sandbox::Sandbox;
use jobcontrol_sandbox::serve;
use wasmtime::Engine;
use wasmtime::Store;
use wasmtime::component::Component;
use wasmtime::component::ComponentType;
use wasmtime::component::Lift;
use wasmtime::component::Linker;
use wasmtime::component::Lower;

use crate::nowhere::Nowhere;

const RECORDS: u32 = 1_000_000;
const BYTES: usize = 100_000_000;
const ROUNDS: u32 = 5;

/// Returns the list that it gets.
const ECHO: &str = r#"(component
  (type $order' (record (field "id" u32) (field "name" string) (field "total" f64) (field "open" bool)))
  (import "order" (type $order (eq $order')))
  (core module $m
    (memory (export "memory") 2)
    (global $free (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
      (global.set $free (i32.add (local.get $at) (local.get 3)))
      (if (i32.gt_u (global.get $free) (i32.mul (memory.size) (i32.const 65536))) (then
        (drop (memory.grow (i32.add (i32.div_u (local.get 3) (i32.const 65536)) (i32.const 64))))))
      (local.get $at))
    (func (export "list") (param i32 i32) (result i32)
      (i32.store (i32.const 16) (local.get 0))
      (i32.store (i32.const 20) (local.get 1))
      (i32.const 16)))
  (core instance $i (instantiate $m))
  (alias core export $i "memory" (core memory $mem))
  (alias core export $i "realloc" (core func $realloc))
  (func (export "orders") (param "it" (list $order)) (result (list $order))
    (canon lift (core func $i "list") (memory $mem) (realloc $realloc)))
  (func (export "bytes") (param "it" (list u8)) (result (list u8))
    (canon lift (core func $i "list") (memory $mem) (realloc $realloc))))"#;

#[derive(ComponentType, Lower, Lift, Clone)]
#[component(record)]
struct Order {
    id: u32,
    name: String,
    total: f64,
    open: bool,
}

fn main() {
    if std::env::args().nth(1).as_deref() == Some("__interpret") {
        return serve(&std::env::args_os().skip(2).collect::<Vec<_>>()).unwrap();
    }
    let bench = Bench::new();
    let orders: Vec<_> = (0..RECORDS)
        .map(|id| Order { id, name: format!("order {id}"), total: f64::from(id) * 0.5, open: id % 2 == 0 })
        .collect();
    let names = ["id", "name", "total", "open"].map(Name::from);
    let values = Value::List(orders.iter().map(|it| order(it, &names)).collect());
    let bytes = Value::Bytes(vec![7; BYTES]);
    let Value::Bytes(plain) = &bytes else { return };

    let typed_orders = best(|| bench.typed("orders", &orders));
    println!("{RECORDS} records by the typed binding      {:>8.1} ms", ms(typed_orders));
    let ours = best(|| bench.ours("orders", &values));
    println!(
        "{RECORDS} records by the sandbox            {:>8.1} ms, {:.2} times",
        ms(ours),
        ratio(ours, typed_orders)
    );
    let packing = best(|| packed(&values));
    println!("  packed and unpacked                    {:>8.1} ms", ms(packing));

    let copies = best(|| timed(|| std::hint::black_box(plain.clone()).clone()));
    println!("{BYTES} bytes copied twice              {:>8.1} ms", ms(copies));
    let typed_bytes = best(|| bench.typed("bytes", plain));
    println!(
        "{BYTES} bytes by the typed binding      {:>8.1} ms, {:.2} times",
        ms(typed_bytes),
        ratio(typed_bytes, copies)
    );
    let ours = best(|| bench.ours("bytes", &bytes));
    println!("{BYTES} bytes by the sandbox            {:>8.1} ms, {:.2} times", ms(ours), ratio(ours, copies));
    let packing = best(|| packed(&bytes));
    println!("  packed and unpacked                    {:>8.1} ms", ms(packing));
}

/// The names are shared, as in a value from a guest or from the store.
fn order(order: &Order, [id, name, total, open]: &[Name; 4]) -> Value {
    Value::Map(vec![
        (id.clone(), Value::Int(order.id.into())),
        (name.clone(), Value::string(&order.name)),
        (total.clone(), Value::Float(order.total)),
        (open.clone(), Value::Bool(order.open)),
    ])
}

fn packed(value: &Value) -> Duration {
    timed(|| unpack(&pack(value).unwrap()).unwrap())
}

fn best(mut run: impl FnMut() -> Duration) -> Duration {
    (0..ROUNDS).map(|_| run()).min().unwrap()
}

fn timed<T>(run: impl FnOnce() -> T) -> Duration {
    let since = Instant::now();
    std::hint::black_box(run());
    since.elapsed()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn ratio(time: Duration, floor: Duration) -> f64 {
    time.as_secs_f64() / floor.as_secs_f64()
}

struct Bench {
    _folder: tempfile::TempDir,
    sandbox: Sandbox,
    plugin: Plugin,
    engine: Engine,
    component: Component,
    runtime: tokio::runtime::Runtime,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("echo.wat");
        std::fs::write(&path, ECHO).unwrap();
        let command = vec![std::env::current_exe().unwrap().into(), "__interpret".into()];
        let sandbox = Sandbox::new(
            Plugins::new(folder.path().join("cache"), command, ChildLimits::READ, ChildLimits::COMPILE),
            Arc::new(SystemClock),
            1,
        );
        let sandbox = sandbox.unwrap();
        let plugin = sandbox.plugins().read_file(&path, Path::new("echo.wat")).unwrap();
        let engine = Engine::default();
        let component = Component::new(&engine, wat::parse_str(ECHO).unwrap()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        Self { _folder: folder, sandbox, plugin, engine, component, runtime }
    }

    fn ours(&self, name: &str, value: &Value) -> Duration {
        let signature = self.plugin.functions.iter().find(|f| f.name == name).unwrap();
        let function = self.sandbox.function(&self.plugin, signature, &Cancel::pair().1).unwrap();
        let limits = Limits { memory: 1024 * MIB, retval: 256 * MIB, ..Limits::default() };
        let (_switch, cancel) = Cancel::pair();
        let build = BuildInfo { build_id: 1, job_id: "echo".into(), attempt: 1, store_id: "bench".into() };
        let args = vec![value.clone()];
        let (granted, account, sink) = (Granted::default(), self.sandbox.memory().enter(), Arc::new(Nowhere));
        let call =
            Call { args, granted, secrets: Secrets::default(), limits, account, build, sink, cancel, until: None };
        timed(|| {
            let outcome = self.runtime.block_on(self.sandbox.call(&function, call)).outcome;
            let Outcome::Returned(Some(value)) = outcome else { panic!("it returns a value") };
            value
        })
    }

    fn typed<T: Lift + Lower + 'static>(&self, name: &str, value: &T) -> Duration {
        let mut store = Store::new(&self.engine, ());
        timed(|| {
            let instance = Linker::new(&self.engine).instantiate(&mut store, &self.component).unwrap();
            let function = instance.get_typed_func::<(&T,), (T,)>(&mut store, name).unwrap();
            function.call(&mut store, (value,)).unwrap()
        })
    }
}
