//! The program: parses, starts telemetry, dispatches, delivers, and exits with a code.

use payment_monitor::cli::Cli;
use payment_monitor::commands;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::read();
    commands::dispatch(&cli).into()
}
