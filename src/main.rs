//! The program: parses, starts telemetry, dispatches, delivers, and exits with a code.

use clap::Parser as _;
use payment_monitor::cli::Cli;
use payment_monitor::commands;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    commands::dispatch(&cli).into()
}
