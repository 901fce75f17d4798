//! Others want the same rows, the same time or the same connections.

use crate::campaign::{Campaign, Fault, Needs, Tried, fault};
use crate::harness::{Output, PATIENCE};
use crate::middle::BULK;
use crate::stage::Stage;

pub fn faults() -> Vec<Fault> {
    vec![
        fault("another writer holds rows for longer than lock_timeout", Needs::Nothing, held_rows)
            .waiting(),
        fault("a slow trigger of the company's is cancelled", Needs::Nothing, slow_trigger),
        fault("a deadlock with another writer", Needs::Nothing, deadlock),
        fault("serialization failures that pass", Needs::Nothing, passing),
        fault("serialization failures that do not pass", Needs::Nothing, lasting),
        fault("too many connections", Needs::Nothing, connections),
    ]
}

/// Raises an error, or does something else, whenever a row is written.
fn trigger(id: &str, verb: &str, body: &str) -> String {
    format!(
        "CREATE FUNCTION company_hinders_{id}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
            AS $$ BEGIN {body}; RETURN NEW; END $$;
        CREATE TRIGGER company_hinders_{id} BEFORE {verb} ON payments FOR EACH ROW
            WHEN (NEW.provider_payment_id = '{id}') EXECUTE FUNCTION company_hinders_{id}()"
    )
}

/// Takes them away again.
async fn unhinder(stage: &mut Stage, ids: &[&str]) {
    for id in ids {
        stage.ledger.sql(&format!("DROP FUNCTION company_hinders_{id} CASCADE")).await;
    }
}

/// What the newest run says of an operation: its outcome and why.
async fn told_of(stage: &mut Stage, provider_id: &str) -> String {
    let told = format!(
        "SELECT concat_ws(' ', r.outcome, r.error) FROM payment_monitor_operations o
        LEFT JOIN payment_monitor_results r ON r.id = o.id
        WHERE o.provider_id = '{provider_id}' ORDER BY o.id DESC LIMIT 1"
    );
    stage.ledger.text(&told).await
}

/// These are recorded as failed, all others are done, and the next run tries these again.
async fn are_left(mut stage: Stage, output: &Output, left: &[(&str, &str)]) {
    assert_eq!(output.code, 1, "{}", output.all());
    for (id, code) in left {
        let told = told_of(&mut stage, id).await;
        assert!(told.starts_with("failed ") && told.contains(code), "{id}: {told}");
    }
    assert_eq!(stage.results("failed").await, left.len() as u64 + 1, "and the refused one");
    let operations = output.json()["operations"].clone();
    assert_eq!(operations["not_done"], 0, "{operations}");
    stage.check().await;
    stage.next_run_mends().await;
    stage.remove().await;
}

/// One row is given free in time, another one is not.
async fn held_rows(_: Campaign) -> Tried {
    let (mut in_time, never) = (Stage::small().await, Stage::small().await);
    let row = "SELECT FROM payments WHERE provider_payment_id = 'ch_pending' FOR UPDATE";
    let holders = [in_time.ledger.hold(row).await, never.ledger.hold(row).await];
    let waiting = in_time.start_run(2, &["--retry-for", "1m"]);
    let failing = never.start_run(2, &["--retry-for", "1s"]);
    let failed = failing.ends_within(PATIENCE).await;
    // The first attempt of the other one has timed out as well by now.
    for holder in holders {
        holder.let_go().await;
    }
    let output = waiting.ends_within(PATIENCE).await;
    assert_eq!(output.code, 1, "1 for the refused operation: {}", output.all());
    in_time.check().await;
    assert!(in_time.is_in_line().await);
    in_time.next_run_mends().await;
    in_time.remove().await;
    are_left(never, &failed, &[("ch_pending", "55P03")]).await;
    Tried { times: 2, note: "in time, and not".to_owned() }
}

/// In the long form it is the statement timeout that ends it, after 30 s.
async fn slow_trigger(campaign: Campaign) -> Tried {
    let mut stage = Stage::small().await;
    stage.ledger.sql(&trigger("ch_new1", "INSERT", "PERFORM pg_sleep(100)")).await;
    let run = stage.start_run(2, &["--retry-for", "1s"]);
    let cancel = "SELECT coalesce(bool_and(pg_cancel_backend(pid)), false) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event = 'PgSleep'";
    // At least two attempts, of 30 s each in the long form.
    let mut ended = Box::pin(run.ends_within(PATIENCE * 3));
    let mut again = tokio::time::interval(std::time::Duration::from_millis(100));
    let output = loop {
        tokio::select! {
            output = &mut ended => break output,
            _ = again.tick(), if !campaign.is_long() => drop(stage.ledger.text(cancel).await),
        }
    };
    unhinder(&mut stage, &["ch_new1"]).await;
    are_left(stage, &output, &[("ch_new1", "57014")]).await;
    let by = if campaign.is_long() { "by the server" } else { "by a person" };
    Tried { times: 1, note: by.to_owned() }
}

async fn deadlock(_: Campaign) -> Tried {
    let mut stage = Stage::small().await;
    let body = "PERFORM nextval('attempts'); UPDATE company_totals SET changes = changes + 1";
    stage.ledger.sql("CREATE TABLE company_totals AS SELECT 0 AS changes").await;
    stage.ledger.sql("CREATE SEQUENCE attempts").await;
    stage.ledger.sql(&trigger("ch_actor", "UPDATE", body)).await;
    // Whoever waits first finds the deadlock a second later, and gives in: the run.
    let totals = "SET deadlock_timeout = '1min'; UPDATE company_totals SET changes = 10";
    let mut writer = stage.ledger.hold(totals).await;
    let run = stage.start_run(2, &["--retry-for", "30s"]);
    stage.ledger.until_sessions_wait(1).await;
    writer.does("SELECT FROM payments WHERE provider_payment_id = 'ch_actor' FOR UPDATE").await;
    writer.let_go().await;
    let output = run.ends_within(PATIENCE).await;
    assert_eq!(output.code, 1, "1 for the refused operation: {}", output.all());
    let attempts = stage.ledger.number("SELECT last_value FROM attempts").await;
    assert!(attempts > 1, "the run was the one to give in");
    assert_eq!(stage.ledger.number("SELECT changes FROM company_totals").await, 11);
    stage.check().await;
    assert!(stage.is_in_line().await);
    unhinder(&mut stage, &["ch_actor"]).await;
    stage.next_run_mends().await;
    stage.remove().await;
    Tried { times: 1, note: format!("{attempts} attempts") }
}

/// A sequence counts the attempts, because it does not roll back.
async fn passing(_: Campaign) -> Tried {
    let mut stage = Stage::with_bulk(20).await;
    let body = |id: &str, code: &str| {
        let first = format!("nextval('attempts_{id}') <= 3");
        format!("IF {first} THEN RAISE 'busy' USING ERRCODE = '{code}'; END IF")
    };
    let codes = [("40001", "ch_pending", "UPDATE"), ("40P01", "ch_new1", "INSERT")];
    for (code, id, verb) in codes {
        stage.ledger.sql(&format!("CREATE SEQUENCE attempts_{id}")).await;
        stage.ledger.sql(&trigger(id, verb, &body(id, code))).await;
    }
    let output = stage.run(4).await;
    assert_eq!(output.code, 1, "1 for the refused operation: {}", output.all());
    for (code, id, _) in codes {
        let attempts = format!("SELECT last_value FROM attempts_{id}");
        assert_eq!(stage.ledger.number(&attempts).await, 4, "{code}");
        assert_eq!(told_of(&mut stage, id).await, "applied", "{code}");
    }
    stage.check().await;
    assert!(stage.is_in_line().await);
    stage.next_run_mends().await;
    stage.remove().await;
    Tried { times: 2, note: "4 attempts each".to_owned() }
}

async fn lasting(_: Campaign) -> Tried {
    let mut stage = Stage::with_bulk(20).await;
    let codes = [("40001", "ch_pending", "UPDATE"), ("40P01", "ch_new1", "INSERT")];
    for (code, id, verb) in codes {
        let body = format!("RAISE 'busy' USING ERRCODE = '{code}'");
        stage.ledger.sql(&trigger(id, verb, &body)).await;
    }
    let output = stage.start_run(4, &["--retry-for", "1s"]).ends_within(PATIENCE).await;
    unhinder(&mut stage, &["ch_pending", "ch_new1"]).await;
    are_left(stage, &output, &codes.map(|(code, id, _)| (id, code))).await;
    Tried { times: 2, note: String::new() }
}

/// With too few connections for all workers some do the work; with too few for a run there is
/// none.
async fn connections(_: Campaign) -> Tried {
    let mut note = String::new();
    for (limit, code) in [(8, 1), (1, 3)] {
        let mut stage = Stage::with_bulk(BULK).await;
        let name = stage.ledger.name().to_owned();
        let set = |limit: i32| format!("ALTER DATABASE {name} CONNECTION LIMIT {limit}");
        stage.ledger.sql(&set(limit)).await;
        let run = stage.start_run(32, &["--retry-for", "2s"]);
        if code == 1 {
            stage.until_results(10).await;
            let sessions = "SELECT count(*) FROM pg_stat_activity
                WHERE datname = current_database() AND usename = 'job'";
            note = format!("{} sessions of 8", stage.ledger.number(sessions).await);
        }
        let output = run.ends_within(PATIENCE).await;
        assert_eq!(output.code, code, "with {limit} connections: {}", output.all());
        if code == 3 {
            assert!(output.all().contains("53300"), "{}", output.all());
        }
        stage.ledger.sql(&set(-1)).await;
        assert_eq!(stage.is_in_line().await, code == 1);
        stage.check().await;
        stage.next_run_mends().await;
        stage.remove().await;
    }
    Tried { times: 2, note }
}
