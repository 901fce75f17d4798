//! Eight weeks of ordinary payments: a rhythm by hour and weekday, guests among customers,
//! failures with retries, refunds and disputes.

use super::company::PaymentRow;
use super::declines::{self, Decline};
use super::people::{Money, Person, plan_cents};
use super::{Times, random};
use chrono::{DateTime, Datelike, Duration, Utc, Weekday};
use rand::Rng;
use rand_chacha::ChaCha20Rng;

/// How many days the history covers, today included.
pub(super) const DAYS: i64 = 56;
/// How often a declined payment is tried again at most.
const RETRIES_MAX: u32 = 3;
pub(super) const GUESTS_PERCENT: u32 = 6;

/// How busy each hour of the day (UTC) is.
pub(super) const HOURS: [u32; 24] =
    [2, 1, 1, 1, 1, 2, 3, 5, 8, 10, 10, 9, 8, 9, 9, 9, 8, 8, 9, 10, 9, 6, 4, 3];

/// Someone about to pay: a customer, or a guest with a card used once.
pub(super) struct Buyer {
    pub user_id: Option<i64>,
    pub currency: Money,
    pub cards: Vec<String>,
    pub failures_percent: u32,
}

impl Buyer {
    pub fn guest(rng: &mut ChaCha20Rng) -> Self {
        Self {
            user_id: None,
            currency: Money::draw(rng),
            cards: vec![random::fingerprint(rng)],
            failures_percent: 9,
        }
    }

    pub fn customer(person: &Person) -> Self {
        Self {
            user_id: Some(person.user.id),
            currency: person.currency,
            cards: person.cards.clone(),
            failures_percent: person.failures_percent,
        }
    }

    /// A payment that went through, not refunded and not disputed, with one of the cards.
    pub fn pays(&self, rng: &mut ChaCha20Rng, at: DateTime<Utc>, amount_minor: i64) -> PaymentRow {
        let card = self.cards[rng.random_range(0..self.cards.len())].clone();
        PaymentRow {
            id: 0,
            user_id: self.user_id,
            provider_payment_id: random::id(rng, "ch_3", 23),
            status: "succeeded".to_owned(),
            amount_minor,
            amount_captured_minor: amount_minor,
            amount_refunded_minor: 0,
            disputed: false,
            currency: self.currency.code,
            failure_code: None,
            failure_message: None,
            payment_method_fingerprint: Some(card),
            created_at: at,
            updated_at: at,
            removed_at: None,
        }
    }
}

/// The payments of everyone who does nothing unusual, in no particular order, without ids.
pub(super) fn of(rng: &mut ChaCha20Rng, times: Times, people: &[Person]) -> Vec<PaymentRow> {
    let urn: Vec<&Person> =
        people.iter().flat_map(|p| std::iter::repeat_n(p, p.activity as usize)).collect();
    let mut payments = Vec::new();
    for day in 0..DAYS {
        let midnight = times.first_payment() + Duration::days(day);
        for _ in 0..purchases(rng, midnight, day) {
            let at = midnight + moment_of_day(rng);
            let buyer = buyer(rng, at, &urn);
            purchase(rng, times, at, &buyer, &mut payments);
        }
    }
    payments
}

/// How many purchases a day has: fewer at weekends, slowly more over the weeks.
fn purchases(rng: &mut ChaCha20Rng, midnight: DateTime<Utc>, day: i64) -> i64 {
    let weekend = matches!(midnight.weekday(), Weekday::Sat | Weekday::Sun);
    let usual = if weekend { 50 } else { 79 };
    usual * (90 + day / 3) / 100 + rng.random_range(-6..=6)
}

fn moment_of_day(rng: &mut ChaCha20Rng) -> Duration {
    let hours: Vec<(i64, u32)> = (0..).zip(HOURS).collect();
    let hour = random::weighted(rng, &hours, |hour| hour.1).0;
    Duration::hours(hour) + Duration::seconds(rng.random_range(0..3600))
}

/// Whoever has signed up by then and is drawn, or a guest.
fn buyer(rng: &mut ChaCha20Rng, at: DateTime<Utc>, urn: &[&Person]) -> Buyer {
    let guest = random::chance(rng, GUESTS_PERCENT);
    let drawn = urn[rng.random_range(0..urn.len())];
    if guest || drawn.user.created_at > at {
        return Buyer::guest(rng);
    }
    Buyer::customer(drawn)
}

/// A purchase is one payment, and further ones while they fail and trying again makes sense.
fn purchase(
    rng: &mut ChaCha20Rng,
    times: Times,
    at: DateTime<Utc>,
    buyer: &Buyer,
    payments: &mut Vec<PaymentRow>,
) {
    let amount = draw_amount(rng, buyer.currency);
    let mut at = at;
    for attempt in 0..=RETRIES_MAX {
        if at > times.quiet_since() {
            return;
        }
        // What failed once is likelier to fail again.
        let percent = if attempt == 0 { buyer.failures_percent } else { 45 };
        let decline = random::chance(rng, percent).then(|| declines::ordinary(rng));
        payments.push(attempt_at(rng, times, at, buyer, amount, decline));
        match decline {
            Some(decline) if decline.retry && random::chance(rng, 70) => {
                at += wait_before_retry(rng, decline);
            }
            _ => return,
        }
    }
}

/// Half of the purchases are a plan's price, the others anything between 3 and 180 dollars.
pub(super) fn draw_amount(rng: &mut ChaCha20Rng, currency: Money) -> i64 {
    let cents =
        if random::chance(rng, 50) { plan_cents(rng) } else { rng.random_range(300..18_000) };
    currency.price(cents)
}

/// A mistyped number is corrected at once; an empty account is tried again days later.
fn wait_before_retry(rng: &mut ChaCha20Rng, decline: &Decline) -> Duration {
    match decline.code {
        "incorrect_cvc" | "incorrect_number" | "authentication_required" => {
            Duration::seconds(rng.random_range(25..240))
        }
        "processing_error" | "try_again_later" => Duration::minutes(rng.random_range(5..90)),
        _ => Duration::hours(rng.random_range(20..80)),
    }
}

fn attempt_at(
    rng: &mut ChaCha20Rng,
    times: Times,
    at: DateTime<Utc>,
    buyer: &Buyer,
    amount_minor: i64,
    decline: Option<&Decline>,
) -> PaymentRow {
    let mut payment = buyer.pays(rng, at, amount_minor);
    match decline {
        Some(decline) => payment.make_failed(decline),
        None => happen_later(rng, times, &mut payment),
    }
    payment
}

/// What may still become of a success: money given back, or a dispute.
fn happen_later(rng: &mut ChaCha20Rng, times: Times, payment: &mut PaymentRow) {
    let draw = rng.random_range(0..1_000);
    let later = payment.created_at + Duration::hours(rng.random_range(3..240));
    match draw {
        0..=16 => payment.amount_refunded_minor = payment.amount_minor,
        17..=24 => payment.amount_refunded_minor = payment.amount_minor / 2,
        25..=28 => payment.disputed = true,
        29..=30 => return payment.make_pending(),
        _ => return,
    }
    payment.updated_at = times.no_later_than_quiet(later).max(payment.created_at);
}
