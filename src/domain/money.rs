//! Money: whole minor units and an ISO 4217 currency, by the provider's own exponents.
//!
//! There is no float anywhere: a decimal text is read digit by digit.

use std::fmt;
use std::str::FromStr;

/// A currency code of three capital letters (ISO 4217's form; unknown codes are kept).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency([u8; 3]);

/// Stripe's zero-decimal currencies: the minor unit is the unit itself.
/// Source: Stripe's documentation, "Supported currencies", "Zero-decimal currencies".
const ZERO_DECIMAL: [&[u8; 3]; 15] = [
    b"BIF", b"CLP", b"DJF", b"GNF", b"JPY", b"KMF", b"KRW", b"MGA", b"PYG", b"RWF", b"VND", b"VUV",
    b"XAF", b"XOF", b"XPF",
];
/// Stripe's three-decimal currencies (same page, "Three-decimal currencies").
const THREE_DECIMAL: [&[u8; 3]; 5] = [b"BHD", b"JOD", b"KWD", b"OMR", b"TND"];
// Same page, "Special cases": ISK and UGX became zero-decimal currencies, but Stripe goes on
// writing them with two decimals; HUF and TWD are zero-decimal for payouts only. So: two.

/// Why a currency or an amount was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    #[error("currency is not three letters")]
    Currency,
    #[error("amount is not a decimal number")]
    NotDecimal,
    #[error("amount has more decimals than {0} has")]
    TooPrecise(Currency),
    #[error("amount is out of range")]
    OutOfRange,
}

impl Currency {
    /// The number of decimals between the unit and the minor unit that Stripe counts in.
    pub fn exponent(self) -> u32 {
        if ZERO_DECIMAL.contains(&&self.0) {
            0
        } else if THREE_DECIMAL.contains(&&self.0) {
            3
        } else {
            2
        }
    }

    /// Reads a decimal amount in units (`"12.50"`, `"-3"`, `"1,234.00"`) as minor units.
    /// A comma is taken as a thousands separator only where it stands before three digits.
    ///
    /// # Errors
    /// Not a decimal number, more decimals than the currency has, or beyond 64 bits.
    pub fn minor_from_decimal(self, text: &str) -> Result<i64, MoneyError> {
        let text = text.trim();
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
        let (units, decimals) = digits.split_once('.').unwrap_or((digits, ""));
        let units = without_thousands_separators(units)?;
        if !decimals.bytes().all(|b| b.is_ascii_digit()) {
            return Err(MoneyError::NotDecimal);
        }
        let exponent = self.exponent() as usize;
        let kept = decimals.trim_end_matches('0');
        if kept.len() > exponent {
            return Err(MoneyError::TooPrecise(self));
        }
        let all = format!("{units}{kept:0<exponent$}");
        let minor: i64 = all.parse().map_err(|_| MoneyError::OutOfRange)?;
        Ok(sign * minor)
    }

    /// Writes minor units in units, for people: `1250` USD is `12.50 USD`.
    pub fn display(self, amount_minor: i64) -> String {
        let exponent = self.exponent();
        if exponent == 0 {
            return format!("{amount_minor} {self}");
        }
        let scale = 10_u64.pow(exponent);
        let sign = if amount_minor < 0 { "-" } else { "" };
        let magnitude = amount_minor.unsigned_abs();
        let (units, rest) = (magnitude / scale, magnitude % scale);
        format!("{sign}{units}.{rest:0width$} {self}", width = exponent as usize)
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("three ASCII letters")
    }
}

fn without_thousands_separators(units: &str) -> Result<String, MoneyError> {
    let mut groups = units.split(',');
    let first = groups.next().unwrap_or_default();
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !is_digits(first) || groups.clone().any(|group| group.len() != 3 || !is_digits(group)) {
        return Err(MoneyError::NotDecimal);
    }
    Ok(std::iter::once(first).chain(groups).collect())
}

impl FromStr for Currency {
    type Err = MoneyError;
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let bytes: [u8; 3] = text.as_bytes().try_into().map_err(|_| MoneyError::Currency)?;
        if !bytes.iter().all(u8::is_ascii_alphabetic) {
            return Err(MoneyError::Currency);
        }
        Ok(Self(bytes.map(|b| b.to_ascii_uppercase())))
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl serde::Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn currency(code: &str) -> Currency {
        code.parse().unwrap()
    }

    #[test]
    fn decimal_amounts_are_read_by_the_providers_exponents() {
        assert_eq!(currency("usd").minor_from_decimal("12.5"), Ok(1250));
        assert_eq!(currency("jpy").minor_from_decimal("1250"), Ok(1250));
        assert_eq!(currency("jpy").minor_from_decimal("1250.00"), Ok(1250));
        assert_eq!(currency("kwd").minor_from_decimal("1.25"), Ok(1250));
        assert_eq!(currency("isk").minor_from_decimal("5"), Ok(500));
        assert_eq!(currency("ugx").minor_from_decimal("5"), Ok(500));
        assert_eq!(currency("eur").minor_from_decimal("-1,234.50"), Ok(-123_450));
    }

    #[test]
    fn a_wrong_amount_is_refused_not_rounded() {
        let usd = currency("usd");
        assert_eq!(usd.minor_from_decimal("1.005"), Err(MoneyError::TooPrecise(usd)));
        assert_eq!(usd.minor_from_decimal("1,5"), Err(MoneyError::NotDecimal));
        assert_eq!(usd.minor_from_decimal("1e3"), Err(MoneyError::NotDecimal));
        assert_eq!(usd.minor_from_decimal(""), Err(MoneyError::NotDecimal));
        assert_eq!(usd.minor_from_decimal("99999999999999999999"), Err(MoneyError::OutOfRange));
        assert_eq!("us".parse::<Currency>(), Err(MoneyError::Currency));
    }

    #[test]
    fn amounts_are_written_for_people() {
        assert_eq!(currency("usd").display(-5), "-0.05 USD");
        assert_eq!(currency("jpy").display(500), "500 JPY");
        assert_eq!(currency("bhd").display(1_001), "1.001 BHD");
    }
}
