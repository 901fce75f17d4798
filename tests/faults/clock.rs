//! The host's clock jumps: an hour back and a day forward, in the middle of a run and between
//! runs. The program is made to see it by libfaketime; the monotonic clock goes on as it does.

use crate::campaign::{Campaign, Fault, Needs, Tried, fault};
use crate::harness::PATIENCE;
use crate::middle::BULK;
use crate::stage::Stage;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

pub fn faults() -> Vec<Fault> {
    let needs = Needs::Tool("faketime");
    vec![
        fault("the host's clock jumps in the middle of a run", needs, within),
        fault("the host's clock jumps between runs", needs, between),
    ]
}

/// A clock that can be set while a program looks at it.
struct Clock {
    folder: tempfile::TempDir,
    library: PathBuf,
}

impl Clock {
    fn new() -> Self {
        let folders = std::fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path());
        let libraries = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1"));
        let library = libraries.into_iter().find(|path| path.is_file());
        let clock = Self {
            folder: tempfile::tempdir().unwrap(),
            library: library.expect("apt-get install faketime"),
        };
        clock.set("+0");
        clock
    }

    /// Sets it, in relation to the true time.
    fn set(&self, offset: &str) {
        // Renamed over, because a program may be reading it.
        let new = self.folder.path().join("new");
        std::fs::write(&new, offset).unwrap();
        std::fs::rename(new, self.file()).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("offset")
    }

    fn variables(&self) -> [(&'static str, String); 4] {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        [
            ("LD_PRELOAD", text(&self.library)),
            ("FAKETIME_TIMESTAMP_FILE", text(&self.file())),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
    }

    /// What another program takes for the time, in seconds.
    fn seen(&self) -> i64 {
        let output = Command::new("date").arg("+%s").envs(self.variables()).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
    }

    async fn stage(&self, bulk: i64) -> Stage {
        let mut stage = Stage::with_bulk(bulk).await;
        for (variable, value) in self.variables() {
            stage.set(variable, &value);
        }
        stage
    }
}

async fn within(_: Campaign) -> Tried {
    let clock = Clock::new();
    let mut stage = clock.stage(BULK).await;
    let begun = Instant::now();
    // One after the other, so that the order of the changes is the order of the operations.
    let run = stage.start_direct_run(1, &[]);
    for (results, offset) in [(50, "-1h"), (150, "+1d"), (250, "-1h")] {
        stage.until_results(results).await;
        clock.set(offset);
    }
    let real = chrono::Utc::now().timestamp() - clock.seen();
    assert!((3_500..3_700).contains(&real), "the clock is faked: {real} s");
    let performing = Instant::now();
    let output = run.ends_within(PATIENCE).await;
    assert_eq!(output.code, 1, "{}", output.all());
    let took = Duration::from_millis(output.json()["duration_ms"].as_u64().unwrap());
    assert!(took <= begun.elapsed(), "{took:?} is longer than it really took");
    assert!(took >= performing.elapsed() / 2, "{took:?} is shorter than a part of it");
    let readable =
        "SELECT bool_and(r.occurred_at BETWEEN j.started_at AND j.started_at + j.duration
            AND r.occurred_at > now() - interval '10 minutes' AND r.occurred_at <= now())
        FROM payment_monitor_results r JOIN payment_monitor_jobs j ON j.id = r.job_id
        WHERE j.id = (SELECT id FROM payment_monitor_jobs ORDER BY id DESC LIMIT 1)";
    assert_eq!(stage.ledger.text(readable).await, "true", "results have the time of the run");
    let ascending = "SELECT bool_and(ascends) FROM (
        SELECT r.occurred_at >= lag(r.occurred_at, 1, r.occurred_at) OVER by_commit
            AND r.id > lag(r.id, 1, r.job_id) OVER by_commit AS ascends
        FROM payment_monitor_results r JOIN recorded_changes c ON c.xmin::text = r.xmin::text
            AND c.program = 'payment-monitor ' || r.job_id
        WHERE r.job_id = (SELECT id FROM payment_monitor_jobs ORDER BY id DESC LIMIT 1)
        WINDOW by_commit AS (ORDER BY c.position)) AS pairs";
    assert_eq!(stage.ledger.text(ascending).await, "true", "times and ids follow the commits");
    stage.check().await;
    stage.next_run_mends().await;
    Tried { times: 3, note: "1 h back, 1 d forward, and back".to_owned() }
}

/// Each run is newer than those before it, whatever the clock says.
async fn between(_: Campaign) -> Tried {
    let clock = Clock::new();
    let mut stage = clock.stage(0).await;
    let mut begun = Vec::new();
    for offset in ["+0", "-1h", "+1d", "+0", "-1h"] {
        clock.set(offset);
        let output = stage.run(4).await;
        assert!(matches!(output.code, 0 | 1), "{offset}: {}", output.all());
        let run = output.json()["run_id"].as_str().unwrap().to_owned();
        let latest = stage.command(&["--output", "json", "show", "latest"]).await.json();
        assert_eq!(latest["run_id"], run, "the latest with the clock at {offset}");
        begun.push(run);
        let listed = stage.command(&["--output", "json", "runs"]).await.json();
        let listed = listed["runs"].as_array().unwrap().iter().rev();
        let listed: Vec<&str> = listed.map(|run| run["run_id"].as_str().unwrap()).collect();
        assert!(
            listed.ends_with(&begun.iter().map(String::as_str).collect::<Vec<_>>()),
            "{begun:?}"
        );
        stage.check().await;
    }
    clock.set("+0");
    stage.next_run_mends().await;
    Tried { times: 5, note: String::new() }
}
