//! Which telephone numbers may be called: those whose beginning the settings name. What shares the beginning of a country
//! and costs many times more, or belongs to another country, must be named itself.

use thiserror::Error;

/// Why a number may not be called.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Barred {
    /// It is none with a country code.
    #[error("it is no telephone number with + and its country code")]
    NoNumber,
    /// No beginning fits.
    #[error("no beginning that the settings name fits it")]
    NotNamed,
    /// It lies apart from the country that the settings name.
    #[error(
        "numbers that begin with +{0} are premium, personal or another country's, and are called only where the settings name them as closely"
    )]
    Apart(&'static str),
}

/// Whether it is the beginning of telephone numbers: `+` and digits.
#[must_use]
pub fn is_beginning(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (1..=15).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !digits.starts_with('0')
}

/// A number as `+` and digits; `None` when it is none with a country code.
#[must_use]
pub fn international(to: &str) -> Option<String> {
    let rest = to.trim().strip_prefix('+')?;
    let digits: String = rest.chars().filter(char::is_ascii_digit).collect();
    let clean = rest.chars().all(|c| c.is_ascii_digit() || " -()".contains(c));
    // ITU-T E.164 §6: 15 digits at most, and no country code begins with 0.
    // E.123 §7: `(0)` is dialled within a country only. With it the number is another one than it looks.
    let clean = clean && !rest.contains("(0)");
    (clean && (7..=15).contains(&digits.len()) && !digits.starts_with('0')).then(|| format!("+{digits}"))
}

/// The longest of these beginnings that fits a number, where it may be called.
///
/// # Errors
/// [`Barred`].
pub fn allowed<'a>(beginnings: &'a [String], number: &str) -> Result<&'a str, Barred> {
    let digits = number.strip_prefix('+').ok_or(Barred::NoNumber)?;
    // A national prefix left in: no such number, but some networks would take it for another.
    if digits.starts_with("440") || digits.starts_with("11") {
        return Err(Barred::NoNumber);
    }
    let fit = beginnings.iter().filter(|beginning| number.starts_with(beginning.as_str()));
    let longest = fit.max_by_key(|beginning| beginning.len()).ok_or(Barred::NotNamed)?;
    let apart = APART.iter().filter(|apart| digits.starts_with(**apart)).max_by_key(|apart| apart.len());
    match apart {
        Some(apart) if longest.len() <= apart.len() => Err(Barred::Apart(apart)),
        _ => Ok(longest),
    }
}

/// Numbers that share the code of a country and are not of it, or cost many times more there. From the numbering plans:
/// NANPA's list of geographic codes outside of the United States and Canada, and its premium codes; Ofcom's National
/// Telephone Numbering Plan (personal, paging, service and premium numbers, Jersey, Guernsey and Man); +7 6 and +7 7 of
/// Kazakhstan; premium and mass-calling numbers of Spain (803, 806, 807, 905, 907), Germany (900, 137), France (89), Italy
/// (89), Belgium (90), the Netherlands (900, 906, 909), Switzerland (900, 901, 906), Austria (900, 901, 930, 931, 939),
/// Australia (190); ITU-T E.164's codes that are no country's: satellites, networks, shared cost, premium rate (E.169.2).
const APART: &[&str] = &[
    "1242", "1246", "1264", "1268", "1284", "1340", "1345", "1441", "1473", "1649", "1658", "1664", "1670",
    "1671", "1684", "1721", "1758", "1767", "1784", "1787", "1809", "1829", "1849", "1868", "1869", "1876",
    "1900", "1939", "31900", "31906", "31909", "3290", "3389", "34803", "34806", "34807", "34905", "34907",
    "3989", "41900", "41901", "41906", "43900", "43901", "43930", "43931", "43939", "4470", "4476", "449",
    "4487", "441481", "441534", "441624", "447781", "447797", "49137", "49900", "61190", "76", "77", "808",
    "870", "878", "881", "882", "883", "979",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_named_may_be_called_and_dear_parts_only_by_name() {
        let table: &[(&[&str], &str, Result<&str, Barred>)] = &[
            (&["+44"], "+447400123456", Ok("+44")),
            (&["+44", "+4474"], "+447400123456", Ok("+4474")),
            (&["+44"], "+353861234567", Err(Barred::NotNamed)),
            (&[], "+447400123456", Err(Barred::NotNamed)),
            (&["+44"], "+449098790123", Err(Barred::Apart("449"))),
            (&["+44", "+449"], "+449098790123", Ok("+449")),
            (&["+1"], "+18765550100", Err(Barred::Apart("1876"))),
            (&["+34"], "+34806123456", Err(Barred::Apart("34806"))),
            (&["+34"], "+34911234567", Ok("+34")),
            (&["+8", "+9"], "+88213123456", Err(Barred::Apart("882"))),
            (&["+9"], "+979123456789", Err(Barred::Apart("979"))),
            (&["+44"], "+4401632960001", Err(Barred::NoNumber)),
            (&["+44"], "01632960001", Err(Barred::NoNumber)),
        ];
        for (named, number, expected) in table {
            let named: Vec<String> = named.iter().map(|&text| text.to_owned()).collect();
            assert_eq!(allowed(&named, number), *expected, "{named:?} {number}");
        }
        for wrong in ["44", "+", "+0", "GB", "+44x", "+1234567890123456"] {
            assert!(!is_beginning(wrong), "{wrong}");
        }
    }
}
