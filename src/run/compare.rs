//! Compares ledger and statement in one snapshot, and hands on what differs.

use super::begin::Run;
use super::error::RunError;
use super::fetch::Staged;
use crate::domain::Discrepancy;
use crate::domain::record::StatementRecord;
use crate::reconcile::{Pair, compare as classify};
use crate::store::staging::Proof;
use crate::store::{comparison, staging};
use futures_util::{Stream, TryStreamExt as _};
use sqlx::{Connection as _, PgConnection};
use std::pin::pin;
use tokio::sync::mpsc;

/// Compares both tables; gives how many rows of the ledger lie in the window. Discrepancies
/// arrive in the order of their provider ids, payments first.
///
/// # Errors
/// A staging that is not what was read, or the database.
pub async fn compare(
    run: &Run,
    staged: &Staged,
    found: mpsc::Sender<Discrepancy>,
) -> Result<u64, RunError> {
    let mut connection = run.database.connect().await?;
    let mut snapshot = connection
        .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await
        .map_err(RunError::query("opening the snapshot"))?;
    let doing = RunError::query("preparing the comparison");
    comparison::prepare(&mut snapshot).await.map_err(doing)?;
    require_staged(run, staged, &mut snapshot).await?;
    let rows = comparison::ledger_rows(&mut snapshot, &staged.payments, &staged.subscriptions)
        .await
        .map_err(RunError::query("counting the ledger's rows"))?;
    let payments = comparison::payments(&mut snapshot, run.id, &staged.payments);
    hand_on(payments, &found).await?;
    let is_complete = staged.facts.subscriptions_listing.is_proven();
    let subscriptions =
        comparison::subscriptions(&mut snapshot, run.id, &staged.subscriptions, is_complete);
    hand_on(subscriptions, &found).await?;
    Ok(u64::try_from(rows).unwrap_or(0))
}

/// An unlogged table is empty after a crash, and an empty statement would delete everything.
async fn require_staged(
    run: &Run,
    staged: &Staged,
    snapshot: &mut PgConnection,
) -> Result<(), RunError> {
    let found = staging::prove(snapshot, run.id)
        .await
        .map_err(RunError::query("proving the staged statement"))?;
    let tables = ["staged payments", "staged subscriptions", "staged customers"];
    let differs = |(found, expected): &(Proof, Proof)| found != expected;
    let both = found.into_iter().zip(staged.proofs);
    match tables.into_iter().zip(both).find(|(_, proofs)| differs(proofs)) {
        None => Ok(()),
        Some((table, (found, expected))) => {
            Err(RunError::Staging { table, found: found.rows, expected: expected.rows })
        }
    }
}

async fn hand_on<R: StatementRecord>(
    pairs: impl Stream<Item = sqlx::Result<Pair<R>>>,
    found: &mpsc::Sender<Discrepancy>,
) -> Result<(), RunError> {
    let mut pairs = pin!(pairs);
    let comparing = || RunError::query("comparing ledger and statement");
    while let Some(pair) = pairs.try_next().await.map_err(comparing())? {
        if let Some(discrepancy) = classify(pair)
            && found.send(discrepancy).await.is_err()
        {
            break; // the plan has failed, and says why
        }
    }
    Ok(())
}
