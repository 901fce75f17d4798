//! The statement's file changes while it is being read.

use crate::campaign::{Campaign, Fault, Needs, Tried, fault};
use crate::harness::proxy::{Moment, Point};
use crate::harness::{Charge, Listing, PATIENCE};
use crate::stage::Stage;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

/// More than what may have been read before the first of it is staged: 6 MiB of staged rows.
const CHARGES: i64 = 8_000;
const MESSAGE_CHARACTERS: usize = 900;

pub fn faults() -> Vec<Fault> {
    vec![fault("the statement changes while it is being read", Needs::Nothing, changed)]
}

type Change = fn(&Path);

const CHANGES: [(&str, Change); 6] = [
    ("replaced", |path| {
        let new = path.with_extension("new");
        fs::copy(path, &new).unwrap();
        fs::rename(&new, path).unwrap();
    }),
    ("truncated", |path| truncate(path, line_end(path))),
    ("truncated", |path| truncate(path, line_end(path) - 40)),
    ("truncated", |path| truncate(path, 0)),
    ("deleted", |path| fs::remove_file(path).unwrap()),
    ("appended to", |path| {
        let mut file = OpenOptions::new().append(true).open(path).unwrap();
        writeln!(file, "{}", Charge::new("ch_late", 20).0).unwrap();
    }),
];

/// Where a line ends, three quarters into the file.
fn line_end(path: &Path) -> u64 {
    let text = fs::read(path).unwrap();
    let from = text.len() / 4 * 3;
    let rest = text[from..].iter().position(|&byte| byte == b'\n').unwrap();
    (from + rest + 1) as u64
}

fn truncate(path: &Path, bytes: u64) {
    OpenOptions::new().write(true).open(path).and_then(|file: File| file.set_len(bytes)).unwrap();
}

async fn changed(_: Campaign) -> Tried {
    let mut stage = Stage::small().await;
    let folder = tempfile::tempdir().unwrap();
    let message = "x".repeat(MESSAGE_CHARACTERS);
    let many = (0..CHARGES).map(|n| {
        let charge = Charge::new(&format!("ch_many{n}"), 20).failed("card_declined");
        charge.with("failure_message", message.as_str())
    });
    let path = Listing::of(many).write(folder.path());
    let unchanged = folder.path().join("unchanged");
    fs::copy(&path, &unchanged).unwrap();
    let small = std::mem::replace(&mut stage.statement, path);
    for (what, change) in CHANGES {
        fs::copy(&unchanged, &stage.statement).unwrap();
        let copy = Point::Statement("COPY payment_monitor_staged_payments", 1);
        let copying = stage.proxy.hold_at(copy, Moment::Before);
        let run = stage.start_run(1, &[]);
        let held = tokio::time::timeout(PATIENCE, copying).await.unwrap().unwrap();
        change(&stage.statement);
        held.go_on();
        let output = run.ends_within(PATIENCE).await;
        assert_eq!(output.code, 3, "{what}: {}", output.all());
        let error = output.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(what) && error.contains("statement.ndjson"), "{what}: {error}");
        assert_eq!(stage.results("applied").await, 0, "{what}");
    }
    stage.check().await;
    stage.statement = small;
    stage.next_run_mends().await;
    stage.remove().await;
    Tried { times: CHANGES.len() as u64, note: String::new() }
}
