//! A run in Tempo: a span for each result in SQL, in one tree, found by user, outcome and run.

use crate::asking::{Span, equal, until};
use crate::company::{Run, USERS};
use crate::servers::JOB_HOST;
use crate::stack::Stack;
use std::collections::BTreeSet;

const CHARGES: i64 = 3000;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the stack: stack/test"]
async fn a_run_is_a_tree_in_tempo_with_a_span_for_every_result_in_sql() {
    let mut stack = Stack::start().await;
    let run = stack.run("a", CHARGES).await;
    run.assert_delivered();
    assert_eq!(run.document["operations"]["applied"], CHARGES - 1);
    assert_eq!(run.document["operations"]["failed"], 1);

    let spans = all_spans(&stack, &run).await;
    assert_is_a_tree(&spans);
    let operations: Vec<&Span> =
        spans.iter().filter(|s| s.attribute("payment_monitor.operation.id").is_some()).collect();
    let ids: BTreeSet<String> = operations.iter().map(|s| s.id("spanId")).collect();
    assert_eq!(ids.len(), operations.len(), "no span twice");
    let recorded = "SELECT string_agg(right(replace(id::text, '-', ''), 16), ' ' ORDER BY
        right(replace(id::text, '-', ''), 16)) FROM payment_monitor_results";
    let ids: Vec<String> = ids.into_iter().collect();
    assert_eq!(ids.join(" "), stack.company.text(recorded).await);
    for span in &spans {
        assert_eq!(span.resource_attribute("host.name").as_deref(), Some(JOB_HOST));
        assert_eq!(span.resource_attribute("payment_monitor.host.role").as_deref(), Some("job"));
        assert_eq!(span.resource_attribute("service.name").as_deref(), Some("payment-monitor"));
    }
    assert_is_found(&mut stack, &run).await;
}

/// Root, phases below it, operations below `perform`.
fn assert_is_a_tree(spans: &[Span]) {
    let root: Vec<&Span> = spans.iter().filter(|s| s.id("parentSpanId").is_empty()).collect();
    let [root] = root[..] else { panic!("{} roots", root.len()) };
    assert_eq!(root.name(), "payment_monitor.run");
    let below = |parent: &Span| {
        let parent = parent.id("spanId");
        spans.iter().filter(move |span| span.id("parentSpanId") == parent).collect::<Vec<_>>()
    };
    let phases = below(root);
    let names: BTreeSet<&str> = phases.iter().map(|span| span.name()).collect();
    for phase in ["fetch", "compare", "plan", "guard", "perform", "assess", "finish"] {
        assert!(names.contains(phase), "no {phase} in {names:?}");
    }
    let perform = phases.iter().find(|span| span.name() == "perform").unwrap();
    let operations = below(perform);
    assert_eq!(operations.len(), usize::try_from(CHARGES).unwrap());
    assert_eq!(spans.len(), 1 + phases.len() + operations.len(), "a span outside of the tree");
}

/// What a person would search for, and how many SQL knows of.
async fn assert_is_found(stack: &mut Stack, run: &Run) {
    let id = run.id();
    let results = "SELECT count(*) FROM payment_monitor_results WHERE";
    let mut searches = vec![
        (format!("{{ span.payment_monitor.run.id = \"{id}\" }}"), run.spans_made()),
        (
            "{ span.payment_monitor.operation.outcome = \"failed\" }".to_owned(),
            stack.company.number(&format!("{results} outcome = 'failed'")).await,
        ),
        (
            "{ span.payment_monitor.operation.outcome = \"applied\" }".to_owned(),
            stack.company.number(&format!("{results} outcome = 'applied'")).await,
        ),
        ("{ span.db.response.status_code = \"23514\" && status = error }".to_owned(), 1),
        ("{ name = \"payment_monitor.run\" } >> { name = \"INSERT payments\" }".to_owned(), 3000),
    ];
    for user in [1, USERS] {
        let count = stack.company.number(&format!("{results} user_id = {user}")).await;
        assert!(count > 0);
        searches.push((format!("{{ span.payment_monitor.user.id = \"{user}\" }}"), count));
    }
    for (search, expected) in searches {
        until(&search, async || equal(&stack.tempo.matches(&search).await?, &expected)).await;
    }
}

/// The trace, once it has all spans that the job says it made. A delivery is at least once (ADR
/// 0011): what an outage left without an answer was sent again, and Tempo may have it twice.
pub async fn all_spans(stack: &Stack, run: &Run) -> Vec<Span> {
    until("every span of the run", async || {
        let spans = stack.tempo.spans(run.trace()).await?;
        let ids: BTreeSet<String> = spans.iter().map(|span| span.id("spanId")).collect();
        equal(&(ids.len() as u64), &run.spans_made()).map(|()| spans)
    })
    .await
}
