//! What the database refuses is recorded, and the rest goes on.

use crate::harness::{Charge, Ledger, Listing, environment, request};
use payment_monitor::run::run;
use tempfile::TempDir;

#[tokio::test]
async fn a_failure_at_any_operation_leaves_all_others_done() {
    const OPERATIONS: i64 = 6;
    for failing in 1..=OPERATIONS {
        let mut ledger = Ledger::with_users(1).await;
        let rule = format!(
            "ALTER TABLE payments ADD CONSTRAINT rule CHECK (provider_payment_id <> 'ch_{failing}')"
        );
        ledger.sql(&rule).await;
        let folder = TempDir::new().unwrap();
        let all = (1..=OPERATIONS).map(|n| Charge::new(&format!("ch_{n}"), n));
        let report = ledger.run(request(&Listing::of(all).write(folder.path()))).await;
        let operations = report.summary.operations;
        assert_eq!((operations.applied, operations.failed), (5, 1), "{failing}");
        assert_eq!(report.exit_code(), 1);
        let told = "SELECT concat_ws('|', o.provider_id, r.error) FROM payment_monitor_results r
            JOIN payment_monitor_operations o USING (id) WHERE outcome = 'failed'";
        assert_eq!(
            ledger.text(told).await,
            format!("ch_{failing}|23514 check_violation: constraint rule of payments")
        );
        ledger.assert_invariants().await;
    }
}

#[tokio::test]
async fn what_was_refused_is_not_tried_again_until_it_changes_or_is_approved() {
    let mut ledger = Ledger::with_users(1).await;
    ledger.sql("ALTER TABLE payments ADD CONSTRAINT rule CHECK (amount_minor > 0)").await;
    let folder = TempDir::new().unwrap();
    let listing = Listing::of([Charge::new("ch_1", 1).with("amount", 0)]);
    let request = request(&listing.write(folder.path()));
    assert_eq!(ledger.run(request.clone()).await.summary.operations.failed, 1);
    let second = ledger.run(request.clone()).await;
    assert_eq!(second.summary.operations.planned, 0);
    assert_eq!(second.summary.left["failed"], 1);

    ledger.sql("ALTER TABLE payments DROP CONSTRAINT rule").await;
    let (environment, _stopper) = environment(&ledger);
    let approval = payment_monitor::run::Approval {
        run: second.summary.run_id.parse().unwrap(),
        by: "Ada".to_owned(),
        reason: "the rule is gone".to_owned(),
    };
    let approved = payment_monitor::run::approve(&environment, approval).await.unwrap();
    assert_eq!(approved.summary.operations.applied, 1);
    assert_eq!(ledger.number("SELECT count(*) FROM open_discrepancies").await, 0);
    assert_eq!(run(&environment, request).await.unwrap().summary.operations.planned, 0);
    ledger.assert_invariants().await;
}

#[tokio::test]
async fn what_a_companys_own_trigger_makes_of_a_change_is_what_is_recorded() {
    let mut ledger = Ledger::with_users(1).await;
    ledger
        .sql(
            "CREATE FUNCTION cap() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN NEW.amount_captured_minor := least(NEW.amount_captured_minor, 400);
            RETURN NEW; END';
            CREATE TRIGGER cap BEFORE INSERT ON payments FOR EACH ROW EXECUTE FUNCTION cap()",
        )
        .await;
    let folder = TempDir::new().unwrap();
    let listing = Listing::of([Charge::new("ch_1", 1)]);
    ledger.run(request(&listing.write(folder.path()))).await;
    let recorded = "SELECT new_state ->> 'amount_captured_minor' FROM payment_monitor_results";
    assert_eq!(ledger.text(recorded).await, "400");
}

#[tokio::test]
async fn a_deadlock_or_a_serialization_failure_is_tried_again_with_the_same_id() {
    for code in ["40001", "40P01", "55P03"] {
        let mut ledger = Ledger::with_users(1).await;
        // The first attempt of each row is turned away, as by another transaction. A sequence
        // keeps count, because it does not roll back.
        ledger
            .sql(&format!(
                "CREATE SEQUENCE attempts; GRANT USAGE ON attempts TO PUBLIC;
                CREATE FUNCTION busy() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN IF nextval('attempts') <= 2 THEN
                    RAISE 'busy' USING ERRCODE = '{code}'; END IF; RETURN NEW; END $$;
                CREATE TRIGGER busy BEFORE INSERT ON payments
                    FOR EACH ROW EXECUTE FUNCTION busy()"
            ))
            .await;
        let folder = TempDir::new().unwrap();
        let listing = Listing::of([Charge::new("ch_1", 1)]);
        let report = ledger.run(request(&listing.write(folder.path()))).await;
        assert_eq!(report.summary.operations.applied, 1, "{code}");
        assert_eq!(ledger.number("SELECT last_value FROM attempts").await, 3);
        ledger.assert_invariants().await;
    }
}

#[tokio::test]
async fn a_view_with_an_instead_of_trigger_takes_what_the_run_writes() {
    let mut ledger = Ledger::with_users(1).await;
    ledger
        .sql(
            "SET ROLE payment_monitor_owner;
            CREATE OR REPLACE VIEW ledger_payments AS
            SELECT id, user_id, provider_payment_id, status, amount_minor + 0 AS amount_minor,
                amount_captured_minor, amount_refunded_minor, disputed, currency, failure_code,
                failure_message, payment_method_fingerprint, created_at, updated_at, removed_at
            FROM payments;
            CREATE FUNCTION write_payment() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
            BEGIN
                IF TG_OP = 'INSERT' THEN
                    INSERT INTO payments (user_id, provider_payment_id, status, amount_minor,
                        currency, created_at, updated_at)
                    VALUES (NEW.user_id, NEW.provider_payment_id, NEW.status, NEW.amount_minor,
                        NEW.currency, NEW.created_at, NEW.updated_at)
                    ON CONFLICT DO NOTHING RETURNING id INTO NEW.id;
                    IF NEW.id IS NULL THEN RETURN NULL; END IF;
                ELSE
                    UPDATE payments SET amount_minor = NEW.amount_minor WHERE id = OLD.id;
                END IF;
                RETURN NEW;
            END $$;
            CREATE TRIGGER write_payment INSTEAD OF INSERT OR UPDATE ON ledger_payments
                FOR EACH ROW EXECUTE FUNCTION write_payment();
            RESET ROLE",
        )
        .await;
    let folder = TempDir::new().unwrap();
    for amount in [1_000, 900] {
        let charge = Charge::new("ch_1", 1).with("amount", amount).with("amount_captured", 0);
        let report = ledger.run(request(&Listing::of([charge]).write(folder.path()))).await;
        assert_eq!(report.summary.operations.applied, 1, "{:?}", report.summary);
        assert_eq!(ledger.number("SELECT amount_minor FROM payments").await, amount);
    }
    ledger.assert_invariants().await;
}
