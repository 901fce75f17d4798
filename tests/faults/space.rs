//! The disk is full, for what a run writes: small file systems of their own, so root is needed.

use crate::campaign::{Campaign, Fault, Needs, Tried, fault};
use crate::harness::{Charge, Ledger, Listing, PATIENCE, Program};
use crate::middle::BULK;
use crate::stage::Stage;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use tempfile::TempDir;

pub fn faults() -> Vec<Fault> {
    vec![
        fault("the disk is full in the middle of a run's operations", Needs::Root, performing),
        fault("the disk is full while the statement is staged", Needs::Root, staging),
    ]
}

/// A tablespace of so many bytes; unmounted when it is dropped.
struct Space {
    name: String,
    folder: TempDir,
}

impl Space {
    async fn of(ledger: &mut Ledger, bytes: i64) -> Self {
        let space =
            Self { name: format!("tiny_{}", ledger.name()), folder: TempDir::new().unwrap() };
        let folder = space.folder.path();
        let everybody = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder, everybody).unwrap();
        let options = format!("size={bytes},mode=755");
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder));
        let place = folder.join("space");
        std::fs::create_dir(&place).unwrap();
        let owner = ledger.server().data_dir().display();
        run(Command::new("chown").arg(format!("--reference={owner}")).arg(&place));
        let create = format!("CREATE TABLESPACE {} LOCATION '{}'", space.name, place.display());
        ledger.sql(&create).await;
        space
    }

    async fn remove(self, ledger: &mut Ledger) {
        ledger.sql(&format!("DROP TABLESPACE {}", self.name)).await;
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.folder.path()).status();
    }
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

async fn performing(_: Campaign) -> Tried {
    let mut stage = Stage::with_bulk(BULK).await;
    let newest = "SELECT tableoid::regclass FROM payment_monitor_results ORDER BY id DESC LIMIT 1";
    let partition = stage.ledger.text(newest).await;
    let bytes = stage.ledger.number(&format!("SELECT pg_table_size('{partition}')")).await;
    let space = Space::of(&mut stage.ledger, bytes + 128 * 1024).await;
    let to = |place: &str| format!("ALTER TABLE {partition} SET TABLESPACE {place}");
    stage.ledger.sql(&to(&space.name)).await;
    let run = stage.start_run(4, &["--retry-for", "1s"]);
    let output = run.ends_within(PATIENCE).await;
    assert_eq!(output.code, 3, "{}", output.all());
    let error = output.json()["error"].as_str().unwrap().to_owned();
    assert!(error.contains("no space left"), "{error}");
    let applied = stage.results("applied").await;
    assert!((10..BULK.unsigned_abs()).contains(&applied), "{applied} fitted in");
    stage.check().await;
    stage.ledger.sql(&to("pg_default")).await;
    space.remove(&mut stage.ledger).await;
    stage.next_run_mends().await;
    Tried { times: 1, note: format!("{applied} operations fitted in") }
}

async fn staging(_: Campaign) -> Tried {
    let mut stage = Stage::small().await;
    let space = Space::of(&mut stage.ledger, 2 * 1024 * 1024).await;
    let grant = format!("GRANT CREATE ON TABLESPACE {} TO payment_monitor_owner", space.name);
    stage.ledger.sql(&grant).await;
    let to =
        |place: &str| format!("ALTER TABLE payment_monitor_staged_payments SET TABLESPACE {place}");
    stage.ledger.sql(&to(&space.name)).await;
    let program = Program::on(&stage.ledger);
    let many = (0..40_000).map(|n| Charge::new(&format!("ch_{n}"), 1));
    let path = Listing::of(many).write(program.folder.path());
    let output = program.run_statement(&path, &["--max-changes", "none"]).await;
    assert_eq!(output.code, 3, "{}", output.all());
    assert!(output.all().contains("no space left"), "{}", output.all());
    assert_eq!(stage.results("applied").await, 0);
    stage.check().await;
    stage.ledger.sql(&to("pg_default")).await;
    space.remove(&mut stage.ledger).await;
    stage.next_run_mends().await;
    Tried { times: 1, note: String::new() }
}
