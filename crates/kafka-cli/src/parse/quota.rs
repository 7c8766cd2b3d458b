//! Quotas: `NAME=NUMBER`, or `NAME=` for none.

use smol_str::SmolStr;

/// A quota's name, and its value; `None` takes it away.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct QuotaValue {
    pub(crate) name: SmolStr,
    pub(crate) value: Option<f64>,
}

/// Reads the pair.
pub(crate) fn parse_quota(text: &str) -> Result<QuotaValue, QuotaError> {
    let (name, value) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or(QuotaError)?;
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0);
    let value = if value.is_empty() { None } else { Some(number(value).ok_or(QuotaError)?) };
    Ok(QuotaValue { name: name.into(), value })
}

/// Text that is no quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write NAME=NUMBER, with a number above 0, or NAME= to take it away")]
pub(crate) struct QuotaError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_a_number_or_nothing() {
        let quota = |name: &str, value| Ok(QuotaValue { name: name.into(), value });
        assert_eq!(parse_quota("a=1024"), quota("a", Some(1024.0)));
        assert_eq!(parse_quota("a=0.5"), quota("a", Some(0.5)));
        assert_eq!(parse_quota("a="), quota("a", None));
        for wrong in ["", "a", "=1", "a=x", "a=-1", "a=0", "a=inf", "a=NaN"] {
            assert_eq!(parse_quota(wrong), Err(QuotaError), "{wrong}");
        }
    }
}
