//! Numbers as they are written, compared exactly.

/// A finite decimal number of any size, without a rounding: `1.50`, `1.5` and `15e-1` are one number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decimal {
    negative: bool,
    /// Without zeros before or after; empty for 0.
    digits: String,
    /// The power of ten of the last digit; 0 for 0.
    exponent: i64,
}

impl Decimal {
    /// Reads digits with a sign, a point and an exponent, as far as they are there. `None` for what is no finite number.
    pub fn parse(text: &str) -> Option<Decimal> {
        let text = text.trim();
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent): (&str, i64) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let significant = digits.trim_end_matches('0');
        let zeros = i64::try_from(digits.len() - significant.len()).ok()?;
        let exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?.checked_add(zeros)?;
        let digits = significant.trim_start_matches('0').to_owned();
        Some(match digits.is_empty() {
            true => Decimal { negative: false, digits, exponent: 0 },
            false => Decimal { negative, digits, exponent },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_has_many_spellings() {
        for spellings in [
            &["1.5", "1.50", "+1.5", "15e-1", "0.15E+1", "01.500", " 1.5 "][..],
            &["1", "1.0", "1.", "1e0", "10e-1"],
            &["0", "-0", "0.000", "0e9", ".0"],
            &["1e20", "100000000000000000000", "1e+20"],
            &["-0.1", "-.1"],
            &["9007199254740993"],
            &["9007199254740992"],
            &["0.1000000000000000055511151231257827"],
        ] {
            for spelling in spellings {
                assert_eq!(Decimal::parse(spelling), Decimal::parse(spellings[0]), "{spelling}");
            }
        }
        assert_ne!(Decimal::parse("9007199254740993"), Decimal::parse("9007199254740992"));
        assert_ne!(Decimal::parse("0.1"), Decimal::parse("0.1000000000000000055511151231257827"));
        assert_ne!(Decimal::parse("1"), Decimal::parse("-1"));
    }

    #[test]
    fn what_is_no_finite_number_is_none() {
        for text in
            ["", "-", ".", "e5", "1e", "1e5.0", "NaN", "Infinity", "1,5", "0x10", "1 2", "t", "1e99999999999999999999"]
        {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }
}
