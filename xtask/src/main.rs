//! `cargo xtask`: the steps that contributors repeat. Each one runs a script or cargo command that
//! also works without it; CI runs the same scripts.

use std::path::Path;
use std::process::Command;
use std::process::ExitCode;

/// A step: its name, the arguments it takes, what it does, and the command it runs.
struct Step {
    name: &'static str,
    args: &'static str,
    help: &'static str,
    command: fn(&[String]) -> Option<Command>,
}

const STEPS: &[Step] = &[
    Step { name: "ci", args: "", help: "run everything that CI runs", command: |_| Some(Command::new(".ci/run")) },
    Step {
        name: "suite",
        args: "NAME [ARG..]",
        help: "run one suite of ci/suites.sh, such as `clippy`, `browser` or `fuzz 5 manifest`",
        command: suite,
    },
    Step {
        name: "bless",
        args: "[diagnostics|looks]",
        help: "write the expected output of a suite; read the difference before you commit it",
        command: bless,
    },
    Step { name: "bench", args: "NAME [ARG..]", help: "run a benchmark", command: bench },
    Step {
        name: "manual",
        args: "",
        help: "build the manual into target/manual",
        command: |_| suite(&["manual".into()]),
    },
    Step {
        name: "plugins",
        args: "",
        help: "rebuild the WebAssembly that is committed: sample plugins and guests of the tests",
        command: |_| Some(Command::new("examples/build.sh")),
    },
    Step {
        name: "interpreter",
        args: "",
        help: "rebuild the JavaScript interpreter, which is committed too",
        command: |_| Some(Command::new("runner/runtimes/js/build.sh")),
    },
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let step = args.first().and_then(|name| STEPS.iter().find(|step| step.name == *name));
    let Some(mut command) = step.and_then(|step| (step.command)(&args[1..])) else {
        usage();
        return ExitCode::from(2);
    };
    // The workspace is the parent of this crate's folder.
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    match command.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("`{}` cannot be started: {error}", command.get_program().display()));
            ExitCode::FAILURE
        }
    }
}

fn suite(args: &[String]) -> Option<Command> {
    let (name, rest) = args.split_first()?;
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", "source ci/suites.sh; step \"$1\" \"$@\"", "xtask", name]).args(rest);
    Some(command)
}

fn bless(args: &[String]) -> Option<Command> {
    let filter: &[&str] = match args.first().map_or("diagnostics", String::as_str) {
        "diagnostics" => &["diagnostics"],
        "looks" => &["browser::looks", "--ignored"],
        _ => return None,
    };
    let mut command = cargo();
    command.env("BLESS", "1").args(["test", "--test", "tests", "--"]).args(filter);
    Some(command)
}

fn bench(args: &[String]) -> Option<Command> {
    let (name, rest) = args.split_first()?;
    let mut command = cargo();
    command.args(["bench", "--bench", name, "--"]).args(rest);
    Some(command)
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

fn usage() {
    say("usage: cargo xtask STEP\n");
    for step in STEPS {
        say(&format!("  {:<28} {}", format!("{} {}", step.name, step.args), step.help));
    }
}

#[expect(clippy::print_stderr, reason = "this program has no other output")]
fn say(text: &str) {
    eprintln!("{text}");
}
