//! Stages on servers of their own, which can be stopped or replaced, and programs that are told
//! where the server is now.

use super::{Scene, Stage, furnish};
use crate::going::Going;
use crate::harness::Ledger;

impl Stage {
    /// One with so many rows to change besides those of each kind.
    pub async fn with_bulk(bulk: i64) -> Self {
        Self::of(Scene::Bulk(bulk)).await
    }

    /// One with an operation or two of each kind.
    pub async fn small() -> Self {
        Self::of(Scene::Small).await
    }

    /// One on a server of its own.
    pub async fn on_its_own_server(bulk: i64) -> Self {
        let mut ledger = Ledger::on_its_own_server().await;
        furnish(&mut ledger, bulk).await;
        Self::on(ledger, bulk).await
    }

    /// Another one on the same server.
    pub async fn beside(&self, bulk: i64) -> Self {
        let mut ledger = self.ledger.beside().await;
        furnish(&mut ledger, bulk).await;
        Self::on(ledger, bulk).await
    }

    /// The program connects to these ports of this machine from now on, without the proxy, and
    /// the test to the one where the primary is.
    pub async fn reconnect(&mut self, ports: &[u16], primary: u16) {
        self.ledger.reconnect(primary).await;
        let url = self.ledger.url_at(ports) + "?target_session_attrs=read-write";
        self.direct.set("DATABASE_URL", &url);
    }

    /// Sets a variable of the program's environment.
    pub fn set(&mut self, variable: &str, value: &str) {
        self.behind.set(variable, value);
        self.direct.set(variable, value);
    }

    /// Starts a run that goes to the server directly.
    pub fn start_direct_run(&self, concurrency: u32, more: &[&str]) -> Going {
        let arguments = self.run_arguments(concurrency, more);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Going::new(self.direct.spawn(&arguments))
    }
}
