//! Whether two phrases sound so alike that a recogniser, or a person on a bad line, mixes them up.
//!
//! The measure is a plain one, the same for all languages that are written in Latin letters: a phrase is
//! reduced to how it roughly sounds (`sounds`: accents gone, letters that are spoken alike made one, double
//! letters single, silent *h* dropped), and two phrases are alike when these differ by one sound in every five
//! at most. Words of three sounds or fewer must be equal to be alike: *no* and *so* are not.

/// How two phrases are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alike {
    /// The same words.
    Equal,
    /// Different words that sound alike.
    Near,
}

/// Whether, and how, two phrases are alike.
#[must_use]
pub fn alike(one: &str, other: &str) -> Option<Alike> {
    let (one, other) = (plain(one), plain(other));
    if one == other {
        return Some(Alike::Equal);
    }
    let (one, other) = (sounds(&one), sounds(&other));
    if one == other {
        return Some(Alike::Near);
    }
    let longest = one.chars().count().max(other.chars().count());
    let near = longest / 5;
    (near > 0 && distance(&one, &other) <= near).then_some(Alike::Near)
}

/// A phrase as it is compared: small letters, single spaces, no punctuation.
#[must_use]
pub fn plain(text: &str) -> String {
    let lower = text.to_lowercase();
    let word = |c: char| if c.is_alphanumeric() || c == '\'' { c } else { ' ' };
    lower.chars().map(word).collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// How a phrase roughly sounds.
fn sounds(plain: &str) -> String {
    let letters: String = plain.chars().filter(|c| c.is_alphanumeric()).map(bare).collect();
    // What two letters spell, before single letters are looked at.
    let spelled = [
        ("ph", "f"),
        ("ck", "k"),
        ("qu", "kw"),
        ("sh", "S"),
        ("ch", "S"),
        ("th", "t"),
        ("kn", "n"),
        ("wr", "r"),
        ("ll", "l"),
        ("ee", "i"),
        ("ea", "i"),
        ("oo", "u"),
        ("ou", "u"),
        ("ai", "e"),
        ("ay", "e"),
        ("ey", "i"),
        ("ce", "se"),
        ("ci", "si"),
        ("ge", "je"),
        ("gi", "ji"),
        ("h", ""),
        ("v", "b"),
        ("z", "s"),
        ("c", "k"),
        ("q", "k"),
        ("x", "ks"),
        ("y", "i"),
        ("w", "u"),
    ];
    let mut out = letters;
    for (written, spoken) in spelled {
        out = out.replace(written, spoken);
    }
    let mut last = None;
    out.retain(|c| last.replace(c) != Some(c));
    out
}

/// A letter without its accent.
pub(crate) const fn bare(c: char) -> char {
    match c {
        'á' | 'à' | 'â' | 'ä' | 'ã' | 'å' => 'a',
        'é' | 'è' | 'ê' | 'ë' => 'e',
        'í' | 'ì' | 'î' | 'ï' => 'i',
        'ó' | 'ò' | 'ô' | 'ö' | 'õ' | 'ø' => 'o',
        'ú' | 'ù' | 'û' | 'ü' => 'u',
        'ç' => 's',
        c => c,
    }
}

/// Sounds to insert, drop or change to make one of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, c) in one.chars().enumerate() {
        let mut diagonal = at;
        let mut left = at + 1;
        for (column, d) in other.iter().enumerate() {
            let above = row.get(column + 1).copied().unwrap_or(usize::MAX);
            let cell = (diagonal + usize::from(c != *d)).min(above + 1).min(left + 1);
            if let Some(slot) = row.get_mut(column) {
                *slot = left;
            }
            (diagonal, left) = (above, cell);
        }
        if let Some(slot) = row.last_mut() {
            *slot = left;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn phrases_are_alike_when_they_sound_alike() {
        let cases = [
            ("balance", "Balance.", Some(Alike::Equal)),
            ("pay my card", "pay  my card!", Some(Alike::Equal)),
            ("sale", "sail", None),
            ("see", "sea", Some(Alike::Near)),
            ("vale", "bale", Some(Alike::Near)),
            ("cheque", "check", None),
            ("transfer", "transfers", Some(Alike::Near)),
            ("pagar mi tarjeta", "parar mi tarjeta", Some(Alike::Near)),
            ("agente", "ajente", Some(Alike::Near)),
            ("balance", "transfer", None),
            ("no", "so", None),
            ("pay", "help", None),
            ("cards", "balance", None),
        ];
        for (one, other, expected) in cases {
            assert_eq!(alike(one, other), expected, "{one} / {other}");
            assert_eq!(alike(other, one), expected, "{other} / {one}");
        }
    }

    proptest! {
        #[test]
        fn every_phrase_is_like_itself_and_order_does_not_matter(a in "[a-zA-Zéñ ']{0,20}", b in "[a-zA-Zéñ ']{0,20}") {
            prop_assert_eq!(alike(&a, &a), Some(Alike::Equal));
            prop_assert_eq!(alike(&a, &b), alike(&b, &a));
        }

        #[test]
        fn the_distance_is_a_distance(a in "[abc]{0,8}", b in "[abc]{0,8}", c in "[abc]{0,8}") {
            prop_assert_eq!(distance(&a, &b), distance(&b, &a));
            prop_assert_eq!(distance(&a, &b) == 0, a == b);
            prop_assert!(distance(&a, &c) <= distance(&a, &b) + distance(&b, &c));
        }
    }
}
