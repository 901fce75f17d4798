//! Why payments fail, and how often for which reason.
//!
//! Codes: Stripe's documentation, "Decline codes". Shares are rough: public reports of payment
//! companies agree that lack of funds, declines without a reason and `do_not_honor` make up
//! most of it, and that card testing shows in wrong numbers and security codes instead.

use super::random;
use rand_chacha::ChaCha20Rng;

/// A reason to decline.
#[derive(Debug)]
pub(super) struct Decline {
    /// Stripe's decline code: the charge's `outcome.reason`.
    pub code: &'static str,
    pub message: &'static str,
    /// Whether trying the same card again makes sense.
    pub retry: bool,
    /// How often it meets an ordinary customer, and how often someone with stolen numbers.
    share_ordinary: u32,
    share_card_testing: u32,
}

const DECLINED: &str = "Your card was declined.";

const fn decline(
    code: &'static str,
    message: &'static str,
    retry: bool,
    share_ordinary: u32,
    share_card_testing: u32,
) -> Decline {
    Decline { code, message, retry, share_ordinary, share_card_testing }
}

const UNSUPPORTED: &str = "Your card does not support this type of purchase.";

#[rustfmt::skip]
const DECLINES: [Decline; 16] = [
    decline("insufficient_funds", "Your card has insufficient funds.", true, 38, 5),
    decline("generic_decline", DECLINED, true, 20, 26),
    decline("do_not_honor", DECLINED, true, 13, 12),
    decline("expired_card", "Your card has expired.", false, 8, 7),
    decline("incorrect_cvc", "Your card's security code is incorrect.", true, 6, 22),
    decline("transaction_not_allowed", UNSUPPORTED, false, 4, 2),
    decline("authentication_required", "This transaction requires authentication.", true, 3, 1),
    decline("card_velocity_exceeded", DECLINED, true, 2, 2),
    decline("processing_error", "An error occurred while processing your card.", true, 2, 0),
    decline("incorrect_number", "Your card number is incorrect.", true, 1, 9),
    decline("try_again_later", DECLINED, true, 1, 0),
    decline("invalid_account", DECLINED, false, 1, 3),
    decline("fraudulent", DECLINED, false, 1, 6),
    decline("lost_card", DECLINED, false, 1, 3),
    decline("stolen_card", DECLINED, false, 1, 3),
    decline("pickup_card", DECLINED, false, 0, 2),
];

/// Why an ordinary customer's payment failed.
pub(super) fn ordinary(rng: &mut ChaCha20Rng) -> &'static Decline {
    random::weighted(rng, &DECLINES, |decline| decline.share_ordinary)
}

/// Why a payment failed that tried out a stolen card number.
pub(super) fn card_testing(rng: &mut ChaCha20Rng) -> &'static Decline {
    random::weighted(rng, &DECLINES, |decline| decline.share_card_testing)
}

/// A reason other than the one given, among those an ordinary customer meets.
pub(super) fn another(rng: &mut ChaCha20Rng, code: Option<&str>) -> &'static Decline {
    loop {
        let drawn = ordinary(rng);
        if Some(drawn.code) != code {
            return drawn;
        }
    }
}

/// The reason that has this code.
pub(super) fn of_code(code: &str) -> &'static Decline {
    DECLINES.iter().find(|decline| decline.code == code).expect("a code of the table")
}

/// A payment that had succeeded and came back: a bank debit without funds.
pub(super) fn returned() -> &'static Decline {
    of_code("insufficient_funds")
}
