//! The simulator: keeps the demo's company alive on a database. What happens is made up by
//! `demo::simulation`; here it is written, a step a transaction, and the statement after it.
//!
//! Nothing here waits, prints or tries again: that is the command's.

mod shelf;

pub use shelf::{Shelf, ShelfError};

use crate::demo;
use crate::demo::simulation::Happening;
use crate::store::error::{brief, fault};
use crate::store::simulation::{self, FORMAT, State};
use crate::store::{Database, DatabaseError, connection, schema};
use chrono::{DateTime, Utc};
use sqlx::{Connection as _, PgConnection};
use tokio::sync::oneshot;

/// The name by which the server knows the simulator's connection: not one of the job's.
const PROGRAM: &str = "simulator";

/// Why the simulator can't go on.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    #[error(
        "the ledger in {place} has records that the simulator did not make, and it writes to no \
             other company's: give it an empty, migrated database"
    )]
    Foreign { place: String },
    #[error(
        "the simulated provider in {place} is of another version of this program (format \
             {found}, this one knows {FORMAT}): begin anew in an empty database"
    )]
    Format { place: String, found: i32 },
    #[error(
        "the simulator needs the login that owns the ledger's tables and may create a schema in \
             their database (not the job's): {why}"
    )]
    Privilege { why: String },
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Shelf(#[from] ShelfError),
    /// What the database may get over.
    #[error("{0}")]
    Passing(String),
    #[error("making up the statement broke off")]
    BrokenOff(#[from] oneshot::error::RecvError),
}

/// How a simulation begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// The ledger was empty and has a company now.
    Seeded,
    /// So many steps were made before.
    GoesOn(u64),
}

/// What a step was.
#[derive(Debug)]
pub struct Done {
    pub step: u64,
    pub at: DateTime<Utc>,
    pub happenings: Vec<Happening>,
}

/// A connected simulator.
#[derive(Debug)]
pub struct Simulator {
    database: Database,
    connection: PgConnection,
    shelf: Shelf,
}

impl Simulator {
    /// Connects, and makes a company where there is none.
    ///
    /// # Errors
    /// A database that can't be used, a ledger that is not the simulator's own; or what passes.
    pub async fn begin(
        database: &Database,
        shelf: Shelf,
        seed: u64,
    ) -> Result<(Self, Beginning), SimulatorError> {
        let database = database.named(PROGRAM);
        let connection = database.open().await.map_err(|error| {
            if fault(&error).may_pass() {
                return SimulatorError::Passing(brief(&error));
            }
            database.explain(&error).into()
        })?;
        let mut simulator = Self { database, connection, shelf };
        let Self { database, connection, .. } = &mut simulator;
        connection::require_writable(connection, database).await.map_err(or_unreachable)?;
        schema::require_current(connection, database).await.map_err(or_unreachable)?;
        let beginning = simulator.seed(seed).await?;
        Ok((simulator, beginning))
    }

    async fn seed(&mut self, seed: u64) -> Result<Beginning, SimulatorError> {
        let failed = || or_passing("seeding the made-up company");
        let mut transaction = self.connection.begin().await.map_err(failed())?;
        simulation::one_at_a_time(&mut transaction).await.map_err(failed())?;
        if simulation::is_there(&mut transaction).await.map_err(failed())? {
            let state = simulation::hold(&mut transaction).await.map_err(failed())?;
            if state.format != FORMAT {
                let place = self.database.place();
                return Err(SimulatorError::Format { place, found: state.format });
            }
            return Ok(Beginning::GoesOn(state.steps()));
        }
        if !simulation::is_ledger_empty(&mut transaction).await.map_err(failed())? {
            return Err(SimulatorError::Foreign { place: self.database.place() });
        }
        let now = simulation::now(&mut transaction).await.map_err(failed())?;
        let both_sides = demo::both_sides(seed, now);
        simulation::create(&mut transaction, seed, now, &both_sides).await.map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        Ok(Beginning::Seeded)
    }

    /// The time of the database's clock.
    ///
    /// # Errors
    /// The database's.
    pub async fn now(&mut self) -> Result<DateTime<Utc>, SimulatorError> {
        let failed = or_passing("asking for the time");
        simulation::now(&mut self.connection).await.map_err(failed)
    }

    /// Makes the next step: one transaction.
    ///
    /// # Errors
    /// The database's.
    pub async fn step(&mut self, now: DateTime<Utc>) -> Result<Done, SimulatorError> {
        self.next(now).await.map_err(or_passing("making a step"))
    }

    async fn next(&mut self, now: DateTime<Utc>) -> sqlx::Result<Done> {
        let mut transaction = self.connection.begin().await?;
        let state: State = simulation::hold(&mut transaction).await?;
        let number = state.steps() + 1;
        let view = simulation::view(&mut transaction, number).await?;
        let step = demo::simulation::step(state.seed(), number, now, &view);
        simulation::apply(&mut transaction, &state, now, &step).await?;
        transaction.commit().await?;
        Ok(Done { step: number, at: now, happenings: step.happenings })
    }

    /// Puts up the statement of this moment: what the provider knew after the last step. The
    /// moment must not be before that step's.
    ///
    /// # Errors
    /// The database's, or the file system's.
    pub async fn publish(&mut self, as_of: DateTime<Utc>) -> Result<(), SimulatorError> {
        let failed = || or_passing("reading the provider's records");
        let state = simulation::state(&mut self.connection).await.map_err(failed())?;
        let listing = simulation::listing(&mut self.connection, as_of).await.map_err(failed())?;
        let place = self.shelf.clone();
        let (done, put) = oneshot::channel();
        // Not one of the runtime's threads: the program's end waits for these.
        std::thread::spawn(move || {
            let statement = demo::simulation::statement(state.steps(), as_of, listing);
            let _ = done.send(place.put(&statement.files));
        });
        Ok(put.await??)
    }
}

/// An answer that did not come may come later.
fn or_unreachable(error: DatabaseError) -> SimulatorError {
    match error {
        DatabaseError::Unreachable { why, .. } => SimulatorError::Passing(why),
        other => other.into(),
    }
}

fn or_passing(doing: &'static str) -> impl FnOnce(sqlx::Error) -> SimulatorError {
    move |error| {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        if fault(&error).may_pass() {
            SimulatorError::Passing(brief(&error))
        } else if code.as_deref() == Some("42501") {
            SimulatorError::Privilege { why: brief(&error) }
        } else {
            DatabaseError::query(doing)(error).into()
        }
    }
}
