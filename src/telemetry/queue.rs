//! The items of a signal that wait for the collector: bounded, and every item accounted for.
//!
//! The one who makes items waits for room ([`Queue::admit`]) while the collector is healthy, and
//! no longer than [`STALL_MAX`]: then items are shed and counted until an export succeeds again.

use super::settings;
use super::tally::Tally;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// How long an admission may wait without an export succeeding.
const STALL_MAX: Duration = Duration::from_secs(2);

/// A bounded queue between those who make items and the worker that exports them.
#[derive(Debug)]
pub struct Queue<T> {
    settings: settings::Queue,
    state: Mutex<State<T>>,
    pub tally: Tally,
    /// Whether the collector is taken for away: nobody waits for it then.
    is_away: AtomicBool,
    /// How many exports succeeded.
    exports: AtomicU64,
    /// The deadline of the last exports, once the queue is closed.
    closed: watch::Sender<Option<Instant>>,
    work: Notify,
    room: Notify,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    /// Room promised to operations that are going on.
    reserved: usize,
    /// Somebody waits for room: the batch is not waited for.
    waiting: usize,
}

/// Room in a queue, kept until it is dropped.
#[derive(Debug)]
pub struct Room<T>(Option<Arc<Queue<T>>>);

impl<T> Drop for Room<T> {
    fn drop(&mut self) {
        if let Some(queue) = self.0.take() {
            queue.state().reserved -= 1;
            queue.room.notify_one();
        }
    }
}

impl<T> Queue<T> {
    pub fn new(settings: settings::Queue) -> Arc<Self> {
        Arc::new(Self {
            settings,
            state: Mutex::new(State { items: VecDeque::new(), reserved: 0, waiting: 0 }),
            closed: watch::channel(None).0,
            tally: Tally::default(),
            is_away: AtomicBool::new(false),
            exports: AtomicU64::new(0),
            work: Notify::new(),
            room: Notify::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an item; drops and counts it where there is no room.
    pub fn push(&self, item: T) {
        self.tally.made(1);
        let mut state = self.state();
        let why = if self.deadline().is_some() {
            Some("made after the last export")
        } else if state.items.len() < self.settings.items_max {
            None
        } else if self.is_away.load(Ordering::Relaxed) {
            Some("the queue was full and the collector away")
        } else {
            Some("the queue was full")
        };
        if let Some(why) = why {
            self.tally.dropped(1, why);
            return;
        }
        state.items.push_back(item);
        let items = state.items.len();
        if items == 1 || items >= self.settings.batch_max || state.waiting > 0 {
            self.work.notify_one();
        }
    }

    /// Waits for room for one item while the collector is healthy.
    pub async fn admit(self: &Arc<Self>) -> Room<T> {
        // Since when no export has succeeded, as far as is seen from here.
        let mut stalled = None;
        loop {
            let room = self.room.notified();
            {
                let mut state = self.state();
                if self.deadline().is_some() || self.is_away.load(Ordering::Relaxed) {
                    return Room(None);
                }
                if state.items.len() + state.reserved < self.settings.items_max {
                    state.reserved += 1;
                    return Room(Some(Arc::clone(self)));
                }
                state.waiting += 1;
            }
            self.work.notify_one();
            let exports = || self.exports.load(Ordering::Relaxed);
            let (since, before) = *stalled.get_or_insert_with(|| (Instant::now(), exports()));
            let waited = tokio::time::timeout_at(since + STALL_MAX, room).await;
            self.state().waiting -= 1;
            if exports() != before {
                stalled = None;
            } else if waited.is_err() {
                self.set_away(true);
            }
        }
    }

    /// Waits for a full batch, or for the delay after which a smaller one is sent too; empty
    /// once the queue is closed and has been emptied.
    pub(super) async fn next_batch(&self) -> Vec<T> {
        let mut send_at = None;
        loop {
            let work = self.work.notified();
            {
                let mut state = self.state();
                let items = state.items.len();
                let is_late = send_at.is_some_and(|send_at| Instant::now() >= send_at);
                let is_asked_for = state.waiting > 0 || is_late;
                if items >= self.settings.batch_max
                    || (is_asked_for && items > 0)
                    || self.deadline().is_some()
                {
                    let taken = items.min(self.settings.batch_max);
                    let batch = state.items.drain(..taken).collect();
                    drop(state);
                    self.room.notify_waiters();
                    return batch;
                }
                if items > 0 && send_at.is_none() {
                    send_at = Some(Instant::now() + self.settings.delay);
                }
            }
            match send_at {
                Some(send_at) => drop(tokio::time::timeout_at(send_at, work).await),
                None => work.await,
            }
        }
    }

    /// Drops and counts the next batch; true once the queue is closed and empty.
    pub(super) async fn next_batch_dropped(&self, why: &str) -> bool {
        let batch = self.next_batch().await;
        self.tally.dropped(batch.len() as u64, why);
        batch.is_empty()
    }

    /// Waits for so long, or until the queue is closed.
    pub(super) async fn pause(&self, length: Duration) {
        let mut closed = self.closed.subscribe();
        let _ = tokio::time::timeout(length, closed.wait_for(Option::is_some)).await;
    }

    /// Waits until the queue is closed and its deadline has passed.
    pub(super) async fn deadline_passed(&self) {
        let mut closed = self.closed.subscribe();
        let deadline = closed.wait_for(Option::is_some).await.ok().and_then(|closed| *closed);
        if let Some(deadline) = deadline {
            tokio::time::sleep_until(deadline).await;
        }
    }

    /// An export succeeded: the collector is there.
    pub(super) fn succeeded(&self) {
        self.exports.fetch_add(1, Ordering::Relaxed);
        self.set_away(false);
    }

    pub(super) fn set_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::Relaxed);
        if is_away {
            self.room.notify_waiters();
        }
    }

    pub(super) fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Relaxed)
    }

    /// Asks the worker to export what is left, until a deadline.
    pub(super) fn close(&self, deadline: Instant) {
        self.closed.send_replace(Some(deadline));
        self.room.notify_waiters();
        self.work.notify_one();
    }

    /// The deadline, once the queue is closed.
    pub(super) fn deadline(&self) -> Option<Instant> {
        *self.closed.borrow()
    }

    /// Gives up what is left, and counts it.
    pub(super) fn give_up(&self, why: &str) {
        let left = self.state().items.drain(..).count();
        self.tally.dropped(left as u64, why);
    }
}
