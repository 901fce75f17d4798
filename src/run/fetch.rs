//! Streams the statement into the staging tables, in constant memory, and proves it.

use super::Request;
use super::begin::Run;
use super::error::RunError;
use super::pin;
use crate::domain::run::RunId;
use crate::reconcile::Pin;
use crate::reconcile::scope::{Asked, Scope};
use crate::statement::{self, Facts, Record, Statement};
use crate::store::error::fault;
use crate::store::staging::{self, Proof, Stage};
use crate::store::{jobs, lock};
use chrono::{DateTime, Utc};
use sqlx::{Connection as _, PgConnection};
use std::ops::ControlFlow;
use tokio::sync::mpsc;

/// How many chunks may wait for the database.
const CHUNKS_MAX: usize = 4;
/// How often emptying the staging is tried, each time for as long as a lock is waited for.
const TRIES_MAX: u32 = 5;
/// The order of the three tables everywhere below.
const COPIES: [&str; 3] =
    [staging::COPY_PAYMENTS, staging::COPY_SUBSCRIPTIONS, staging::COPY_CUSTOMERS];

/// A statement that has been staged.
#[derive(Debug, Clone)]
pub struct Staged {
    pub facts: Facts,
    pub payments: Scope,
    pub subscriptions: Scope,
    /// Ledger rows changed later than this are newer than the statement.
    pub known_until: DateTime<Utc>,
    /// What the staging tables must hold when they are compared.
    pub proofs: [Proof; 3],
}

impl Staged {
    /// The account and mode that the statement is of.
    pub fn pin(&self) -> Pin {
        Pin { account: self.facts.account.clone(), livemode: self.facts.livemode }
    }
}

struct Chunk {
    table: usize,
    rows: Vec<u8>,
    records: u64,
}

/// Reads and stages the statement.
///
/// # Errors
/// A statement that can't be read, in the statement's own words; or the database.
pub async fn fetch(run: &Run, request: &Request) -> Result<Staged, RunError> {
    let statement = open(request.statement.clone()).await?;
    let (as_of, now) = (statement.as_of(), run.clock.now());
    if as_of > now + request.clock_skew {
        return Err(RunError::Future { as_of, now });
    }
    let mut connection = run.database.connect().await?;
    empty_staging(run, &mut connection).await?;
    let (chunks, mut queue) = mpsc::channel(CHUNKS_MAX);
    let id = run.id;
    let reading = tokio::task::spawn_blocking(move || read(id, statement, &chunks));
    let mut transaction =
        connection.begin().await.map_err(RunError::query("opening the staging transaction"))?;
    if run.is_recorded && !hold_running(&mut transaction, run.id).await? {
        return Err(RunError::FencedOff);
    }
    let mut records = 0;
    while let Some(chunk) = queue.recv().await {
        copy(&mut transaction, &chunk).await.map_err(RunError::query("staging the statement"))?;
        records += chunk.records;
        run.progress(records, 0);
    }
    let (facts, proofs) = reading.await??;
    transaction.commit().await.map_err(RunError::query("staging the statement"))?;
    let staged = scoped(facts, proofs, request);
    pin::admit(run, &request.pin, &staged.pin()).await?;
    refuse_older(&mut connection, &staged).await?;
    Ok(staged)
}

/// Refuses a statement that is older than the one that the ledger was last brought in line with:
/// rows that the newer one confirmed carry no mark of it.
async fn refuse_older(connection: &mut PgConnection, staged: &Staged) -> Result<(), RunError> {
    let listings = [&staged.facts.payments_listing, &staged.facts.subscriptions_listing];
    let covered = listings.map(|listing| *listing != statement::Listing::NotCovered);
    let newest = jobs::newest_as_of(connection, covered)
        .await
        .map_err(RunError::query("looking for newer statements"))?;
    match newest {
        Some(newest) if newest > staged.facts.as_of => {
            Err(RunError::Older { as_of: staged.facts.as_of, newest })
        }
        _ => Ok(()),
    }
}

async fn hold_running(connection: &mut PgConnection, run: RunId) -> Result<bool, RunError> {
    jobs::hold_running(connection, run).await.map_err(RunError::query("staging the statement"))
}

/// Empties the staging tables. Whoever still works on them is not the holder of the run lock:
/// a process that was paused, or a dry run of which there is no record; its session is ended.
async fn empty_staging(run: &Run, connection: &mut PgConnection) -> Result<(), RunError> {
    let mut tries = 0;
    loop {
        tries += 1;
        match staging::empty(connection, run.lock.session()).await {
            Ok(true) => return Ok(()),
            Ok(false) => return Err(RunError::Paused),
            Err(error) if tries < TRIES_MAX && fault(&error).may_pass() => {
                let ending = RunError::query("ending sessions that hold the staging");
                lock::terminate_staging_holders(connection).await.map_err(ending)?;
            }
            Err(error) => return Err(RunError::query("emptying the staging")(error)),
        }
    }
}

async fn open(options: statement::Options) -> Result<Statement, RunError> {
    Ok(tokio::task::spawn_blocking(move || Statement::open(options)).await??)
}

async fn copy(connection: &mut PgConnection, chunk: &Chunk) -> sqlx::Result<()> {
    let mut copy = connection.copy_in_raw(COPIES[chunk.table]).await?;
    copy.send(chunk.rows.as_slice()).await?;
    copy.finish().await.map(drop)
}

/// Runs on a thread of its own: reading, unpacking and parsing are work for a core.
fn read(
    run: RunId,
    statement: Statement,
    chunks: &mpsc::Sender<Chunk>,
) -> Result<(Facts, [Proof; 3]), RunError> {
    let mut stages = [Stage::default(), Stage::default(), Stage::default()];
    let mut handed_on = [0_i64; 3];
    let mut send = |stages: &mut [Stage; 3], table: usize| {
        let stage = &mut stages[table];
        let records = u64::try_from(stage.proof.rows - handed_on[table]).unwrap_or(0);
        handed_on[table] = stage.proof.rows;
        let chunk = Chunk { table, rows: stage.rows.take(), records };
        // Nobody receives any more when the run has stopped.
        if chunks.blocking_send(chunk).is_ok() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    };
    let facts = statement.read(&mut |record| {
        let table = put(run, &mut stages, &record);
        if stages[table].rows.is_full() {
            return send(&mut stages, table);
        }
        ControlFlow::Continue(())
    })?;
    for table in 0..stages.len() {
        if !stages[table].rows.is_empty() {
            let _ = send(&mut stages, table);
        }
    }
    Ok((facts, stages.map(|stage| stage.proof)))
}

fn put(run: RunId, [payments, subscriptions, customers]: &mut [Stage; 3], r: &Record) -> usize {
    match r {
        Record::Payment(payment) => {
            payments.payment(run, payment);
            0
        }
        Record::Subscription(subscription) => {
            subscriptions.subscription(run, subscription);
            1
        }
        Record::Customer(customer) => {
            customers.customer(run, &customer.provider_customer_id, customer.user_id);
            2
        }
    }
}

fn scoped(facts: Facts, proofs: [Proof; 3], request: &Request) -> Staged {
    let asked = Asked {
        since: request.since,
        until: request.until,
        declared_since: facts.window.as_ref().and_then(|window| window.since),
        declared_until: facts.window.as_ref().and_then(|window| window.until),
        as_of: facts.as_of,
        settle: request.settle,
        clock_skew: request.clock_skew,
    };
    Staged {
        payments: asked.scope(
            facts.earliest_payment,
            facts.payments_listing != statement::Listing::NotCovered,
        ),
        subscriptions: asked.scope(
            facts.earliest_subscription,
            facts.subscriptions_listing != statement::Listing::NotCovered,
        ),
        known_until: asked.known_until(),
        facts,
        proofs,
    }
}
