//! What a fault happens to: a ledger of its own, a statement that asks for every kind of change,
//! the program behind a proxy, and what must be true afterwards.
//!
//! The plan has new, changed and deleted rows, one that the company's rule refuses, and one that
//! the company itself changes (as the statement says) the moment an earlier one is performed.

mod elsewhere;

use crate::going::Going;
use crate::harness::proxy::{Moment, OPERATION, Point, Proxy};
use crate::harness::{Charge, Ledger, Listing, Output, PATIENCE, Program, Subscription, request};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::Mutex;

/// Ledgers to copy: made once each.
static TEMPLATES: Mutex<Option<HashMap<Scene, String>>> = Mutex::const_new(None);

/// What has happened before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scene {
    /// A plan of an operation or two of each kind is due.
    Small,
    /// So many rows more are to be changed.
    Bulk(i64),
    /// A run holds its (small) plan.
    Held,
    /// A run was killed in the middle of its (small) plan.
    Killed,
}

impl Scene {
    fn bulk(self) -> i64 {
        if let Self::Bulk(rows) = self { rows } else { 0 }
    }
}

/// The company's own rules. Each update of a bulk row takes 2 ms, to be hit in the middle of.
const COMPANY: &str = "
ALTER TABLE payments ADD CONSTRAINT company_rule
    CHECK (provider_payment_id <> 'ch_refused' OR amount_refunded_minor = 0);
CREATE FUNCTION company_acts() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET application_name = 'company' AS $$
BEGIN
    UPDATE payments SET amount_refunded_minor = 250
    WHERE provider_payment_id = 'ch_contested' AND amount_refunded_minor <> 250;
    RETURN NULL;
END $$;
CREATE TRIGGER company_acts AFTER UPDATE ON payments FOR EACH ROW
    WHEN (NEW.provider_payment_id = 'ch_actor') EXECUTE FUNCTION company_acts();
CREATE FUNCTION company_takes_time() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_sleep(0.002); RETURN NEW; END';
CREATE TRIGGER company_takes_time BEFORE UPDATE ON payments FOR EACH ROW
    WHEN (NEW.provider_payment_id LIKE 'ch_bulk%') EXECUTE FUNCTION company_takes_time();";

/// Every row of the ledger, as [`expected`] writes them.
const ROWS: &str = "SELECT string_agg(line, E'\\n' ORDER BY line COLLATE \"C\") FROM (
    SELECT concat_ws(' ', provider_payment_id, status, amount_refunded_minor,
        removed_at IS NOT NULL) AS line FROM payments
    UNION ALL SELECT concat_ws(' ', provider_subscription_id, status, removed_at IS NOT NULL)
        FROM subscriptions) AS rows";

/// The partitions beyond the next two months: most of what there is to copy.
const PARTITIONS_AHEAD: &str = "DO $$ DECLARE far regclass; BEGIN
    FOR far IN SELECT inhrelid::regclass FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
        WHERE c.relkind = 'r' AND right(relname, 6) > to_char(now() + interval '2 months', 'YYYYMM')
    LOOP EXECUTE format('DROP TABLE %s', far); END LOOP;
END $$";

fn before(bulk: i64) -> Listing {
    let pending = Charge::new("ch_pending", 5).with("status", "pending");
    let mut charges = vec![
        Charge::new("ch_actor", 1),
        Charge::new("ch_contested", 2),
        Charge::new("ch_deleted", 3),
        pending.with("captured", false).with("amount_captured", 0),
        Charge::new("ch_refused", 6),
    ];
    charges.extend((1..=bulk).map(|n| Charge::new(&format!("ch_bulk{n:04}"), 10)));
    Listing::of(charges).subscriptions([
        Subscription::new("sub_changed", 1),
        Subscription::new("sub_deleted", 2).with("customer", "cus_2"),
    ])
}

fn after(bulk: i64) -> Listing {
    let refunded = |id: &str, at, amount: i64| Charge::new(id, at).with("amount_refunded", amount);
    let mut charges = vec![
        refunded("ch_actor", 1, 100),
        refunded("ch_contested", 2, 250),
        Charge::new("ch_new1", 4).failed("card_declined"),
        Charge::new("ch_new2", 4),
        Charge::new("ch_pending", 5),
        refunded("ch_refused", 6, 999),
    ];
    charges.extend((1..=bulk).map(|n| refunded(&format!("ch_bulk{n:04}"), 10, 1)));
    Listing::of(charges).subscriptions([
        Subscription::new("sub_changed", 1).with("status", "past_due"),
        Subscription::new("sub_new", 3).with("customer", "cus_3"),
    ])
}

/// The ledger when it is in line with the statement, but for the refused row.
fn expected(bulk: i64) -> String {
    let mut lines: Vec<String> =
        (1..=bulk).map(|n| format!("ch_bulk{n:04} succeeded 1 f")).collect();
    let others = [
        "ch_actor succeeded 100 f",
        "ch_contested succeeded 250 f",
        "ch_deleted succeeded 0 t",
        "ch_new1 failed 0 f",
        "ch_new2 succeeded 0 f",
        "ch_pending succeeded 0 f",
        "ch_refused succeeded 0 f",
        "sub_changed past_due f",
        "sub_deleted active t",
        "sub_new active f",
    ];
    lines.extend(others.map(str::to_owned));
    lines.sort();
    lines.join("\n")
}

/// A ledger, a statement, and the program.
pub struct Stage {
    pub ledger: Ledger,
    /// Between the program and the server.
    pub proxy: Proxy,
    pub statement: PathBuf,
    behind: Program,
    direct: Program,
    bulk: i64,
    /// Ended runs whose story has been compared already: it can't change any more.
    pub told: HashSet<String>,
}

#[allow(dead_code, reason = "for the faults to come")]
impl Stage {
    pub async fn of(scene: Scene) -> Self {
        let mut templates = TEMPLATES.lock().await;
        let templates = templates.get_or_insert_default();
        if let Entry::Vacant(place) = templates.entry(scene) {
            place.insert(Box::pin(template(scene)).await);
        }
        let ledger = Ledger::copy_of(&templates[&scene]).await;
        Self::on(ledger, scene.bulk()).await
    }

    async fn on(ledger: Ledger, bulk: i64) -> Self {
        let proxy = Proxy::to(ledger.server().port()).await;
        let behind = Program::new().with("DATABASE_URL", &proxy.url(&ledger.url()));
        let direct = Program::on(&ledger);
        let statement = after(bulk).write(direct.folder.path());
        Self { ledger, proxy, statement, behind, direct, bulk, told: HashSet::new() }
    }

    /// Starts a run behind the proxy.
    pub fn start_run(&self, concurrency: u32, more: &[&str]) -> Going {
        self.start(&self.run_arguments(concurrency, more))
    }

    /// Starts a command behind the proxy.
    pub fn start(&self, arguments: &[impl AsRef<str>]) -> Going {
        let arguments: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
        Going::new(self.behind.spawn(&arguments))
    }

    /// A command that goes to the server directly.
    pub async fn command(&self, arguments: &[&str]) -> Output {
        self.direct.run(arguments).await
    }

    /// A run that goes to the server directly.
    pub async fn run(&self, concurrency: u32) -> Output {
        let arguments = self.run_arguments(concurrency, &[]);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.command(&arguments).await
    }

    fn run_arguments(&self, concurrency: u32, more: &[&str]) -> Vec<String> {
        let (concurrency, path) = (concurrency.to_string(), self.statement.to_str().unwrap());
        let fixed = ["--output", "json", "run", "--settle", "0s", "--clock-skew", "1s"];
        let caps = ["--max-deletes", "none"];
        let is_capped = more.contains(&"--max-changes");
        let free: &[&str] = if is_capped { &[] } else { &["--max-changes", "none"] };
        let rest = ["--concurrency", &concurrency, "--statement", path];
        let more = free.iter().chain(more).copied();
        let all = fixed.into_iter().chain(caps).chain(rest).chain(more);
        all.map(str::to_owned).collect()
    }

    /// How many runs the record says are in this state.
    pub async fn count_runs(&mut self, status: &str) -> i64 {
        let runs = "SELECT count(*) FROM payment_monitor_jobs WHERE execution_status =";
        self.ledger.number(&format!("{runs} '{status}'")).await
    }

    /// Whether every row is as the statement says, but for the refused one.
    pub async fn is_in_line(&mut self) -> bool {
        self.ledger.text(ROWS).await == expected(self.bulk)
    }

    /// One more run brings the ledger in line, and after it there is nothing left to do.
    pub async fn next_run_mends(&mut self) {
        self.next_run_is_in_line().await;
        let again = self.run(8).await;
        assert_eq!(again.code, 0, "the run after the next: {}", again.all());
        assert_eq!(again.json()["operations"]["planned"], 0, "{}", again.stdout);
        self.check().await;
    }

    /// One more run brings the ledger in line.
    pub async fn next_run_is_in_line(&mut self) {
        let mended = self.run(8).await;
        // 1: the refused operation, or a conflict with what the company did meanwhile.
        assert!(matches!(mended.code, 0 | 1), "the next run: {}", mended.all());
        self.check().await;
        assert_eq!(self.ledger.text(ROWS).await, expected(self.bulk), "ledger and statement");
    }

    /// The id of the run that began last.
    pub async fn newest_run(&mut self) -> String {
        self.ledger.text("SELECT id FROM payment_monitor_jobs ORDER BY id DESC LIMIT 1").await
    }

    /// Waits until so many operations of a bulk have been performed.
    pub async fn until_performed(&mut self, operations: i64) {
        let performed = "SELECT count(*) FROM payments WHERE provider_payment_id LIKE 'ch_bulk%'
            AND amount_refunded_minor = 1";
        let enough = format!("({performed}) >= {operations}");
        self.until("operations are performed", PATIENCE, &enough).await;
    }

    /// Waits until nobody holds the run lock: the server notices that a process is gone a
    /// moment later.
    pub async fn until_lock_is_free(&mut self, patience: Duration) {
        let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        self.until("the run lock is free", patience, &format!("({held}) = 0")).await;
    }

    /// Waits until a condition in SQL is true.
    pub async fn until(&mut self, what: &str, patience: Duration, condition: &str) {
        let looking = async {
            let mut again = tokio::time::interval(Duration::from_millis(10));
            while self.ledger.text(condition).await != "true" {
                again.tick().await;
            }
        };
        let done = tokio::time::timeout(patience, looking).await;
        assert!(done.is_ok(), "not within {patience:?}: {what}");
    }

    /// Removes the ledger.
    pub async fn remove(self) {
        drop(self.proxy);
        self.ledger.remove().await;
    }
}

async fn template(scene: Scene) -> String {
    let mut ledger = Ledger::empty().await;
    furnish(&mut ledger, scene.bulk()).await;
    let stage = Stage::on(ledger, scene.bulk()).await;
    match scene {
        Scene::Small | Scene::Bulk(_) => {}
        Scene::Held => {
            let held = stage.start_run(1, &["--max-changes", "1"]).ends_within(PATIENCE).await;
            assert_eq!(held.code, 4, "{}", held.all());
        }
        Scene::Killed => {
            let reached = stage.proxy.hold_at(Point::Statement(OPERATION, 4), Moment::Before);
            let run = stage.start_run(1, &[]);
            let held = reached.await.unwrap();
            run.kill().await;
            held.cut();
        }
    }
    stage.ledger.into_template().await
}

/// Brings a ledger in line with the first statement, and adds the company's rules.
async fn furnish(ledger: &mut Ledger, bulk: i64) {
    ledger.trust_logins().await;
    ledger.add_users(3).await;
    let folder = tempfile::tempdir().unwrap();
    let request = request(&before(bulk).write(folder.path()));
    let report = Box::pin(ledger.run(request)).await;
    assert_eq!(report.exit_code(), 0, "{:?}", report.summary);
    ledger.sql(COMPANY).await;
    ledger.sql(PARTITIONS_AHEAD).await;
}
