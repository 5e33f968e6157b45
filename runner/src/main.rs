//! The `jobcontrol` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    jobcontrol::cli::main()
}
