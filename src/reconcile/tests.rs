//! Properties of comparison and plan, on sides that are made up and joined here, naively.

use super::{Decision, LedgerRow, Pair, Planner, Policy, StatementRow, compare};
use crate::domain::discrepancy::{Kind, Reason};
use crate::domain::operation::{Action, State};
use crate::domain::record::{Owner, StatementRecord as _};
use crate::domain::{PaymentState, Stated, StatementPayment};
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashSet};

type Ledger = BTreeMap<String, LedgerRow<PaymentState>>;

const USERS: i64 = 3;

fn at(minute: i64) -> DateTime<Utc> {
    DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::minutes(minute)
}

fn owner(record: &StatementPayment) -> Owner {
    match &record.provider_customer_id {
        Stated::NotStated => Owner::NotStated,
        Stated::Nothing => Owner::Guest,
        Stated::Value(customer) => match customer.trim_start_matches("cus_").parse() {
            Ok(user) if user <= USERS => Owner::User(user),
            _ => Owner::Unknown,
        },
    }
}

fn pairs(ledger: &Ledger, statement: &[StatementPayment]) -> Vec<Pair<StatementPayment>> {
    let listed: BTreeSet<&String> = statement.iter().map(|s| &s.provider_payment_id).collect();
    let keys: BTreeSet<&String> = ledger.keys().chain(listed).collect();
    let pair = |key: &String| {
        let mut of_key = statement.iter().filter(|s| s.provider_payment_id == *key);
        let copies = i64::try_from(of_key.clone().count()).unwrap();
        let statement = of_key.next().cloned();
        let statement =
            statement.map(|record| StatementRow { owner: owner(&record), record, copies });
        Pair { ledger: ledger.get(key).cloned(), statement }
    };
    let is_looked_at = |pair: &Pair<StatementPayment>| {
        pair.statement.is_some() || pair.ledger.as_ref().is_some_and(|row| !row.state.removed)
    };
    keys.into_iter().map(pair).filter(is_looked_at).collect()
}

fn policy(max_deletes: Option<u64>) -> Policy {
    Policy {
        known_until: at(1_000),
        payments_proven: true,
        subscriptions_proven: true,
        max_deletes,
        refused: HashSet::new(),
    }
}

fn decide(ledger: &Ledger, statement: &[StatementPayment], policy: Policy) -> Vec<Decision> {
    let mut planner = Planner::new(policy);
    pairs(ledger, statement).into_iter().filter_map(compare).map(|d| planner.decide(d)).collect()
}

/// What the database does with a plan.
fn apply(ledger: &mut Ledger, decisions: &[Decision]) {
    for decision in decisions {
        let Decision::Perform(_, proposal) = decision else { continue };
        let Some(State::Payment(new)) = proposal.new.clone() else { unreachable!() };
        let next = i64::try_from(ledger.len()).unwrap() + 1;
        let row = ledger.entry(proposal.provider_id.clone());
        let row =
            row.or_insert_with(|| LedgerRow { id: next, updated_at: at(0), state: new.clone() });
        row.state = new;
    }
}

prop_compose! {
    fn payment()(
        id in 0_u8..12,
        customer in prop_oneof![
            Just(Stated::NotStated),
            Just(Stated::Nothing),
            (1_i64..=USERS + 1).prop_map(|n| Stated::Value(format!("cus_{n}"))),
        ],
        status in prop::sample::select(vec!["pending", "succeeded", "failed", "under_review"]),
        amount_minor in 1_i64..4,
        amount_refunded_minor in prop::option::of(0_i64..2),
        disputed in prop::option::of(any::<bool>()),
        code in prop_oneof![
            Just(Stated::NotStated), Just(Stated::Nothing), Just(Stated::Value("expired_card".to_owned())),
        ],
        minute in 0_i64..100,
    ) -> StatementPayment {
        StatementPayment {
            provider_payment_id: format!("ch_{id}"),
            provider_customer_id: customer,
            status: status.to_owned(),
            amount_minor,
            amount_captured_minor: None,
            amount_refunded_minor,
            disputed,
            currency: "USD".parse().unwrap(),
            failure_code: code,
            failure_message: None,
            payment_method_fingerprint: None,
            created_at: at(minute),
        }
    }
}

fn ledger() -> impl Strategy<Value = Ledger> {
    let row = (payment(), any::<bool>(), 0_i64..1_100);
    prop::collection::vec(row, 0..12).prop_map(|rows| {
        let mut ledger = Ledger::new();
        for (payment, removed, updated) in rows {
            let mut state = payment.desired(Owner::User(1), None);
            state.removed = removed;
            let id = i64::try_from(ledger.len()).unwrap() + 1;
            let row = LedgerRow { id, updated_at: at(updated), state };
            ledger.entry(payment.provider_payment_id).or_insert(row);
        }
        ledger
    })
}

fn statement() -> impl Strategy<Value = Vec<StatementPayment>> {
    prop::collection::vec(payment(), 0..14)
}

fn reason_of(decision: &Decision) -> Option<Reason> {
    match decision {
        Decision::Perform(..) => None,
        Decision::Leave(_, reason, _) => Some(*reason),
    }
}

proptest! {
    #[test]
    fn every_record_is_in_at_most_one_bucket(ledger in ledger(), statement in statement()) {
        let decisions = decide(&ledger, &statement, policy(None));
        let subjects: Vec<_> = decisions.iter().map(|decision| {
            let (Decision::Perform(_, p) | Decision::Leave(_, _, p)) = decision;
            p.provider_id.clone()
        }).collect();
        let distinct: BTreeSet<_> = subjects.iter().collect();
        prop_assert_eq!(distinct.len(), subjects.len());
    }

    #[test]
    fn the_order_of_the_statement_changes_nothing(
        ledger in ledger(),
        (statement, shuffled) in statement().prop_flat_map(|all| {
            // Copies of one id are ambiguous by nature, and left alone whichever comes first.
            let mut once = all;
            let mut seen = BTreeSet::new();
            once.retain(|payment| seen.insert(payment.provider_payment_id.clone()));
            (Just(once.clone()), Just(once).prop_shuffle())
        }),
    ) {
        let one = decide(&ledger, &statement, policy(Some(2)));
        prop_assert_eq!(one, decide(&ledger, &shuffled, policy(Some(2))));
    }

    #[test]
    fn an_applied_plan_brings_the_ledger_in_line_and_a_second_plan_is_empty(
        mut ledger in ledger(),
        statement in statement(),
    ) {
        let first = decide(&ledger, &statement, policy(None));
        apply(&mut ledger, &first);
        let second = decide(&ledger, &statement, policy(None));
        let planned = second.iter().filter(|decision| reason_of(decision).is_none()).count();
        prop_assert_eq!(planned, 0);
        let left: BTreeSet<_> = second.iter().map(|decision| {
            let (Decision::Perform(_, p) | Decision::Leave(_, _, p)) = decision;
            p.provider_id.clone()
        }).collect();
        for pair in pairs(&ledger, &statement) {
            let Some(row) = pair.statement else { continue };
            if left.contains(&row.record.provider_payment_id) {
                continue;
            }
            let state = &ledger[&row.record.provider_payment_id].state;
            prop_assert_eq!(state, &row.record.desired(row.owner, Some(state)));
        }
    }

    #[test]
    fn a_newer_row_is_never_touched(ledger in ledger(), statement in statement()) {
        for decision in decide(&ledger, &statement, policy(None)) {
            if let Decision::Perform(_, proposal) = decision
                && let Some(row) = ledger.get(&proposal.provider_id)
            {
                prop_assert!(row.updated_at <= at(1_000));
            }
        }
    }

    #[test]
    fn deletes_never_exceed_their_cap(
        ledger in ledger(),
        statement in statement(),
        cap in 0_u64..4,
    ) {
        let decisions = decide(&ledger, &statement, policy(Some(cap)));
        let deletes = decisions.iter().filter(|decision| {
            matches!(decision, Decision::Perform(Kind::OnlyInLedger, p) if p.action == Action::Delete)
        });
        prop_assert!(deletes.count() as u64 <= cap);
    }

    #[test]
    fn without_proof_nothing_is_deleted(ledger in ledger(), statement in statement()) {
        let unproven = Policy { payments_proven: false, ..policy(None) };
        for decision in decide(&ledger, &statement, unproven) {
            if let Decision::Perform(_, proposal) = decision {
                prop_assert_ne!(proposal.action, Action::Delete);
            }
        }
    }
}

#[test]
fn what_was_refused_is_left_until_either_side_changes() {
    let mut payment = a_payment("ch_1");
    let ledger = Ledger::new();
    let first = decide(&ledger, std::slice::from_ref(&payment), policy(None));
    let Decision::Perform(_, proposal) = &first[0] else { panic!("{first:?}") };
    let refused = HashSet::from([proposal.fingerprint()]);
    let again = || Policy { refused: refused.clone(), ..policy(None) };
    let second = decide(&ledger, std::slice::from_ref(&payment), again());
    assert_eq!(reason_of(&second[0]), Some(Reason::Failed));
    payment.amount_minor += 1;
    let third = decide(&ledger, &[payment], again());
    assert_eq!(reason_of(&third[0]), None);
}

fn a_payment(id: &str) -> StatementPayment {
    StatementPayment {
        provider_payment_id: id.to_owned(),
        provider_customer_id: Stated::Nothing,
        status: "succeeded".to_owned(),
        amount_minor: 1,
        amount_captured_minor: None,
        amount_refunded_minor: None,
        disputed: None,
        currency: "USD".parse().unwrap(),
        failure_code: Stated::NotStated,
        failure_message: None,
        payment_method_fingerprint: None,
        created_at: at(0),
    }
}
