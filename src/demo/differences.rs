//! Makes ledger and statement differ in every way the tool knows, and counts what it does.
//!
//! Both sides start as equal pairs. Each difference takes pairs that nothing has touched yet,
//! so a record shows one discrepancy; the table of them is [`payments`] and [`subscriptions`].

use super::company::{Company, PaymentRow, SubscriptionRow};
use super::pairs::{Listed, Pair, Pairs};
use super::people::{self, Person};
use super::{Events, Expectation, Times, declines, random};
use crate::domain::{Field, Kind, Reason};
use chrono::Duration;
use rand_chacha::ChaCha20Rng;
use std::collections::HashSet;

/// What the provider lists; customers only where the ledger does not know who they are.
#[derive(Debug, Clone)]
pub struct Listing {
    pub charges: Vec<Listed<PaymentRow>>,
    pub subscriptions: Vec<Listed<SubscriptionRow>>,
    /// The provider's id, the user's id, and when the customer was made.
    pub customers: Vec<(String, i64, chrono::DateTime<chrono::Utc>)>,
}

const STATUS: Kind = Kind::Differs(Field::Status);

/// Both sides of the company, and what differs between them.
pub(super) fn spread(
    rng: &mut ChaCha20Rng,
    times: Times,
    events: Events,
) -> (Company, Listing, Expectation) {
    let Events { people, subscriptions: subscription_rows, ordinary, planting } = events;
    let planted: HashSet<String> =
        planting.payments.iter().map(|row| row.provider_payment_id.clone()).collect();
    let mut rows = ordinary;
    rows.extend(planting.payments);
    rows.sort_by_key(|row| row.created_at);
    let mut expected = Expectation::default();
    let customer_of = |user_id: Option<i64>| {
        user_id.map(|id| people[usize::try_from(id - 1).expect("an id from 1")].customer.clone())
    };

    let customer = |row: &PaymentRow| customer_of(row.user_id);
    let stays_equal = |row: &PaymentRow| planted.contains(&row.provider_payment_id);
    let mut pairs = Pairs::equal(rng, &mut expected, rows, customer, stays_equal);
    payments(&mut pairs, times, &people);
    let (mut ledger_payments, charges) = pairs.sides();
    (1..).zip(&mut ledger_payments).for_each(|(id, row)| row.id = id);

    let customer = |row: &SubscriptionRow| customer_of(row.user_id);
    let mut pairs = Pairs::equal(rng, &mut expected, subscription_rows, customer, |_| false);
    subscriptions(&mut pairs, times);
    let (mut ledger_subscriptions, listed) = pairs.sides();
    ledger_subscriptions.sort_by_key(|row| row.created_at);
    (1..).zip(&mut ledger_subscriptions).for_each(|(id, row)| row.id = id);

    let company = Company {
        users: people.iter().map(|person| person.user.clone()).collect(),
        payments: ledger_payments,
        subscriptions: ledger_subscriptions,
    };
    let customers = people
        .iter()
        .filter(|person| person.user.provider_customer_id.is_none())
        .map(|person| (person.customer.clone(), person.user.id, person.user.created_at))
        .collect();
    (company, Listing { charges, subscriptions: listed, customers }, expected)
}

fn payments(pairs: &mut Pairs<PaymentRow>, times: Times, people: &[Person]) {
    payments_on_one_side(pairs, times);
    payments_with_another_status(pairs);
    payments_with_other_values(pairs, times, people);
    payments_that_need_a_person(pairs);
}

fn payments_on_one_side(pairs: &mut Pairs<PaymentRow>, times: Times) {
    // Calls of the provider to the company's web hook got lost in the last days.
    let recent = |p: &PaymentRow| p.created_at > times.now - Duration::days(6);
    let old = |p: &PaymentRow| p.created_at < times.now - Duration::days(12);
    let of_a_user = |p: &PaymentRow| p.user_id.is_some() && recent(p);
    let of_a_guest = |p: &PaymentRow| p.user_id.is_none() && recent(p);
    let not_in_ledger = |pair: &mut Pair<PaymentRow>, _: &mut _| pair.ledger = None;
    pairs.differ(33, Kind::OnlyInStatement, None, of_a_user, not_in_ledger);
    pairs.differ(3, Kind::OnlyInStatement, None, of_a_guest, not_in_ledger);
    // The one that the database refuses: `REFUSED_BY`.
    let succeeded = |p: &PaymentRow| p.is_plain_success() && of_a_user(p);
    pairs.differ(1, Kind::OnlyInStatement, None, succeeded, |pair, _| {
        pair.ledger = None;
        pair.stated().amount_minor = 0;
        pair.stated().amount_captured_minor = 0;
    });
    pairs.expected.refused += 1;

    let withheld = Some(Reason::MaxDeletes);
    pairs.differ(4, Kind::OnlyInLedger, withheld, old, |pair, _| pair.listed.clear());
    let remove = |pair: &mut Pair<PaymentRow>| {
        let removed_at = times.no_later_than_quiet(pair.kept().created_at + Duration::days(4));
        pair.kept().removed_at = Some(removed_at);
        pair.kept().updated_at = removed_at;
    };
    pairs.differ(3, Kind::ListedAgain, None, old, |pair, _| remove(pair));
    // Removed, and not listed any more: the sides agree.
    pairs.change(4, old, |pair, _| {
        remove(pair);
        pair.listed.clear();
    });
}

fn payments_with_another_status(pairs: &mut Pairs<PaymentRow>) {
    let failed = |p: &PaymentRow| p.status == "failed";
    pairs.differ(14, STATUS, None, PaymentRow::is_plain_success, |p, _| p.kept().make_pending());
    pairs.differ(6, STATUS, None, failed, |p, _| p.kept().make_pending());
    let approval = Some(Reason::NeedsApproval);
    pairs.differ(2, STATUS, approval, PaymentRow::is_plain_success, |pair, _| {
        pair.stated().make_failed(declines::returned());
    });
    let never = Some(Reason::NeverMade);
    pairs.differ(1, STATUS, never, PaymentRow::is_plain_success, |pair, _| {
        pair.stated().make_pending();
    });
}

fn payments_with_other_values(pairs: &mut Pairs<PaymentRow>, times: Times, people: &[Person]) {
    let success = PaymentRow::is_plain_success;
    let of_a_user = |p: &PaymentRow| success(p) && p.user_id.is_some();
    let of_a_guest = |p: &PaymentRow| success(p) && p.user_id.is_none();
    let in_dollars = |p: &PaymentRow| success(p) && p.currency.as_str() == "USD";
    let failed = |p: &PaymentRow| p.status == "failed";

    pairs.differ(3, Kind::Differs(Field::Amount), None, success, |pair, _| {
        let doubled = pair.kept().amount_minor * 2;
        pair.kept().amount_minor = doubled;
        pair.kept().amount_captured_minor = doubled;
    });
    pairs.differ(2, Kind::Differs(Field::Currency), None, in_dollars, |pair, _| {
        pair.kept().currency = "EUR".parse().expect("a currency's code");
    });
    pairs.differ(2, Kind::Differs(Field::Owner), None, of_a_user, |pair, _| {
        let owner = pair.kept().user_id.expect("a user's payment");
        pair.kept().user_id = Some(another_owner(people, owner));
    });
    pairs.differ(1, Kind::Differs(Field::Owner), None, of_a_guest, |pair, _| {
        let ordinary = people.iter().find(|person| person.planted.is_none());
        pair.listed[0].customer = ordinary.map(|person| person.customer.clone());
    });
    pairs.differ(4, Kind::Differs(Field::AmountCaptured), None, success, |pair, _| {
        let part = pair.stated().amount_minor * 3 / 4;
        pair.stated().amount_captured_minor = part;
    });
    pairs.differ(10, Kind::Differs(Field::AmountRefunded), None, success, |pair, _| {
        pair.stated().amount_refunded_minor = pair.kept().amount_minor;
    });
    pairs.differ(3, Kind::Differs(Field::Disputed), None, success, |pair, _| {
        pair.stated().disputed = true;
    });
    pairs.differ(5, Kind::Differs(Field::FailureCode), None, failed, |pair, rng| {
        let other = declines::another(rng, pair.stated().failure_code.as_deref());
        pair.kept().make_failed(other);
    });
    // Refunded by the company after the statement was taken.
    let newer = Some(Reason::NewerInLedger);
    pairs.differ(1, Kind::Differs(Field::AmountRefunded), newer, success, |pair, _| {
        pair.kept().amount_refunded_minor = pair.stated().amount_minor;
        pair.kept().updated_at = times.now - Duration::minutes(3);
    });
}

/// The nearest by id who does nothing unusual, and is to have no payment that would be.
fn another_owner(people: &[Person], owner: i64) -> i64 {
    let ordinary = people.iter().filter(|person| person.planted.is_none());
    let others = ordinary.map(|person| person.user.id).filter(|id| *id != owner);
    others.min_by_key(|id| (id - owner).abs()).expect("more than one customer")
}

fn payments_that_need_a_person(pairs: &mut Pairs<PaymentRow>) {
    let success = PaymentRow::is_plain_success;
    let duplicate = Some(Reason::Duplicate);
    pairs.differ(2, Kind::DuplicateInStatement, duplicate, success, |pair, _| {
        let mut again = pair.listed[0].clone();
        again.row.amount_refunded_minor = again.row.amount_minor;
        pair.listed.push(again);
    });
    let unknown = Some(Reason::UnknownCustomer);
    let of_a_user = |p: &PaymentRow| success(p) && p.user_id.is_some();
    pairs.differ(3, Kind::UnknownCustomer, unknown, of_a_user, |pair, rng| {
        pair.ledger = None;
        pair.listed[0].customer = Some(random::id(rng, "cus_", 14));
    });
}

fn subscriptions(pairs: &mut Pairs<SubscriptionRow>, times: Times) {
    let active = |s: &SubscriptionRow| s.status == "active";
    let past_due = |s: &SubscriptionRow| s.status == "past_due";
    subscriptions_on_one_side(pairs, times);

    pairs.differ(3, STATUS, None, active, |p, _| "past_due".clone_into(&mut p.stated().status));
    pairs.differ(2, STATUS, None, past_due, |p, _| "active".clone_into(&mut p.stated().status));
    pairs.differ(2, STATUS, None, active, |p, _| "canceled".clone_into(&mut p.stated().status));
    pairs.differ(4, Kind::Differs(Field::Plan), None, active, |pair, rng| {
        let plan = people::another_plan(rng, &pair.kept().plan);
        plan.clone_into(&mut pair.stated().plan);
    });
    pairs.differ(6, Kind::Differs(Field::CurrentPeriodEnd), None, active, |pair, _| {
        let renewed = pair.kept().current_period_end.map(|end| end + Duration::days(30));
        pair.stated().current_period_end = renewed;
    });
}

fn subscriptions_on_one_side(pairs: &mut Pairs<SubscriptionRow>, times: Times) {
    let active = |s: &SubscriptionRow| s.status == "active";
    let old = |s: &SubscriptionRow| active(s) && s.created_at < times.now - Duration::days(60);
    pairs.differ(4, Kind::OnlyInStatement, None, active, |pair, _| pair.ledger = None);
    let withheld = Some(Reason::MaxDeletes);
    pairs.differ(1, Kind::OnlyInLedger, withheld, active, |pair, _| pair.listed.clear());
    pairs.differ(1, Kind::ListedAgain, None, old, |pair, _| {
        let removed_at = pair.kept().created_at + Duration::days(40);
        pair.kept().removed_at = Some(removed_at);
        pair.kept().updated_at = removed_at;
    });
    // The provider made it anew: the same customer and plan, another id.
    pairs.differ(2, Kind::Differs(Field::ProviderId), None, old, |pair, rng| {
        pair.stated().provider_subscription_id = random::id(rng, "sub_1", 23);
    });
    let unknown = Some(Reason::UnknownCustomer);
    pairs.differ(1, Kind::UnknownCustomer, unknown, active, |pair, rng| {
        pair.ledger = None;
        pair.listed[0].customer = Some(random::id(rng, "cus_", 14));
    });
}
