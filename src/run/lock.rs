//! The run lock: one run at a time, whatever happens to the process that holds it.
//!
//! A connection of its own holds it and is pinged; the server ends the session when the pings
//! stop, so a paused or killed process can't keep it. A lost lock is taken again for a while
//! (the server may have been restarted); nobody who took it meanwhile is harmed, because every
//! operation proves in its own transaction that its run is still live.

use crate::store::connection::{CONNECT_TIMEOUT, Database};
use crate::store::{DatabaseError, lock, schema};
use sqlx::{Connection as _, PgConnection};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

/// How often the lock's session is pinged.
const PING_EVERY: Duration = Duration::from_secs(5);
/// A ping that takes longer counts as failed.
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// The server ends the lock's session after this much silence.
const IDLE_SECONDS_MAX: i32 = 30;
/// How long to wait before the next attempt at taking a lost lock.
const RETAKE_EVERY: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Held,
    Lost,
    Gone,
}

/// The lock, while it is held. Dropping it releases it.
#[derive(Debug)]
pub struct RunLock {
    session: Arc<AtomicI32>,
    state: watch::Receiver<State>,
    release: oneshot::Sender<()>,
    keeper: JoinHandle<()>,
}

impl RunLock {
    /// Takes the lock; none where another session holds it. A lost lock is taken again for
    /// `retry_for`.
    ///
    /// # Errors
    /// No connection, or a pooler in transaction mode in between.
    pub async fn take(
        database: &Database,
        retry_for: Duration,
    ) -> Result<Option<Self>, DatabaseError> {
        let Some(mut connection) = open(database).await? else { return Ok(None) };
        refuse_pooler(database, &mut connection).await?;
        let (tell, state) = watch::channel(State::Held);
        let (release, released) = oneshot::channel();
        let pid = lock::backend(&mut connection).await.map_err(|e| database.explain(&e))?;
        let session = Arc::new(AtomicI32::new(pid));
        let keeper =
            Keeper { database: database.clone(), retry_for, tell, session: Arc::clone(&session) };
        let keeper = tokio::spawn(keeper.keep(connection, released));
        Ok(Some(Self { session, state, release, keeper }))
    }

    /// The server's process that holds the lock: what only its holder may do is proven by it.
    pub fn session(&self) -> i32 {
        self.session.load(Ordering::Relaxed)
    }

    /// Waits while the lock is lost and may come back; false once it is gone for good.
    pub async fn is_held(&self) -> bool {
        let mut state = self.state.clone();
        let settled = state.wait_for(|state| *state != State::Lost).await.map(|state| *state);
        matches!(settled, Ok(State::Held))
    }

    /// Waits until the lock is gone for good.
    pub async fn until_gone(&self) {
        let mut state = self.state.clone();
        let _ = state.wait_for(|state| *state == State::Gone).await;
    }

    /// Releases the lock.
    pub async fn release(self) {
        let _ = self.release.send(());
        let _ = self.keeper.await;
    }
}

async fn open(database: &Database) -> Result<Option<PgConnection>, DatabaseError> {
    let mut connection = database.connect().await?;
    lock::prepare(&mut connection, IDLE_SECONDS_MAX).await.map_err(|e| database.explain(&e))?;
    let taken =
        lock::try_take(&mut connection, lock::RUN_LOCK).await.map_err(|e| database.explain(&e))?;
    if !taken {
        return Ok(None);
    }
    // A migrate may have held the lock until now.
    schema::require_current(&mut connection, database).await?;
    Ok(Some(connection))
}

/// Behind a pooler in transaction mode a session is somebody else's a moment later: while
/// another transaction is open, the lock's connection is given another server process, or the
/// transaction is given the lock's.
///
/// # Errors
/// [`DatabaseError::Pooler`], or what keeps a second connection from being opened.
pub async fn refuse_pooler(
    database: &Database,
    locked: &mut PgConnection,
) -> Result<(), DatabaseError> {
    let explain = |error: sqlx::Error| database.explain(&error);
    let before = lock::backend(locked).await.map_err(explain)?;
    let mut other = database.connect().await?;
    let mut transaction = other.begin().await.map_err(explain)?;
    let between = lock::backend(&mut transaction).await.map_err(explain)?;
    let after = lock::backend(locked).await.map_err(explain)?;
    transaction.rollback().await.map_err(explain)?;
    let _ = other.close().await;
    if before == between || before != after {
        return Err(DatabaseError::Pooler { place: database.place() });
    }
    Ok(())
}

struct Keeper {
    database: Database,
    retry_for: Duration,
    tell: watch::Sender<State>,
    session: Arc<AtomicI32>,
}

impl Keeper {
    async fn keep(self, mut connection: PgConnection, mut released: oneshot::Receiver<()>) {
        loop {
            tokio::select! {
                _ = &mut released => break,
                () = tokio::time::sleep(PING_EVERY) => {}
            }
            if is_alive(&mut connection).await {
                continue;
            }
            tracing::warn!("the run lock's connection is gone; taking the lock again");
            self.tell.send_replace(State::Lost);
            tokio::select! {
                _ = &mut released => return,
                retaken = self.retake() => {
                    let Some(retaken) = retaken else {
                        self.tell.send_replace(State::Gone);
                        return;
                    };
                    connection = retaken;
                }
            }
            self.tell.send_replace(State::Held);
        }
        // The session's end releases the lock.
        let _ = timeout(PING_TIMEOUT, connection.close()).await;
    }

    async fn retake(&self) -> Option<PgConnection> {
        let give_up_at = Instant::now() + self.retry_for;
        loop {
            if let Some((connection, pid)) = open_soon(&self.database).await {
                self.session.store(pid, Ordering::Relaxed);
                return Some(connection);
            }
            if Instant::now() >= give_up_at {
                return None;
            }
            tokio::time::sleep(RETAKE_EVERY).await;
        }
    }
}

/// Opens a session that holds the lock, within a bounded time whatever the network does.
async fn open_soon(database: &Database) -> Option<(PgConnection, i32)> {
    let opening = async {
        let mut connection = open(database).await.ok().flatten()?;
        let pid = lock::backend(&mut connection).await.ok()?;
        Some((connection, pid))
    };
    timeout(PING_TIMEOUT + CONNECT_TIMEOUT, opening).await.ok().flatten()
}

async fn is_alive(connection: &mut PgConnection) -> bool {
    matches!(timeout(PING_TIMEOUT, connection.ping()).await, Ok(Ok(())))
}
