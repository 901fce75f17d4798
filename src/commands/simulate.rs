//! `simulate`: the demo's company, kept alive until a signal ends it.

use super::printer::{self, Printer};
use super::session::{self, Session};
use crate::cli::SimulateArgs;
use crate::exit;
use crate::run::{Stop, pauses};
use crate::simulator::{Beginning, Done, Shelf, Simulator, SimulatorError};
use crate::store::Database;
use serde_json::json;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// How long what is in flight at a signal may take.
const LAST_WORK: Duration = Duration::from_millis(700);

pub async fn simulate(
    session: &Session,
    printer: Printer,
    args: &SimulateArgs,
) -> anyhow::Result<u8> {
    let database = session.database()?;
    let shelf = Shelf::at(&args.statement)?;
    let stop = session::listen()?;
    let stopping = async {
        stop.wait().await;
        tokio::time::sleep(LAST_WORK).await;
    };
    // Dropped in the middle it leaves nothing half done: the server rolls a step back, and the
    // link leads to a whole statement at any time.
    tokio::select! {
        ended = keep_alive(&database, &shelf, args, printer, &stop) => ended?,
        () = stopping => {}
    }
    Ok(exit::DONE)
}

/// Step after step until it is to stop. Where the database goes away it is tried again, with
/// pauses of two seconds at most.
async fn keep_alive(
    database: &Database,
    shelf: &Shelf,
    args: &SimulateArgs,
    printer: Printer,
    stop: &Stop,
) -> Result<(), SimulatorError> {
    let mut ticks = tokio::time::interval(*args.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut pauses = None;
    let mut simulator = None;
    loop {
        let worked = work(database, shelf, args, printer, &mut simulator).await;
        match worked {
            Ok(()) => pauses = None,
            Err(SimulatorError::Passing(why)) => {
                simulator = None;
                if pauses.is_none() {
                    let place = database.place();
                    printer::note(&format!("{place} is away, and is tried again: {why}"));
                }
                let pause = pauses.get_or_insert_with(self::pauses).next().unwrap_or_default();
                tokio::select! {
                    () = tokio::time::sleep(pause) => continue,
                    _ = stop.wait() => return Ok(()),
                }
            }
            Err(error) => return Err(error),
        }
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stop.wait() => return Ok(()),
        }
    }
}

/// Connects and puts up the statement, or makes a step and then does.
async fn work(
    database: &Database,
    shelf: &Shelf,
    args: &SimulateArgs,
    printer: Printer,
    simulator: &mut Option<Simulator>,
) -> Result<(), SimulatorError> {
    if let Some(simulator) = simulator {
        let now = simulator.now().await?;
        let done = simulator.step(now).await?;
        simulator.publish(now).await?;
        tell(&done, printer);
        return Ok(());
    }
    let (mut begun, beginning) = Simulator::begin(database, shelf.clone(), args.seed).await?;
    let now = begun.now().await?;
    begun.publish(now).await?;
    tell_beginning(beginning, args, database, printer);
    *simulator = Some(begun);
    Ok(())
}

fn tell_beginning(beginning: Beginning, args: &SimulateArgs, database: &Database, to: Printer) {
    let statement = args.statement.display();
    let (step, what) = match beginning {
        Beginning::Seeded => (0, "a made-up company begins".to_owned()),
        Beginning::GoesOn(step) => (step, format!("the company goes on after step {step}")),
    };
    if to.is_json() {
        let place = database.place();
        let line = json!({
            "step": step, "kind": "begin", "text": what, "database": place,
            "statement": statement.to_string(),
        });
        return printer::text(&line.to_string());
    }
    printer::text(&format!(
        "{what} in {}\na step every {}; run beside it: payment-monitor run --statement {statement}",
        database.place(),
        args.every
    ));
}

fn tell(done: &Done, to: Printer) {
    for happening in &done.happenings {
        if to.is_json() {
            let line = json!({
                "step": done.step, "at": done.at, "kind": happening.kind,
                "text": happening.text, "look": happening.look, "user_id": happening.user_id,
            });
            printer::text(&line.to_string());
        } else {
            let (at, text, look) = (done.at.format("%H:%M:%S"), &happening.text, happening.look);
            printer::text(&format!("{at} step {}: {text} [{look}]", done.step));
        }
    }
}
