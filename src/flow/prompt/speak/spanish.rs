//! European Spanish: "ciento veintiún euros", "doscientas una libras", "lunes tres de mayo de dos mil
//! veintiséis".
//!
//! *Uno* is shortened before a masculine noun and before *mil* and *millones*, and is *una* before a
//! feminine noun; the hundreds from 200 on follow the noun's gender, *mil* has no *un* before it.

use jiff::civil::{Date, Time};

use super::{Noun, Phrase};

/// A number below a thousand million, as it stands before `noun`.
pub(super) fn cardinal(phrase: &mut Phrase, number: u64, noun: Noun) {
    if number == 0 {
        phrase.number(0);
        return;
    }
    let (millions, thousands, rest) = (number / 1_000_000, number / 1_000 % 1_000, number % 1_000);
    match millions {
        0 => {}
        1 => {
            phrase.say("numbers/million"); // recorded as "un millón"
        }
        _ => {
            // Millón is a masculine noun itself, whatever it counts.
            below_thousand(phrase, millions, Noun::Masculine, Noun::Masculine);
            phrase.say("numbers/millions");
        }
    }
    if thousands > 0 {
        if thousands > 1 {
            // The hundreds keep the gender of what is counted ("doscientas mil libras"), the units are
            // shortened before mil ("veintiún mil libras").
            below_thousand(phrase, thousands, noun, Noun::Masculine);
        }
        phrase.say("numbers/thousand");
    }
    if rest > 0 {
        below_thousand(phrase, rest, noun, noun);
    }
}

fn below_thousand(phrase: &mut Phrase, number: u64, hundreds_noun: Noun, units_noun: Noun) {
    let (hundreds, rest) = (number / 100, number % 100);
    match (hundreds, rest) {
        (0, _) => {}
        (1, 0) => {
            phrase.number(100); // cien
        }
        (1, _) => {
            phrase.say("numbers/ciento");
        }
        _ if hundreds_noun == Noun::Feminine => {
            phrase.say(format!("numbers/{}-f", hundreds * 100));
        }
        _ => {
            phrase.number(hundreds * 100);
        }
    }
    if rest > 0 {
        below_hundred(phrase, rest, units_noun);
    }
}

fn below_hundred(phrase: &mut Phrase, number: u64, noun: Noun) {
    let ends_in_one = number % 10 == 1 && number != 11;
    match noun {
        Noun::Masculine if number == 1 => phrase.say("numbers/un"),
        Noun::Feminine if number == 1 => phrase.say("numbers/una"),
        Noun::Masculine if ends_in_one => phrase.say(format!("numbers/{number}-un")),
        Noun::Feminine if ends_in_one => phrase.say(format!("numbers/{number}-una")),
        _ => phrase.number(number),
    };
}

/// Weekday, day, "de", month, "de", year.
pub(super) fn date(phrase: &mut Phrase, date: Date) {
    let weekday = date.weekday().to_monday_one_offset();
    phrase.say(format!("dates/weekday-{weekday}")).say(format!("dates/day-{}", date.day())).say("dates/of");
    phrase.say(format!("dates/month-{}", date.month())).say("dates/of");
    cardinal(phrase, u64::from(date.year().unsigned_abs()), Noun::None);
}

/// "una y cinco de la tarde": the hour is feminine.
pub(super) fn time(phrase: &mut Phrase, time: Time) {
    let hour = u64::from(time.hour().unsigned_abs());
    let minute = u64::from(time.minute().unsigned_abs());
    below_hundred(phrase, if hour % 12 == 0 { 12 } else { hour % 12 }, Noun::Feminine);
    if minute > 0 {
        phrase.say("dates/and").number(minute);
    }
    phrase.say(if hour < 12 { "dates/am" } else { "dates/pm" });
}
