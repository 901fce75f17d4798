//! What was planted has the features that its pattern's name promises, and nothing else has.

use super::super::planted::Planting;
use super::super::*;
use super::comparison::objects;
use super::{all_different, any_time, now};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// What happened until now, before the sides were made to differ.
struct World {
    now: DateTime<Utc>,
    events: Events,
}

impl World {
    fn new(seed: u64, now: DateTime<Utc>) -> Self {
        let times = Times::at(now);
        Self { now: times.now, events: events(&mut ChaCha20Rng::seed_from_u64(seed), times) }
    }

    fn planted(&self, pattern: &str) -> Planted {
        let Planting { planted, .. } = &self.events.planting;
        *planted.iter().find(|planted| planted.pattern == pattern).unwrap()
    }

    fn ago(&self, days: i64) -> DateTime<Utc> {
        self.now - Duration::days(days)
    }

    /// The payments that show the pattern; not the past of the user who was made for it.
    fn shows(&self, pattern: &str) -> Vec<&PaymentRow> {
        let planted = self.planted(pattern);
        let users = self.users_made();
        let payments = self.events.planting.payments.iter();
        let lately = payments.filter(|p| p.created_at > self.ago(7));
        let found: Vec<_> = match planted.user_id {
            Some(user) => lately.filter(|p| p.user_id == Some(user)).collect(),
            None => lately
                .filter(|p| p.user_id.is_none_or(|id| !users.contains(&id)))
                .filter(|p| (planted.from..=planted.to).contains(&p.created_at))
                .collect(),
        };
        assert!(found.is_sorted_by_key(|p| p.created_at), "{pattern}");
        assert_eq!(found[0].created_at, planted.from, "{pattern}");
        assert_eq!(found[found.len() - 1].created_at, planted.to, "{pattern}");
        found
    }

    fn users_made(&self) -> HashSet<i64> {
        self.events.planting.planted.iter().filter_map(|planted| planted.user_id).collect()
    }

    /// When the user of a pattern joined, and the user's payments more than a week ago.
    fn before(&self, pattern: &str) -> (DateTime<Utc>, Vec<&PaymentRow>) {
        let user = self.planted(pattern).user_id.unwrap();
        let person = self.events.people.iter().find(|person| person.user.id == user).unwrap();
        let payments = self.events.planting.payments.iter();
        let past = payments.filter(|p| p.user_id == Some(user) && p.created_at <= self.ago(7));
        (person.user.created_at, past.collect())
    }
}

fn failures(payments: &[&PaymentRow]) -> usize {
    payments.iter().filter(|p| p.status == "failed").count()
}

fn cards(payments: &[&PaymentRow]) -> usize {
    payments.iter().map(|p| &p.payment_method_fingerprint).collect::<HashSet<_>>().len()
}

fn took(payments: &[&PaymentRow]) -> Duration {
    payments[payments.len() - 1].created_at - payments[0].created_at
}

/// How many lie within any span of this length at most.
fn at_once(payments: &[&PaymentRow], span: Duration) -> usize {
    let within = |first: &PaymentRow| {
        let end = first.created_at + span;
        payments.iter().filter(|p| (first.created_at..end).contains(&p.created_at)).count()
    };
    payments.iter().map(|first| within(first)).max().unwrap_or(0)
}

fn ordinary_amounts(payments: &[&PaymentRow]) -> bool {
    payments
        .iter()
        .all(|p| p.currency.as_str() == "USD" && (2_000..18_000).contains(&p.amount_minor))
}

fn long_standing(world: &World, pattern: &str) -> bool {
    let (joined, past) = world.before(pattern);
    joined < world.ago(60) && past.len() >= 5 && failures(&past) <= 1
}

fn everything_is_over_and_within_a_week(world: &World) {
    let Planting { planted, payments } = &world.events.planting;
    assert!(planted.iter().map(|planted| planted.pattern).eq(PATTERNS));
    assert!(planted.iter().all(|planted| planted.from < planted.to));
    for one in planted.iter().filter(|planted| planted.user_id.is_some()) {
        assert!(one.from > world.ago(6) && one.to < world.ago(1), "{one:?}");
    }
    let times = Times::at(world.now);
    for payment in payments {
        assert!(payment.created_at < times.quiet_since());
        assert!(payment.created_at >= times.first_payment());
        assert!(!(world.ago(8)..world.ago(7)).contains(&payment.created_at));
    }
}

fn users_who_fail(world: &World) {
    let many = world.shows("many_failures");
    assert!((9..=14).contains(&many.len()) && failures(&many) == many.len());
    assert!(took(&many) < Duration::hours(1));
    assert!((1..=2).contains(&cards(&many)));
    assert!(ordinary_amounts(&many) && long_standing(world, "many_failures"));

    let first_day = world.shows("failures_after_signup");
    let (joined, past) = world.before("failures_after_signup");
    assert!((6..=10).contains(&first_day.len()) && failures(&first_day) == first_day.len());
    assert!(first_day[0].created_at > joined && past.is_empty());
    assert!(first_day[first_day.len() - 1].created_at < joined + Duration::days(1));
    assert!(took(&first_day) > Duration::hours(12));
    assert!(at_once(&first_day, Duration::hours(1)) <= 3 && ordinary_amounts(&first_day));

    let unlike = world.shows("unlike_own_past");
    let (joined, past) = world.before("unlike_own_past");
    assert!(unlike.len() == 12 && (9..=11).contains(&failures(&unlike)));
    assert!(at_once(&unlike, Duration::hours(1)) <= 2 && ordinary_amounts(&unlike));
    assert!(at_once(&unlike, Duration::days(1)) <= 4);
    assert!(past.len() - failures(&past) >= 25 && failures(&past) <= 1);
    assert!(past.iter().all(|p| (world.ago(56)..world.ago(8)).contains(&p.created_at)));
    assert!(joined < past[0].created_at && at_once(&past, Duration::days(7)) <= 7);
}

fn users_with_many_cards(world: &World) {
    let many = world.shows("many_payment_methods");
    assert!((8..=12).contains(&cards(&many)) && cards(&many) == many.len());
    assert!(took(&many) < Duration::hours(6) && failures(&many) <= 3);
    assert!(ordinary_amounts(&many) && long_standing(world, "many_payment_methods"));

    let small = world.shows("small_amounts");
    let (joined, past) = world.before("small_amounts");
    assert!((58..74).contains(&small.len()) && cards(&small) == small.len());
    assert!((1..=2).contains(&(small.len() - failures(&small))) && past.is_empty());
    assert!(took(&small) < Duration::hours(2) && joined < small[0].created_at);
    assert!(small.iter().all(|p| p.currency.as_str() == "USD" && p.amount_minor < 200));

    let after = world.shows("success_after_failures");
    let (success, failed) = after.split_last().unwrap();
    assert!((6..=9).contains(&failed.len()) && failures(failed) == failed.len());
    assert!(took(failed) < Duration::hours(1) && cards(&after) == after.len());
    assert!(success.status == "succeeded" && success.amount_minor >= 40_000);
    assert!(success.created_at - failed[failed.len() - 1].created_at < Duration::minutes(10));
    assert!(success.currency.as_str() == "USD" && long_standing(world, "success_after_failures"));
}

fn codes(payments: &[&PaymentRow]) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for code in payments.iter().filter_map(|p| p.failure_code.clone()) {
        *counts.entry(code).or_default() += 1;
    }
    counts
}

fn totals(world: &World) {
    let rate = world.shows("failure_rate");
    let hour = |p: &PaymentRow| p.created_at.timestamp() / 3_600;
    assert!((40..=60).contains(&rate.len()));
    assert!((58..=62).contains(&(failures(&rate) * 100 / rate.len())));
    assert!(rate.iter().all(|p| hour(p) == hour(rate[0])));
    assert!((9..=18).contains(&(hour(rate[0]) % 24)));
    assert!(codes(&rate).len() >= 4);
    assert!(codes(&rate).values().max().unwrap() * 10 < failures(&rate) * 9);

    let dominant = world.shows("dominant_failure_code");
    let code = world.planted("dominant_failure_code").failure_code.unwrap();
    assert_eq!(code, "processing_error");
    assert!((25..=35).contains(&failures(&dominant)));
    assert_eq!(dominant.len(), failures(&dominant) * 2);
    assert!(codes(&dominant)[code] + 2 >= failures(&dominant));
    assert!(took(&dominant) < Duration::hours(3));
    assert_ne!(dominant[0].created_at.date_naive(), rate[0].created_at.date_naive());
}

/// Of what was planted they have one payment each, which is their only failure of the week.
fn ordinary_customers_stay_ordinary(world: &World) {
    let Events { ordinary, planting, .. } = &world.events;
    let made = world.users_made();
    assert!(ordinary.iter().filter_map(|p| p.user_id).all(|id| !made.contains(&id)));
    let extra: Vec<_> = ["failure_rate", "dominant_failure_code"]
        .iter()
        .flat_map(|pattern| world.shows(pattern))
        .collect();
    let of_others = |p: &&PaymentRow| p.user_id.is_none_or(|id| !made.contains(&id));
    assert_eq!(planting.payments.iter().filter(of_others).count(), extra.len());
    let users: HashSet<i64> = extra.iter().filter_map(|p| p.user_id).collect();
    assert!(all_different(extra.iter().filter_map(|p| p.user_id)));
    assert!(all_different(extra.iter().map(|p| &p.payment_method_fingerprint)));
    assert!(users.len() * 2 > extra.len() && users.len() < extra.len(), "and guests");
    let lately = ordinary.iter().filter(|p| p.created_at > world.ago(7));
    let mut failed = lately.filter(|p| p.status == "failed").filter_map(|p| p.user_id);
    assert!(failed.all(|id| !users.contains(&id)));
}

/// The ledger's row and the statement's only record of it are as they were planted.
fn planted_payments_are_equal_on_both_sides(demo: &Demo, events: &Events) {
    let rows: HashMap<_, _> =
        demo.company.payments.iter().map(|p| (p.provider_payment_id.as_str(), p)).collect();
    let charges = objects(&demo.statement, "charge");
    let mut listed: HashMap<_, Vec<&Value>> = HashMap::new();
    for charge in &charges {
        listed.entry(charge["id"].as_str().unwrap()).or_default().push(charge);
    }
    for planted in &events.planting.payments {
        let id = planted.provider_payment_id.as_str();
        let row = rows[id];
        assert_eq!(*row, PaymentRow { id: row.id, ..planted.clone() });
        let [charge] = listed[id][..] else { panic!("{id} is listed once") };
        let position = planted.user_id.map(|id| usize::try_from(id - 1).unwrap());
        let customer = position.map(|at| events.people[at].customer.as_str());
        assert_eq!(charge["customer"].as_str(), customer);
        assert_eq!(charge["status"], planted.status);
        assert_eq!(charge["amount"], planted.amount_minor);
        assert_eq!(charge["amount_captured"], planted.amount_captured_minor);
        assert_eq!(charge["amount_refunded"], 0);
        assert_eq!(charge["disputed"], false);
        assert_eq!(charge["created"], planted.created_at.timestamp());
        let reason = charge["outcome"]["reason"].as_str();
        assert_eq!(reason, planted.failure_code.as_deref());
    }
    let made: HashSet<i64> = demo.planted.iter().filter_map(|planted| planted.user_id).collect();
    let of_made = |p: &&PaymentRow| p.user_id.is_some_and(|id| made.contains(&id));
    let kept = demo.company.payments.iter().filter(of_made).count();
    assert_eq!(kept, events.planting.payments.iter().filter(of_made).count());
}

fn all_is_as_promised(world: &World) {
    everything_is_over_and_within_a_week(world);
    users_who_fail(world);
    users_with_many_cards(world);
    totals(world);
    ordinary_customers_stay_ordinary(world);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_pattern_has_its_features_and_ordinary_customers_have_none_of_them(
        seed in any::<u64>(), now in any_time(),
    ) {
        all_is_as_promised(&World::new(seed, now));
    }
}

#[test]
fn no_difference_touches_what_was_planted() {
    for seed in 1..=3 {
        let demo = generate(seed, now());
        planted_payments_are_equal_on_both_sides(&demo, &World::new(seed, now()).events);
    }
}

#[test]
fn the_first_and_the_last_second_of_a_day_are_times_like_others() {
    for time in ["00:00:00", "23:59:59"] {
        let now = format!("2026-03-04T{time}Z").parse().unwrap();
        all_is_as_promised(&World::new(5, now));
    }
}

#[test]
fn nobody_else_fails_nearly_as_often_as_who_tests_cards() {
    let demo = generate(1, now());
    let failures = |user: i64| {
        let of_user = demo.company.payments.iter().filter(|p| p.user_id == Some(user));
        of_user.filter(|p| p.status == "failed").count()
    };
    let tester = demo.planted.iter().find(|planted| planted.pattern == "small_amounts").unwrap();
    let tester = tester.user_id.unwrap();
    let others = demo.company.users.iter().map(|user| user.id).filter(|id| *id != tester);
    assert!(others.map(failures).max().unwrap() * 2 < failures(tester));
}
