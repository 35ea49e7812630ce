//! What typed digits must be like.

/// ISO/IEC 7812-1 Annex B: from the right every second digit counts double, its own digits added; the sum
/// ends in 0.
pub(crate) fn luhn(typed: &str) -> bool {
    let sum: u32 = typed
        .bytes()
        .rev()
        .enumerate()
        .map(|(at, byte)| {
            let digit = u32::from(byte.wrapping_sub(b'0'));
            let counted = if at % 2 == 1 { 2 * digit } else { digit };
            counted / 10 + counted % 10
        })
        .sum();
    !typed.is_empty() && sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_digit_finds_a_wrong_digit_and_a_swap() {
        for (typed, right) in [
            ("79927398713", true),
            ("79927398710", false),
            ("4111111111111111", true),
            ("4111111111111112", false),
            ("97927398713", false),
            ("", false),
            ("0", true),
        ] {
            assert_eq!(luhn(typed), right, "{typed}");
        }
    }
}
