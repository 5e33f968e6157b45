//! A plain Rust program: prints what it is given, and fails if that is nothing.

use std::io::Read;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut input = String::new();
    if std::io::stdin().read_to_string(&mut input).is_err() || !input.is_empty() {
        eprintln!("there should be no input");
        return ExitCode::from(4);
    }
    let orders: Vec<String> = std::env::args().skip(1).collect();
    if orders.is_empty() {
        eprintln!("usage: orders ID..");
        return ExitCode::from(3);
    }
    for (i, id) in orders.iter().enumerate() {
        println!("order {}: {id}", i + 1);
    }
    ExitCode::SUCCESS
}
