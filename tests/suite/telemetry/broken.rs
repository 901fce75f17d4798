//! A command that panics tells of itself: what it had made is delivered and accounted for.

use super::collector::{Behaviour, Collector};
use super::trace::program;
use crate::harness::{Charge, Ledger, Listing};

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_panics_is_delivered_and_has_its_account_in_the_record() {
    let mut ledger = Ledger::with_users(1).await;
    // The plan that is read back is none that the program could have stored: it panics.
    ledger
        .sql(
            "ALTER TABLE payment_monitor_operations
            DROP CONSTRAINT payment_monitor_operations_subject;
        CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN NEW.subject := ''spoilt''; RETURN NEW; END';
        CREATE TRIGGER spoil BEFORE INSERT ON payment_monitor_operations
            FOR EACH ROW EXECUTE FUNCTION spoil()",
        )
        .await;
    let collector = Collector::start(Behaviour::Healthy).await;
    let program = program(&ledger, &collector);
    let path = Listing::of([Charge::new("ch_1", 1)]).write(program.folder.path());
    let output = program.run_statement(&path, &[]).await;
    assert_eq!(output.code, 101, "{}", output.all());
    assert!(output.stderr.contains("panicked"), "{}", output.stderr);

    let events = "SELECT count(*) FROM run_events JOIN run_summary USING (run_id)
        WHERE kind = 'telemetry' AND execution_status = 'running'";
    assert_eq!(ledger.number(events).await, 1);
    let details = ledger.text("SELECT details FROM run_events WHERE kind = 'telemetry'").await;
    let details: serde_json::Value = serde_json::from_str(&details).unwrap();
    assert_eq!(details["exit_code"], 101);
    let traces = &details["traces"];
    let number = |key: &str| traces[key].as_u64().unwrap();
    assert_eq!(number("made"), number("acknowledged") + number("refused") + number("dropped"));
    let spans = collector.spans();
    assert_eq!(number("acknowledged"), spans.len() as u64);
    // What had ended before. What the panic broke off is let go by workers that may be later.
    for name in ["rescue", "fetch", "compare", "plan", "guard"] {
        assert!(spans.iter().any(|span| span.name == name), "{name} of {spans:?}");
    }
}
