//! Asking a run to stop: no new operation starts, those in flight finish.

use std::fmt;
use tokio::sync::watch;

/// What asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    Interrupt,
    Terminate,
}

impl Signal {
    /// The exit code of a program ended by this signal: 128 and the signal's number.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        })
    }
}

/// Where a run learns that it is to stop.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<Option<Signal>>);

/// Where it is told.
pub type Stopper = watch::Sender<Option<Signal>>;

impl Stop {
    /// A pair of which the sender stops the run.
    pub fn channel() -> (Stopper, Self) {
        let (stopper, stop) = watch::channel(None);
        (stopper, Self(stop))
    }

    /// What has asked for it, if anything has.
    pub fn requested(&self) -> Option<Signal> {
        *self.0.borrow()
    }

    /// Waits until the run is to stop.
    pub async fn wait(&self) -> Signal {
        let mut stop = self.0.clone();
        match stop.wait_for(Option::is_some).await.map(|signal| *signal) {
            Ok(Some(signal)) => signal,
            // Nobody is left to ask for it.
            _ => std::future::pending().await,
        }
    }
}
