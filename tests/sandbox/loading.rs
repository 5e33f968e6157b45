//! Plugins that are made ready at the same time, by the real compiler behind a program that waits
//! when it is told to.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use jobcontrol_core::child_limits::ChildLimits;
use jobcontrol_core::clock::SystemClock;
use jobcontrol_core::plugin::Plugin;
use jobcontrol_sandbox::Cancel;
use jobcontrol_sandbox::Plugins;
use jobcontrol_sandbox::Sandbox;
use jobcontrol_sandbox::SandboxError;
use tempfile::TempDir;

/// Says that it has begun, and waits to go on, where the plugin says so; then compiles it. Each
/// compilation is a line.
const COMPILER: &str = "[ \"$2\" = compile ] || exec \"$1\" __interpret \"$2\" \"$3\" \"$4\" \"$5\" \"$6\"
cat > \"$0/$$\"
if grep -q please-wait \"$0/$$\"; then echo x > \"$0/begun\"; read go < \"$0/go\"; fi
echo x >> \"$0/compiled\"
exec \"$1\" __interpret \"$2\" \"$3\" \"$4\" \"$5\" \"$6\" < \"$0/$$\"";

struct Workshop {
    dir: TempDir,
    sandbox: Sandbox,
}

impl Workshop {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let pipe = |name| Command::new("mkfifo").arg(dir.path().join(name)).status().expect("mkfifo").success();
        assert!(["begun", "go"].into_iter().all(pipe));
        let program = env!("CARGO_BIN_EXE_jobcontrol");
        let command = ["sh".as_ref(), "-c".as_ref(), COMPILER.as_ref(), dir.path().as_os_str(), program.as_ref()];
        let command = command.map(std::ffi::OsStr::to_owned).to_vec();
        let plugins = Plugins::new(dir.path().join("cache"), command, ChildLimits::READ, ChildLimits::COMPILE);
        let sandbox = Sandbox::new(plugins, Arc::new(SystemClock), 1).expect("an engine");
        Self { dir, sandbox }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn load(&self, plugin: &Plugin) -> Result<(), SandboxError> {
        let signature = plugin.find(Some("run")).unwrap_or_else(|problem| panic!("{}", problem.message));
        self.sandbox.function(plugin, signature, &Cancel::pair().1).map(drop)
    }

    fn compiled(&self) -> usize {
        std::fs::read_to_string(self.path("compiled")).expect("a file").lines().count()
    }
}

/// A plugin whose binary has `word` in it.
fn plugin(shop: &Workshop, word: &str) -> Plugin {
    let text = format!(
        r#"(component (@custom "{word}" "") (core module $m (func (export "run"))) (core instance $i (instantiate $m))
             (func (export "run") (canon lift (core func $i "run"))))"#
    );
    let read = shop.sandbox.plugins().read_bytes(text.into_bytes().into(), Path::new("plugin.wat"));
    read.unwrap_or_else(|e| panic!("{e:?}"))
}

#[test]
fn a_plugin_that_compiles_long_holds_up_no_other() {
    let shop = Workshop::new();
    let (slow, quick) = (plugin(&shop, "please-wait"), plugin(&shop, "quick"));
    std::thread::scope(|scope| {
        let first = scope.spawn(|| shop.load(&slow));
        std::fs::read(shop.path("begun")).expect("it begins");
        shop.load(&quick).expect("a plugin");
        let second = scope.spawn(|| shop.load(&slow));
        std::fs::write(shop.path("go"), "x\n").expect("it goes on");
        assert_eq!((first.join().expect("no panic"), second.join().expect("no panic")), (Ok(()), Ok(())));
    });
    assert_eq!(shop.compiled(), 2, "each was compiled once");
}
