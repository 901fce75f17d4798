//! CSV: the dashboard's export and mapped tables, and mapped JSON objects.

use super::*;
use crate::domain::{Stated, StatementPayment, StatementSubscription};
use figment::providers::{Format as _, Toml};

const HEADER: &str = "id,Description,Created date (UTC),Amount,Amount Refunded,Currency,Captured,\
                      Status,Customer ID,Card Fingerprint,Decline Reason,Disputed Amount,\
                      Dispute Status,Mode";

fn export(rows: &[&str]) -> Folder {
    Folder::with("unified_payments.csv", format!("{HEADER}\n{}\n", rows.join("\n")))
}

fn payment(row: &str) -> StatementPayment {
    match &export(&[row]).read().unwrap().0[..] {
        [Record::Payment(payment)] => payment.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_row_of_the_dashboards_export_is_a_payment() {
    let row = "ch_1,\"Subscription, update\",2025-11-01 10:20:30,\"1,234.50\",34.50,eur,true,\
               Paid,cus_1,fp_1,,,,Live";
    let payment = payment(row);
    assert_eq!(payment.provider_payment_id, "ch_1");
    assert_eq!(payment.amount_minor, 123_450);
    assert_eq!(payment.amount_refunded_minor, Some(3_450));
    assert_eq!(payment.amount_captured_minor, None);
    assert_eq!(payment.status, "succeeded");
    assert_eq!(payment.provider_customer_id, Stated::Value("cus_1".into()));
    assert_eq!(payment.payment_method_fingerprint.as_deref(), Some("fp_1"));
    assert_eq!(payment.failure_code, Stated::Nothing);
    assert_eq!(payment.disputed, Some(false));
    assert_eq!(payment.created_at.to_rfc3339(), "2025-11-01T10:20:30+00:00");
}

#[test]
fn the_dashboards_statuses_become_the_charges() {
    for (shown, reason, dispute, status, code, disputed) in [
        ("Paid", "", "won", "succeeded", Stated::Nothing, true),
        ("Refunded", "", "", "succeeded", Stated::Nothing, false),
        ("Disputed", "", "", "succeeded", Stated::Nothing, true),
        ("Failed", "stolen_card", "", "failed", Stated::Value("stolen_card".to_owned()), false),
        ("Failed", "", "", "failed", Stated::NotStated, false),
        ("Pending", "", "", "pending", Stated::Nothing, false),
        ("Canceled", "", "", "canceled", Stated::Nothing, false),
    ] {
        let row = format!("ch_1,,2025-11-01 10:20,12.50,,jpy,,{shown},,,{reason},,{dispute},")
            .replace("12.50", "1250");
        let payment = payment(&row);
        assert_eq!(payment.status, status, "{shown}");
        assert_eq!(payment.failure_code, code, "{shown}");
        assert_eq!(payment.disputed, Some(disputed), "{shown}");
        assert_eq!(payment.amount_minor, 1250);
        assert_eq!(payment.provider_customer_id, Stated::Nothing, "a guest");
        let refunded = (shown == "Refunded").then_some(1250);
        assert_eq!(payment.amount_refunded_minor, refunded, "{shown}");
    }
}

#[test]
fn an_uncaptured_payment_has_captured_nothing() {
    let row = "ch_1,,2025-11-01 10:20,12.50,0.00,usd,false,Uncaptured,,,,,,Live";
    let payment = payment(row);
    assert_eq!((payment.status.as_str(), payment.amount_captured_minor), ("succeeded", Some(0)));
}

#[test]
fn absent_columns_are_not_stated_and_a_missing_one_is_named() {
    let text = "ID,created (utc),AMOUNT,currency,status\nch_1,2025-11-01 10:20,1.00,usd,Paid\n";
    let (records, facts) = Folder::with("x.csv", text).read().unwrap();
    let Record::Payment(payment) = &records[0] else { panic!() };
    assert_eq!(payment.provider_customer_id, Stated::NotStated);
    assert_eq!(payment.failure_code, Stated::NotStated);
    assert_eq!((payment.disputed, payment.amount_refunded_minor), (None, None));
    assert_eq!(facts.unknown_fields, 0);
    let error = Folder::with("x.csv", text.replace("AMOUNT", "Total")).error();
    assert!(error.contains("x.csv") && error.contains("`Amount`"), "{error}");
}

#[test]
fn wrong_rows_cost_only_themselves_and_payment_intents_are_ignored() {
    let good = "ch_1,,2025-11-01 10:20,1.00,,usd,,Paid,,,,,,Live";
    let long = "x".repeat(300);
    let cases = [
        (good.replace("1.00", "1.005"), "Amount: amount has more decimals"),
        (good.replace("1.00", "\"1,00\""), "Amount: amount is not"),
        (good.replace("1.00", ""), "Amount is missing"),
        (good.replace("1.00", "-1.00"), "Amount is negative"),
        (good.replace("usd", "dollar"), "Currency is not three letters"),
        (good.replace("2025-11-01", "01.11.2025"), "Created date (UTC) is not a time"),
        (good.replace("2025", "1925"), "Created date (UTC) is not between"),
        (good.replace("Live", "Maybe"), "Mode is neither"),
        (good.replace("ch_1", &long), "id is 300 bytes long"),
        (good.replace("ch_1", "a\u{0}b"), "id contains a control character"),
        (good.replace(",Live", ""), "the row has 13 columns, and the header 14"),
    ];
    for (row, expected) in cases {
        let facts = export(&[good, &row, good, "pi_1,,,,,,,,,,,,,"]).facts();
        assert_eq!((facts.payments, facts.malformed), (2, 1), "{expected}");
        assert_eq!(facts.ignored["payment_intent"], 1);
        let example = &facts.malformed_examples[0];
        assert_eq!(example.line, 3);
        assert!(example.reason.contains(expected), "{}", example.reason);
    }
}

#[test]
fn a_quote_that_is_left_open_does_not_swallow_the_file() {
    let row = format!("\"ch_1,,2025\n{}", "x\n".repeat(1024 * 1024));
    let error = export(&["ch_0,,2025-11-01 10:20,1.00,,usd,,Paid,,,,,,Live", &row]).error();
    assert!(error.contains("line 3") && error.contains("quote left open"), "{error}");
}

#[test]
fn test_mode_rows_are_seen() {
    let row = "ch_1,,2025-11-01 10:20,1.00,,usd,,Paid,,,,,,Test";
    assert_eq!(export(&[row]).facts().livemode, Some(false));
}

fn mapping(toml: &str) -> Mapping {
    figment::Figment::from(Toml::string(toml)).extract_inner("mapping").unwrap()
}

/// The first TOML example of the documentation.
fn documented() -> Mapping {
    let text = include_str!("../../../docs/statement.md");
    let (_, rest) = text.split_once("```toml\n").unwrap();
    mapping(rest.split_once("```").unwrap().0)
}

#[test]
fn the_documented_mapping_reads_a_table() {
    let text = "txn;type;buyer;state;gross;cur;at;reason;tariff;ends\n\
                t1;sale;b1;COMPLETED;12,340.50;EUR;01.11.2025 10:20;;;\n\
                t2;sale;;DECLINED;1.00;EUR;02.11.2025 10:20;no_money;;\n\
                s1;plan;b1;RUNNING;;;01.11.2025 10:20;;gold;01.12.2025 00:00\n\
                f1;fee;b1;COMPLETED;1.00;EUR;01.11.2025 10:20;;;\n\
                t3;sale;b1;NEW_WORD;1.001;EUR;01.11.2025 10:20;;;\n";
    let folder = Folder::with("x.csv", text);
    let options = Options { mapping: Some(documented()), ..folder.options() };
    let (records, facts) = read(options).unwrap();
    assert_eq!((facts.payments, facts.subscriptions, facts.malformed), (2, 1, 1));
    assert_eq!(facts.ignored, [("fee".to_owned(), 1)].into());
    let [Record::Payment(first), Record::Payment(second), Record::Subscription(third)] =
        &records[..]
    else {
        panic!("{records:?}")
    };
    assert_eq!((first.status.as_str(), first.amount_minor), ("succeeded", 1_234_050));
    assert_eq!(first.failure_code, Stated::Nothing);
    assert_eq!(second.status, "failed");
    assert_eq!(second.failure_code, Stated::Value("no_money".into()));
    assert_eq!(second.provider_customer_id, Stated::Nothing);
    let StatementSubscription { plan, status, current_period_end, .. } = third;
    assert_eq!((plan.as_str(), status.as_str()), ("gold", "active"));
    assert_eq!(current_period_end.unwrap().to_rfc3339(), "2025-12-01T00:00:00+00:00");
}

const NDJSON: &str = r#"
    [mapping]
    amounts = "minor"
    time = "unix"
    [mapping.payment]
    id = "id"
    status = "/state/name"
    amount = "cents"
    currency = { constant = "GBP" }
    created = "at"
    disputed = "/state/disputed"
"#;

#[test]
fn a_mapping_with_pointers_and_constants_reads_objects() {
    let good = r#"{"id":7,"state":{"name":"paid","disputed":true},"cents":150,"at":1700000000}"#;
    for text in [format!("{good}\n"), format!("[\n{good}\n]"), pretty(good)] {
        let folder = Folder::with("x", &text);
        let options = Options { mapping: Some(mapping(NDJSON)), ..folder.options() };
        let (records, _) = read(options).unwrap();
        let [Record::Payment(payment)] = &records[..] else { panic!("{text}: {records:?}") };
        assert_eq!(payment.provider_payment_id, "7");
        assert_eq!((payment.amount_minor, payment.disputed), (150, Some(true)));
        assert_eq!(payment.currency.as_str(), "GBP");
    }
    for (from, to, reason) in [
        ("150", "150.5", "amount is not an integer"),
        ("150", "[1]", "amount is not a simple value"),
        ("7", "12345678901234567.5", "id is not a simple value"),
        ("\"paid\"", "null", "status is missing"),
        ("1700000000", "true", "created is not a time"),
    ] {
        let folder = Folder::with("x", format!("{good}\n{}\n", good.replacen(from, to, 1)));
        let options = Options { mapping: Some(mapping(NDJSON)), ..folder.options() };
        let (_, facts) = read(options).unwrap();
        assert!(facts.malformed_examples[0].reason.starts_with(reason), "{facts:?}");
    }
}

#[test]
fn a_mapping_without_sense_is_refused_by_its_key() {
    let both = "[mapping.subscription]\nid=\"a\"\nplan=\"b\"\nstatus=\"c\"\ncreated=\"d\"\n";
    for (from, to, key) in [
        ("time = \"unix\"", "time = \"later\"", "mapping.time"),
        ("time = \"unix\"", "time = \"%H\"", "mapping.time"),
        ("amounts = \"minor\"", "", "mapping.amounts"),
        ("id = \"id\"", "id = { constant = \"x\" }", "mapping.payment.id"),
        ("cents", "", "mapping.payment.amount"),
        ("GBP", "POUND", "mapping.payment.currency"),
        ("amounts", "delimiter = \"é\"\namounts", "mapping.delimiter"),
        ("amounts", "record = \"subscription\"\namounts", "mapping.record"),
        ("amounts", "record = { column = \"t\" }\namounts", "mapping.record.payment"),
        ("[mapping.payment]", &format!("{both}[mapping.payment]"), "mapping.record"),
        ("disputed", "statuses = { a = \"\" }\ndisputed", "mapping.payment.statuses.a"),
    ] {
        let folder = Folder::with("x", "{}");
        let mapping = mapping(&NDJSON.replacen(from, to, 1));
        let error = read(Options { mapping: Some(mapping), ..folder.options() }).unwrap_err();
        assert!(error.to_string().contains(&format!("`{key}`")), "{error}");
    }
    let typo = Toml::string(&NDJSON.replace("disputed =", "disptued =")).nested();
    assert!(figment::Figment::from(typo).extract_inner::<Mapping>("mapping").is_err());
}

#[test]
fn a_format_that_needs_a_mapping_says_so_and_a_missing_column_is_named() {
    let folder = Folder::with("x.csv", "txn,b\n1,2\n");
    let error = read(Options { format: Format::Csv, ..folder.options() }).unwrap_err();
    assert!(error.to_string().contains("`mapping` is missing"), "{error}");
    let options = Options { mapping: Some(mapping(NDJSON)), ..folder.options() };
    assert!(read(options).unwrap_err().to_string().contains("lacks the column `id`"));
}
