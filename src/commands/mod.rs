//! The commands: one file each. Only here is anything printed, and only here is it decided
//! with which code the program ends.

mod decide;
mod delivery;
mod demo;
mod discrepancies;
mod doctor;
mod failures;
mod migrate;
mod printer;
pub mod render;
mod rescue;
mod run;
mod runs;
mod schedule;
mod session;
mod show;
mod simulate;
mod suspicious;
mod trace;

use crate::cli::{Cli, Command, Output};
use crate::exit;
use crate::run::{RunError, answered};
use clap::CommandFactory as _;
use futures_util::FutureExt as _;
use printer::Printer;
use session::Session;
use std::panic::{AssertUnwindSafe, resume_unwind};

/// Does what the command line asks for; gives the exit code.
pub fn dispatch(cli: &Cli) -> u8 {
    if cli.output == Output::Csv && !matches!(cli.command, Command::Failures(_)) {
        printer::note("error: only `failures` has a table to give as csv; --output human or json");
        return exit::USAGE;
    }
    let printer = Printer::new(cli.output);
    match &cli.command {
        Command::Completions { shell } => {
            clap_complete::generate(
                *shell,
                &mut Cli::command(),
                "payment-monitor",
                &mut printer::out(),
            );
            exit::DONE
        }
        Command::Man => match clap_mangen::Man::new(Cli::command()).render(&mut printer::out()) {
            Ok(()) => exit::DONE,
            Err(_) => exit::FAILED,
        },
        _ => with_session(cli, printer),
    }
}

fn with_session(cli: &Cli, printer: Printer) -> u8 {
    let session = match Session::start(cli) {
        Ok(session) => session,
        Err(error) => return printer::fail(&error),
    };
    let done = session.block_on(AssertUnwindSafe(command(cli, printer, &session)).catch_unwind());
    match done {
        Ok(done) => {
            session.block_on(session.shutdown());
            done.unwrap_or_else(|error| printer::fail(&error))
        }
        Err(panic) => {
            session.block_on(delivery::deliver_broken_off(&session));
            resume_unwind(panic)
        }
    }
}

async fn command(cli: &Cli, printer: Printer, session: &Session) -> anyhow::Result<u8> {
    match &cli.command {
        Command::Demo(args) => Box::pin(demo::demo(session, printer, args)).await,
        Command::Simulate(args) => Box::pin(simulate::simulate(session, printer, args)).await,
        Command::Migrate => migrate::migrate(session, printer).await,
        Command::Doctor(_) => Box::pin(doctor::doctor(session, printer)).await,
        Command::Run(args) => Box::pin(run::run(session, printer, args)).await,
        Command::Runs(args) => answered(runs::runs(session, printer, args)).await,
        Command::Show(args) => answered(show::show(session, printer, args)).await,
        Command::Discrepancies(args) => {
            answered(discrepancies::discrepancies(session, printer, args)).await
        }
        Command::Suspicious(args) => answered(suspicious::suspicious(session, printer, args)).await,
        Command::Failures(args) => answered(failures::failures(session, printer, args)).await,
        Command::Schedule(args) => answered(schedule::schedule(session, printer, args)).await,
        Command::Approve(args) => Box::pin(decide::approve(session, printer, args)).await,
        Command::Reject(args) => decide::reject(session, printer, args).await,
        Command::Trace(command) => trace::trace(session, printer, command).await,
        Command::Rescue => rescue::rescue(session, printer).await,
        Command::Completions { .. } | Command::Man => Ok(exit::DONE),
    }
}

/// Which exit code an error ends the program with.
fn exit_code(error: &anyhow::Error) -> u8 {
    if error.is::<crate::config::ConfigError>() {
        return exit::USAGE;
    }
    match error.downcast_ref::<RunError>() {
        Some(RunError::Busy) => exit::SKIPPED,
        Some(RunError::Refused(_)) => exit::USAGE,
        Some(RunError::Stopped(signal)) => signal.exit_code(),
        _ => exit::FAILED,
    }
}
