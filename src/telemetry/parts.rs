//! Very large runs: which of its traces an operation is in (docs/adr/0010-part-traces.md). It
//! follows from the operation's position in the plan alone, so that the database knows it too.

use super::handle::Handle;
use super::ids::Ids;
use super::live::LiveSpan;
use super::{names, spans};
use crate::domain::RunId;
use chrono::{DateTime, Utc};
use std::sync::Arc;

/// How many operations a trace holds: what a person can open, and far below Tempo's limit.
pub const OPERATIONS_PER_TRACE: u64 = 4_000;

/// Which part of its run the operation at a position (from 0) is in; part 0 is the run's own
/// trace.
pub fn part_of(position: u64, per_trace: u64) -> u64 {
    position / per_trace.max(1)
}

/// The span that operations of a part hang under.
pub fn parent(run: RunId, part: u64) -> Ids {
    if part == 0 { Ids::phase(run, names::PERFORM) } else { Ids::part(run, part) }
}

/// The traces that the operations of a run are handed out to, in the order of the plan.
#[derive(Debug)]
pub struct Parts {
    handle: Handle,
    run: RunId,
    position: u64,
    part: u64,
    current: Option<Arc<LiveSpan>>,
}

/// Where an operation's span belongs. Its part's span ends when the last of these is dropped.
#[derive(Debug, Clone)]
pub struct Place {
    pub parent: Ids,
    _part: Option<Arc<LiveSpan>>,
}

impl Parts {
    pub fn new(handle: &Handle, run: RunId) -> Self {
        Self { handle: handle.clone(), run, position: 0, part: 0, current: None }
    }

    /// The place of the next operation. A part begins with its first one, and the phase's span
    /// is linked to it.
    pub fn next(&mut self, perform: &LiveSpan, now: impl FnOnce() -> DateTime<Utc>) -> Place {
        let part = part_of(self.position, self.handle.operations_per_trace());
        self.position += 1;
        if part != self.part {
            let (run, handle) = (self.run, &self.handle);
            self.part = part;
            let span = LiveSpan::begin(handle, || spans::part(run, part, now()));
            self.current = Some(Arc::new(span));
            perform.note(|span| spans::link_part(span, run, part));
        }
        Place { parent: parent(self.run, part), _part: self.current.clone() }
    }
}
