//! The company's customers: who signed up when, how they pay, and what they subscribe to.

use super::company::{SubscriptionRow, UserRow};
use super::{Times, random};
use crate::domain::Currency;
use chrono::{DateTime, Duration, Utc};
use rand::Rng;
use rand_chacha::ChaCha20Rng;

const USERS: usize = 340;
/// Users whose provider's id the ledger does not have; the statement's customers tell.
const UNLINKED: usize = 6;

/// Currencies by how many customers pay in them, and what one US dollar is worth in minor units.
const CURRENCIES: [(&str, u32, i64); 8] = [
    ("USD", 42, 100),
    ("EUR", 26, 92),
    ("GBP", 11, 79),
    ("JPY", 9, 150),
    ("CHF", 4, 88),
    ("CAD", 3, 136),
    ("KWD", 3, 310),
    ("BRL", 2, 540),
];

/// Plans by how many subscribe to them, and their price in US dollars.
const PLANS: [(&str, u32, i64); 5] = [
    ("starter_monthly", 46, 9),
    ("team_monthly", 28, 29),
    ("business_monthly", 10, 99),
    ("starter_yearly", 10, 90),
    ("team_yearly", 6, 290),
];

const STATUSES: [(&str, u32); 5] =
    [("active", 82), ("trialing", 6), ("past_due", 6), ("unpaid", 1), ("canceled", 5)];

/// A customer, with what the ledger does not record of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub user: UserRow,
    /// The provider's id of this person, whether or not the ledger knows it.
    pub customer: String,
    pub currency: Money,
    pub cards: Vec<String>,
    /// How often this person buys, compared with others.
    pub activity: u32,
    /// How many of a hundred payments fail.
    pub failures_percent: u32,
    /// The suspicious pattern this person was made for; none of an ordinary customer.
    pub planted: Option<&'static str>,
}

/// A currency with what a dollar is worth in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Money {
    pub code: Currency,
    minor_per_dollar: i64,
}

impl Money {
    pub fn draw(rng: &mut ChaCha20Rng) -> Self {
        let (code, _, minor_per_dollar) = *random::weighted(rng, &CURRENCIES, |c| c.1);
        Self::of(code, minor_per_dollar)
    }

    pub fn dollars() -> Self {
        Self::of("USD", 100)
    }

    /// One of those that the company's customers pay in.
    pub fn of_code(code: &str) -> Option<Self> {
        let known = CURRENCIES.iter().find(|currency| currency.0 == code);
        known.map(|(code, _, minor_per_dollar)| Self::of(code, *minor_per_dollar))
    }

    fn of(code: &str, minor_per_dollar: i64) -> Self {
        Self { code: code.parse().expect("a currency's code"), minor_per_dollar }
    }

    /// What this many US cents cost. Three-decimal currencies are charged in tens: Stripe.
    pub fn price(self, cents: i64) -> i64 {
        let minor = (cents * self.minor_per_dollar / 100).max(1);
        if self.code.exponent() == 3 { (minor / 10).max(1) * 10 } else { minor }
    }
}

/// The customers in order of sign-up, with their ids.
pub(super) fn sign_up(rng: &mut ChaCha20Rng, times: Times) -> Vec<Person> {
    let mut joined: Vec<_> = (0..USERS)
        .map(|_| times.now - Duration::minutes(rng.random_range(2 * 24 * 60..365 * 24 * 60)))
        .collect();
    joined.sort_unstable();
    let mut people: Vec<Person> = joined.into_iter().map(|at| person(rng, at)).collect();
    for _ in 0..UNLINKED {
        // Only customers of the first half: they have payments for the statement to explain.
        let at = rng.random_range(0..USERS / 2);
        people[at].user.provider_customer_id = None;
    }
    number(&mut people);
    people
}

/// Gives ids and addresses by order of sign-up.
pub(super) fn number(people: &mut [Person]) {
    for (id, person) in (1..).zip(people) {
        person.user.id = id;
        person.user.email = address(id);
    }
}

pub(super) fn address(user_id: i64) -> String {
    format!("user{user_id}@example.com")
}

pub(super) fn person(rng: &mut ChaCha20Rng, created_at: DateTime<Utc>) -> Person {
    let customer = random::id(rng, "cus_", 14);
    let cards = rng.random_range(1..=2);
    // Most cards work; a few customers have one that often does not.
    let unlucky = random::chance(rng, 7);
    let failures_percent = if unlucky { rng.random_range(18..35) } else { rng.random_range(2..8) };
    Person {
        user: UserRow {
            id: 0,
            provider_customer_id: Some(customer.clone()),
            email: String::new(),
            created_at,
        },
        customer,
        currency: Money::draw(rng),
        cards: (0..cards).map(|_| random::fingerprint(rng)).collect(),
        activity: rng.random_range(1..=4) * rng.random_range(1..=3),
        failures_percent,
        planted: None,
    }
}

/// A plan's price in US cents.
pub(super) fn plan_cents(rng: &mut ChaCha20Rng) -> i64 {
    random::weighted(rng, &PLANS, |plan| plan.1).2 * 100
}

/// The price of this plan in US cents.
pub(super) fn cents_of(plan: &str) -> i64 {
    PLANS.iter().find(|known| known.0 == plan).map_or(900, |known| known.2 * 100)
}

/// How long a plan is paid for.
pub(super) fn period(plan: &str) -> Duration {
    Duration::days(if plan.ends_with("_yearly") { 365 } else { 30 })
}

/// A plan other than the one given.
pub(super) fn another_plan(rng: &mut ChaCha20Rng, plan: &str) -> &'static str {
    loop {
        let drawn = random::weighted(rng, &PLANS, |plan| plan.1).0;
        if drawn != plan {
            return drawn;
        }
    }
}

/// A subscription that begins now.
pub(super) fn new_subscription(
    rng: &mut ChaCha20Rng,
    person: &Person,
    now: DateTime<Utc>,
) -> SubscriptionRow {
    let plan = random::weighted(rng, &PLANS, |plan| plan.1).0;
    SubscriptionRow {
        id: 0,
        user_id: Some(person.user.id),
        provider_subscription_id: random::id(rng, "sub_1", 23),
        plan: plan.to_owned(),
        status: "active".to_owned(),
        current_period_end: Some(now + period(plan)),
        created_at: now,
        updated_at: now,
        removed_at: None,
    }
}

/// One subscription for most customers; some had another, of a different plan, before.
/// Nobody has two of the same plan, so a replaced id can be recognised.
pub(super) fn subscribe(
    rng: &mut ChaCha20Rng,
    times: Times,
    people: &[Person],
) -> Vec<SubscriptionRow> {
    let mut rows = Vec::new();
    for person in people {
        if !random::chance(rng, 78) {
            continue;
        }
        let plan = random::weighted(rng, &PLANS, |plan| plan.1).0;
        let status = random::weighted(rng, &STATUSES, |status| status.1).0;
        rows.push(subscription(rng, times, person, plan, status));
        if random::chance(rng, 12) {
            let before = another_plan(rng, plan);
            rows.push(subscription(rng, times, person, before, "canceled"));
        }
    }
    rows
}

fn subscription(
    rng: &mut ChaCha20Rng,
    times: Times,
    person: &Person,
    plan: &str,
    status: &str,
) -> SubscriptionRow {
    let created_at = person.user.created_at + Duration::minutes(rng.random_range(1..600));
    let ended = crate::domain::subscription::has_ended(status);
    let days = if ended { -rng.random_range(3..40) } else { rng.random_range(1..30) };
    SubscriptionRow {
        id: 0,
        user_id: Some(person.user.id),
        provider_subscription_id: random::id(rng, "sub_1", 23),
        plan: plan.to_owned(),
        status: status.to_owned(),
        current_period_end: Some(times.now + Duration::days(days)),
        created_at,
        updated_at: created_at,
        removed_at: None,
    }
}
