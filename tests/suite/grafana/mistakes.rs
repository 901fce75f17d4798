//! The checks themselves: each planted mistake is found, and a panel without one is not blamed.

use super::boards::{Kind, Place, Target};
use super::fit::{Answer, Type, faults};
use super::look::answer;
use super::panels::range;
use super::scenario::world;
use super::variables::Values;
use serde_json::{Value, json};

fn panel() -> Value {
    json!({
        "id": 1, "type": "table", "title": "A table",
        "fieldConfig": {
            "defaults": {},
            "overrides": [
                { "matcher": { "id": "byName", "options": "Took" },
                    "properties": [{ "id": "unit", "value": "s" }] },
                { "matcher": { "id": "byName", "options": "Run" }, "properties": [
                    { "id": "links", "value": [{ "title": "t",
                        "url": "/d/run?var-run=${__data.fields.run_id}" }] }] },
            ],
        },
        "options": { "sortBy": [{ "displayName": "Took", "desc": true }] },
        "transformations": [
            { "id": "organize", "options": { "excludeByName": { "run_id": true } } },
        ],
    })
}

fn answered() -> Answer {
    let columns = [("Run", Type::Text), ("run_id", Type::Text), ("Took", Type::Number)];
    let columns = columns.map(|(name, kind)| (name.to_owned(), kind)).to_vec();
    Answer { columns, rows: vec![json!({ "Run": "a", "Took": 1 })], is_series: false }
}

fn found(panel: Value, answer: Answer) -> String {
    let place = Place {
        board: "a".to_owned(),
        name: "b".to_owned(),
        kind: Kind::Panel(panel),
        targets: vec![],
    };
    faults(&place, &[answer]).join("; ")
}

#[test]
fn a_panel_without_a_mistake_has_no_faults() {
    assert_eq!(found(panel(), answered()), "");
}

#[test]
fn a_misspelt_column_is_found_wherever_it_is() {
    for (path, what) in [
        ("/fieldConfig/overrides/0/matcher/options", "an override names \"Tok\""),
        ("/fieldConfig/overrides/1/properties/0/value/0/url", "a link names \"runid\""),
        ("/options/sortBy/0/displayName", "options.sortBy names \"Tok\""),
        ("/transformations/0/options/excludeByName", "organize names \"runid\""),
    ] {
        let mut panel = panel();
        *panel.pointer_mut(path).unwrap() = match path.rsplit('/').next().unwrap() {
            "url" => json!("/d/run?var-run=${__data.fields[\"runid\"]}"),
            "excludeByName" => json!({ "runid": true }),
            _ => json!("Tok"),
        };
        let found = found(panel, answered());
        assert!(found.contains(what), "{path}: {found}");
    }
}

#[test]
fn what_a_panel_cannot_show_is_found() {
    let with = |kind: &str| {
        let mut panel = panel();
        panel["type"] = json!(kind);
        panel
    };
    let text = |name: &str, to: Type| {
        let mut answer = answered();
        answer.columns.iter_mut().find(|(n, _)| n == name).unwrap().1 = to;
        answer
    };
    assert!(found(panel(), text("Took", Type::Text)).contains("the unit s does not fit"));
    assert!(found(panel(), text("Run", Type::Raw)).contains("must be cast"));
    assert!(found(with("stat"), text("Took", Type::Text)).contains("needs a number"));
    assert!(found(with("timeseries"), answered()).contains("needs a series"));
    assert!(found(with("barchar"), answered()).contains("unknown to this test"));
    let series = Answer { is_series: true, ..answered() };
    assert!(found(with("timeseries"), series).contains("needs a column time"));
    let mut twice = answered();
    twice.columns.push(("Took".to_owned(), Type::Number));
    assert!(found(panel(), twice).contains("two columns are called"));
    let mut unknown = panel();
    unknown["transformations"][0]["id"] = json!("magic");
    assert!(found(unknown, answered()).contains("magic is unknown"));
    let mut status = with("stat");
    status["options"]["reduceOptions"] = json!({ "fields": "/^Staus$/" });
    assert!(found(status, answered()).contains("names \"Staus\""));
}

#[test]
fn options_and_annotations_are_checked_too() {
    let place = |kind| Place { board: String::new(), name: String::new(), kind, targets: vec![] };
    let columns = |names: &[(&str, Type)]| {
        names.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect::<Vec<_>>()
    };
    let rows = vec![json!({ "__text": "a" }), json!({ "__text": "a" })];
    let options = columns(&[("__text", Type::Text), ("__value", Type::Text)]);
    let twice = Answer { columns: options, rows: rows.clone(), is_series: false };
    let found = faults(&place(Kind::Variable), &[twice]);
    assert_eq!(found, ["1 options have the text of another"]);
    let alone = Answer { columns: columns(&[("__text", Type::Text)]), rows, is_series: false };
    assert_eq!(faults(&place(Kind::Variable), std::slice::from_ref(&alone)).len(), 1);
    assert_eq!(faults(&place(Kind::Annotation), &[alone]).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_the_reader_may_not_ask_or_that_names_nothing_is_found() {
    let (_, _ledger, mut reader) = world().await;
    for (sql, what) in [
        ("SELECT count(*) FROM payments", "permission denied"),
        ("SELECT nosuch FROM run_summary", "does not exist"),
        ("SELECT 1 FROM run_summary WHERE host = '$hots'", "no variable and no macro"),
        ("SELECT 1 WHERE $__timeFiltre(now())", "there is no macro"),
    ] {
        let target = Target { sql: sql.to_owned(), is_series: false };
        let error = answer(&mut reader, &target, &Values::new(), &range()).await.unwrap_err();
        assert!(error.contains(what), "{error}");
    }
}
