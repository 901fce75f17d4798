//! A held plan that is approved late, twice, or by a process that is killed.

use crate::campaign::{Campaign, Fault, Needs, Tried, fault};
use crate::harness::PATIENCE;
use crate::harness::proxy::{Moment, OPERATION, Point};
use crate::stage::Stage;

pub fn faults() -> Vec<Fault> {
    vec![
        fault("a held plan is approved after its rows changed", Needs::Nothing, late),
        fault("a held plan is approved twice at once", Needs::Nothing, twice),
        fault("an approval is killed in its middle", Needs::Nothing, killed),
    ]
}

const BULK: i64 = 20;

/// A stage on which a run holds its plan, and that run's id.
async fn held() -> (Stage, String) {
    let stage = Stage::with_bulk(BULK).await;
    let statement = stage.statement.to_str().unwrap();
    let caps = ["--max-changes=1", "--max-deletes=none", "--settle=0s", "--clock-skew=1s"];
    let arguments = [&["--output", "json", "run", "--statement", statement][..], &caps].concat();
    let output = stage.command(&arguments).await;
    assert_eq!(output.code, 4, "{}", output.all());
    let run = output.json()["run_id"].as_str().unwrap().to_owned();
    (stage, run)
}

fn approve(run: &str) -> [&str; 9] {
    ["--output", "json", "approve", run, "--by", "Ada", "--reason", "checked", "--concurrency=1"]
}

async fn late(_: Campaign) -> Tried {
    let (mut stage, run) = held().await;
    let changed =
        "UPDATE payments SET disputed = true WHERE provider_payment_id LIKE 'ch_bulk000%'";
    stage.ledger.sql(changed).await;
    let output = stage.command(&approve(&run)).await;
    assert_eq!(output.code, 1, "{}", output.all());
    // The nine, and the one that the company changes while the run goes on.
    assert_eq!(output.json()["operations"]["conflict"], 10, "{}", output.stdout);
    assert_eq!(output.json()["parent_id"], run.as_str());
    stage.check().await;
    let untouched = "SELECT count(*) FROM payments WHERE disputed AND amount_refunded_minor = 0";
    assert_eq!(stage.ledger.number(untouched).await, 9, "what was not approved is not changed");
    stage.next_run_mends().await;
    stage.remove().await;
    Tried { times: 1, note: String::new() }
}

async fn twice(_: Campaign) -> Tried {
    let (mut stage, run) = held().await;
    let both = [stage.start(&approve(&run)), stage.start(&approve(&run))];
    let mut codes = Vec::new();
    for approval in both {
        codes.push(approval.ends_within(PATIENCE).await.code);
    }
    codes.sort_unstable();
    // Of the other one: approved already (2), or another run going on (5), or both (3).
    assert!(codes[0] == 1 && [2, 3, 5].contains(&codes[1]), "{codes:?}");
    let approvals = "SELECT count(*) FROM payment_monitor_events WHERE kind = 'approval'";
    assert_eq!(stage.ledger.number(approvals).await, 1);
    stage.check().await;
    assert!(stage.is_in_line().await);
    stage.next_run_mends().await;
    stage.remove().await;
    Tried { times: 1, note: format!("the other one ended with {}", codes[1]) }
}

async fn killed(campaign: Campaign) -> Tried {
    let moments = if campaign.is_long() { &Moment::ALL[..] } else { &[Moment::Sent] };
    for &moment in moments {
        let (mut stage, run) = held().await;
        let tenth = stage.proxy.hold_at(Point::Statement(OPERATION, 10), moment);
        let approval = stage.start(&approve(&run));
        let held = tokio::time::timeout(PATIENCE, tenth).await.unwrap().unwrap();
        drop(approval.kill().await);
        held.cut();
        stage.until_lock_is_free(PATIENCE).await;
        stage.check().await;
        let again = stage.command(&approve(&run)).await;
        assert_eq!(again.code, 2, "{}", again.all());
        assert!(again.all().contains("has its approval already, by Ada"), "{}", again.all());
        assert!(!stage.is_in_line().await);
        stage.next_run_mends().await;
        stage.remove().await;
    }
    Tried { times: moments.len() as u64, note: String::new() }
}
