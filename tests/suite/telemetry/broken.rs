//! What the program itself breaks off is told as well: delivered, and on record.

use super::collector::{Behaviour, Collector};
use super::trace::program;
use crate::harness::{Charge, Ledger, Listing};

/// Plans are stored from now on as the program could not have stored them: reading one panics.
const SPOIL: &str = "ALTER TABLE payment_monitor_operations
        DROP CONSTRAINT payment_monitor_operations_subject;
    CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN NEW.subject := ''spoilt''; RETURN NEW; END';
    CREATE TRIGGER spoil BEFORE INSERT ON payment_monitor_operations
        FOR EACH ROW EXECUTE FUNCTION spoil()";

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_which_a_task_panics_has_failed_and_says_so() {
    let mut ledger = Ledger::with_users(1).await;
    ledger.sql(SPOIL).await;
    let collector = Collector::start(Behaviour::Healthy).await;
    let program = program(&ledger, &collector);
    let path = Listing::of([Charge::new("ch_1", 1)]).write(program.folder.path());
    let output = program.run_statement(&path, &[]).await;
    assert_eq!(output.code, 3, "{}", output.all());
    let failed = "SELECT count(*) FROM run_summary WHERE execution_status = 'failed'
        AND not_done = 1
        AND error LIKE 'a task of the run broke off: task%allows no other subject%'";
    assert_eq!(ledger.number(failed).await, 1, "{}", output.all());
    let spans = collector.spans();
    let perform = spans.iter().find(|span| span.name == "perform").expect("its phase");
    assert!(perform.status.as_ref().unwrap().message.contains("broke off"), "{perform:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_panics_is_delivered_and_has_its_account_in_the_record() {
    let mut ledger = Ledger::with_users(1).await;
    ledger.sql(SPOIL).await;
    let collector = Collector::start(Behaviour::Healthy).await;
    let program = program(&ledger, &collector);
    let path = Listing::of([Charge::new("ch_1", 1)]).write(program.folder.path());
    let held = program.run_statement(&path, &["--max-changes", "0"]).await;
    assert_eq!(held.code, 4, "{}", held.all());
    let held = ledger.text("SELECT run_id FROM run_summary").await;
    let output = program.run(&["approve", &held, "--by", "Ada", "--reason", "a test"]).await;
    assert_eq!(output.code, 101, "{}", output.all());
    assert!(output.stderr.contains("panicked"), "{}", output.stderr);

    let events = "SELECT count(*) FROM run_events JOIN run_summary USING (run_id)
        WHERE kind = 'telemetry' AND execution_status = 'running'";
    assert_eq!(ledger.number(events).await, 1);
    let details = "SELECT details FROM run_events JOIN run_summary USING (run_id)
        WHERE kind = 'telemetry' AND execution_status = 'running'";
    let details: serde_json::Value = serde_json::from_str(&ledger.text(details).await).unwrap();
    assert_eq!(details["exit_code"], 101);
    let traces = &details["traces"];
    let number = |key: &str| traces[key].as_u64().unwrap();
    assert_eq!(number("made"), number("acknowledged") + number("refused") + number("dropped"));
    // The held run's are there, too. What the panic broke off is let go by workers that may be
    // later.
    let run = "SELECT run_id FROM run_summary WHERE execution_status = 'running'";
    let run = ledger.text(run).await.replace('-', "");
    let spans = collector.spans();
    let spans: Vec<_> = spans.iter().filter(|span| hex::encode(&span.trace_id) == run).collect();
    assert_eq!(number("acknowledged"), spans.len() as u64);
    assert!(spans.iter().any(|span| span.name == "rescue"), "what had ended before: {spans:?}");
}
