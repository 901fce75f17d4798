//! A program that is going on: it is signalled, waited for, and never left behind.

use crate::harness::{Output, finish};
use std::process::{Child, Command};
use std::time::Duration;
use tokio::task::JoinHandle;

/// A started program; killed when it is dropped.
pub struct Going {
    id: String,
    finishing: JoinHandle<Output>,
}

#[allow(dead_code, reason = "for the faults to come")]
impl Going {
    pub fn new(child: Child) -> Self {
        Self { id: child.id().to_string(), finishing: tokio::spawn(finish(child)) }
    }

    /// Sends it a signal, by its name (`STOP`).
    pub fn signal(&self, name: &str) {
        let _ = Command::new("kill").args([&format!("-{name}"), &self.id]).status();
    }

    /// Kills it (SIGKILL) and waits until it is gone.
    pub async fn kill(mut self) -> Output {
        self.signal("KILL");
        self.output().await
    }

    /// Whether it has come to its end.
    pub fn is_over(&self) -> bool {
        self.finishing.is_finished()
    }

    /// Waits for its end.
    pub async fn output(&mut self) -> Output {
        (&mut self.finishing).await.unwrap()
    }

    /// Waits for its end, which must come by then.
    pub async fn ends_within(mut self, patience: Duration) -> Output {
        let ended = tokio::time::timeout(patience, self.output()).await;
        ended.unwrap_or_else(|_| panic!("the program does not end within {patience:?}"))
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        if !self.is_over() {
            self.signal("KILL");
        }
    }
}
