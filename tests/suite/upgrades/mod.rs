//! From every released schema version, with data in it, to this program's; and what older programs
//! and unlucky migrations do. `dumps/` holds a database of each version (docs/upgrades.md).

mod catalog;
mod forward;
mod going;
mod refused;
mod rows;

use crate::harness::{Ledger, Program};
use flate2::read::GzDecoder;
use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;

/// Who owns the company's tables and migrates: no superuser. In each database a login of its own.
struct Old {
    ledger: Ledger,
    owner: String,
}

impl Old {
    /// With nothing in it.
    async fn empty() -> Self {
        let mut ledger = Ledger::copy_of("template0").await;
        let (name, password) = (ledger.name().to_owned(), ledger.server().password().to_owned());
        let owner = format!("owner_of_{name}");
        ledger
            .sql(&format!(
                "CREATE ROLE {owner} LOGIN CREATEROLE PASSWORD '{password}'
                    IN ROLE payment_monitor_owner;
                ALTER DATABASE {name} OWNER TO {owner}"
            ))
            .await;
        Self { ledger, owner }
    }

    /// One as a program of that version has left it.
    async fn of(version: i64) -> Self {
        let mut old = Self::empty().await;
        // A dump grants at its end what giving things to their owners needs before.
        let grant = "GRANT CREATE, USAGE ON SCHEMA public TO payment_monitor_owner";
        let dump = format!("SET ROLE {}; {grant}; {}; RESET ROLE", old.owner, dump(version));
        old.ledger.sql(&dump).await;
        // A dump looks names up nowhere, for the rest of its session.
        old.ledger.sql("RESET search_path").await;
        old
    }

    /// The program as who migrates.
    fn owner(&self) -> Program {
        let (server, name) = (self.ledger.server(), self.ledger.name());
        Program::new().with("DATABASE_URL", &server.url(&self.owner, name))
    }

    async fn version(&mut self) -> i64 {
        self.ledger.number("SELECT max(version) FROM _sqlx_migrations").await
    }

    async fn remove(self) {
        self.ledger.remove().await;
    }
}

fn dumps() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/suite/upgrades/dumps")
}

fn dump(version: i64) -> String {
    let file = dumps().join(format!("{version:04}.sql.gz"));
    let mut text = String::new();
    GzDecoder::new(File::open(file).unwrap()).read_to_string(&mut text).unwrap();
    text
}

/// The versions of which there is a dump, in order.
fn versions() -> Vec<i64> {
    let files = std::fs::read_dir(dumps()).unwrap().map(|file| file.unwrap().file_name());
    let mut versions: Vec<i64> = files
        .map(|name| name.to_str().unwrap().strip_suffix(".sql.gz").unwrap().parse().unwrap())
        .collect();
    versions.sort_unstable();
    versions
}
