//! Lock and fence, tried from two connections: an engine that only looks like PostgreSQL fails
//! here.

use super::database::Ledger;
use super::{Finding, Unsound};
use crate::store::error::{Fault, fault};
use crate::store::{Database, doctor, lock};
use sqlx::{Connection as _, PgConnection};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long the second connection waits at a fence that must not open.
const CLOSED_FOR: Duration = Duration::from_millis(300);
/// How long a lock or the fence may take to become free: somebody else may be trying it too.
const FREE_WITHIN: Duration = Duration::from_secs(5);
/// How often a lock that must become free is tried.
const TRY_EVERY: Duration = Duration::from_millis(50);

/// Does an advisory lock keep a second session out, and end with the first? A key of doctor's own
/// is tried. The run lock itself is only looked at.
pub(super) async fn run_lock(ledger: &mut Ledger) -> Finding {
    ledger.require_primary()?;
    let Ledger { database, connection, .. } = ledger;
    let (mut first, mut second) = (database.connect().await?, database.connect().await?);
    let session = lock::backend(&mut first).await.map_err(|e| database.explain(&e))?;
    let key = doctor::lock_key(session);
    let kept_out = is_exclusive(&mut first, &mut second, key).await;
    if !kept_out.map_err(|e| database.explain(&e))? {
        return Err(Unsound::Wrong(format!(
            "{} does not keep a second session from an advisory lock that a first one holds, so \
             two runs could go on at once: connect to PostgreSQL itself, or to a pool in session \
             mode",
            database.place()
        )));
    }
    let _ = first.close().await;
    if !is_freed(&mut second, key).await.map_err(|e| database.explain(&e))? {
        return Err(Unsound::Wrong(format!(
            "the lock of a session that ended is not free after {} s, so a run that was killed \
             would keep others out: connect to PostgreSQL itself, or to a pool in session mode \
             that resets its sessions",
            FREE_WITHIN.as_secs()
        )));
    }
    let _ = second.close().await;
    let holder = doctor::run_lock_holder(connection).await.map_err(|e| database.explain(&e))?;
    let state = match holder {
        None => "no run is going on".to_owned(),
        Some(holder) => {
            let name = holder.name.unwrap_or_else(|| "of another role".to_owned());
            format!("a run is going on, and its lock is seen: session {}, {name}", holder.session)
        }
    };
    Ok(format!("a lock keeps a second session out; {state}"))
}

/// Whether the first session gets the lock and the second does not. Else both give it back.
async fn is_exclusive(
    first: &mut PgConnection,
    second: &mut PgConnection,
    key: i64,
) -> sqlx::Result<bool> {
    let is_taken = lock::try_take(first, key).await?;
    let is_taken_twice = lock::try_take(second, key).await?;
    if is_taken && !is_taken_twice {
        return Ok(true);
    }
    lock::release(first, key).await?;
    lock::release(second, key).await?;
    Ok(false)
}

/// Whether the second session gets the lock once the first has ended; gives it back.
async fn is_freed(second: &mut PgConnection, key: i64) -> sqlx::Result<bool> {
    let give_up_at = Instant::now() + FREE_WITHIN;
    while !lock::try_take(second, key).await? {
        if Instant::now() >= give_up_at {
            return Ok(false);
        }
        sleep(TRY_EVERY).await;
    }
    lock::release(second, key).await
}

/// Does a row that one transaction holds FOR SHARE keep another from changing it, and no longer?
/// The schedule's row is used: it is always there, the job may change it, and no run locks it.
pub(super) async fn fence(ledger: &mut Ledger) -> Finding {
    ledger.require_primary()?;
    ledger.require_current()?;
    let database = &ledger.database;
    let (mut first, mut second) = (database.connect().await?, database.connect().await?);
    let explain = |e: sqlx::Error| database.explain(&e);
    let mut holding = first.begin().await.map_err(explain)?;
    if !doctor::hold_fence(&mut holding).await.map_err(explain)? {
        let why = "payment_monitor_schedule has lost its row: restore it from a backup";
        return Err(Unsound::Wrong(why.to_owned()));
    }
    match change(&mut second, CLOSED_FOR).await {
        Err(error) if is_lock_timeout(&error) => {}
        Err(error) => return Err(explain(error).into()),
        Ok(_) => return Err(open(database)),
    }
    holding.rollback().await.map_err(explain)?;
    change(&mut second, FREE_WITHIN).await.map_err(explain)?;
    for connection in [first, second] {
        let _ = connection.close().await;
    }
    Ok("a row that one transaction holds keeps another from changing it, and no longer".to_owned())
}

fn open(database: &Database) -> Unsound {
    Unsound::Wrong(format!(
        "{} lets a transaction change a row that another one holds FOR SHARE, so an operation \
         could go on after its run was ended: it is no PostgreSQL, and can't be used",
        database.place()
    ))
}

fn is_lock_timeout(error: &sqlx::Error) -> bool {
    matches!(fault(error), Fault::Contended(told) if told.starts_with("55P03"))
}

/// Changes the row in a transaction that is rolled back.
async fn change(connection: &mut PgConnection, wait: Duration) -> sqlx::Result<bool> {
    let mut transaction = connection.begin().await?;
    doctor::wait_at_most(&mut transaction, wait).await?;
    let changed = doctor::pass_fence(&mut transaction).await;
    transaction.rollback().await?;
    changed
}
