//! The rows of all tables at a moment, to be compared with those of a later one.

use crate::harness::Ledger;
use std::collections::BTreeMap;

/// Tables of the company and of the record. The staging is nobody's record, and which migrations
/// there were changes, as it should.
const TABLES: &str = "SELECT string_agg(c.relname, ' ') FROM pg_class c
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
        AND relpersistence = 'p' AND relname <> '_sqlx_migrations'";

/// Where migrations add rows: rules that come with the schema, and the record of that.
const GROWING: [&str; 2] = ["payment_monitor_events", "payment_monitor_rules"];

/// Of each table the question for its rows, in the columns that it had, and the answer.
pub struct Rows(BTreeMap<String, (String, Vec<String>)>);

impl Rows {
    pub async fn of(ledger: &mut Ledger) -> Self {
        let mut rows = BTreeMap::new();
        for table in ledger.text(TABLES).await.split(' ') {
            let columns = format!(
                "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
                WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped"
            );
            let columns = ledger.text(&columns).await;
            let question = format!(
                "SELECT coalesce(json_agg(r ORDER BY r), '[]')
                FROM (SELECT ROW({columns})::text AS r FROM {table}) row_texts"
            );
            let answer = answer(ledger, &question).await;
            rows.insert(table.to_owned(), (question, answer));
        }
        Self(rows)
    }

    /// None is gone, none is new, none is other than it was.
    pub async fn assert_unchanged(&self, ledger: &mut Ledger) {
        for (table, (question, before)) in &self.0 {
            assert_eq!(&answer(ledger, question).await, before, "rows of {table}");
        }
    }

    /// The same, but for what comes with the migrations.
    pub async fn assert_kept(&self, ledger: &mut Ledger) {
        for (table, (question, before)) in &self.0 {
            let mut now = answer(ledger, question).await;
            if GROWING.contains(&table.as_str()) {
                now.retain(|row| before.contains(row));
            }
            assert_eq!(&now, before, "rows of {table}");
        }
    }
}

async fn answer(ledger: &mut Ledger, question: &str) -> Vec<String> {
    serde_json::from_str(&ledger.text(question).await).unwrap()
}
