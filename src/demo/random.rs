//! Draws that several parts of the generator need, from one seeded stream.

use rand::Rng;
use rand::distr::Alphanumeric;
use rand_chacha::ChaCha20Rng;

/// An id as Stripe makes them: a prefix and letters and digits.
pub(super) fn id(rng: &mut ChaCha20Rng, prefix: &str, length: usize) -> String {
    let mut text = prefix.to_owned();
    text.extend((0..length).map(|_| char::from(rng.sample(Alphanumeric))));
    text
}

/// A card's fingerprint: the same card gives the same one wherever it is used.
pub(super) fn fingerprint(rng: &mut ChaCha20Rng) -> String {
    id(rng, "", 16)
}

/// One of the items, each as often as its weight says.
pub(super) fn weighted<'a, T>(
    rng: &mut ChaCha20Rng,
    items: &'a [T],
    weight: impl Fn(&T) -> u32,
) -> &'a T {
    let total: u32 = items.iter().map(&weight).sum();
    let mut left = rng.random_range(0..total);
    for item in items {
        match left.checked_sub(weight(item)) {
            Some(rest) => left = rest,
            None => return item,
        }
    }
    unreachable!("the draw is below the sum of the weights")
}

/// True in `percent` of a hundred draws.
pub(super) fn chance(rng: &mut ChaCha20Rng, percent: u32) -> bool {
    rng.random_ratio(percent, 100)
}
