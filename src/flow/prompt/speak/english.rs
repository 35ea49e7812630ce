//! British English: "one hundred and twenty-three", "Monday the third of May twenty twenty-six".

use jiff::civil::{Date, Time};

use super::Phrase;

/// A number below a thousand million.
pub(super) fn cardinal(phrase: &mut Phrase, number: u64) {
    if number == 0 {
        phrase.number(0);
        return;
    }
    let (millions, thousands, rest) = (number / 1_000_000, number / 1_000 % 1_000, number % 1_000);
    if millions > 0 {
        below_thousand(phrase, millions);
        phrase.say("numbers/million");
    }
    if thousands > 0 {
        below_thousand(phrase, thousands);
        phrase.say("numbers/thousand");
    }
    if rest > 0 {
        if number > rest && rest < 100 {
            phrase.say("numbers/and"); // one thousand and five
        }
        below_thousand(phrase, rest);
    }
}

fn below_thousand(phrase: &mut Phrase, number: u64) {
    let (hundreds, rest) = (number / 100, number % 100);
    if hundreds > 0 {
        phrase.number(hundreds).say("numbers/hundred");
        if rest > 0 {
            phrase.say("numbers/and");
        }
    }
    if rest > 0 {
        phrase.number(rest);
    }
}

/// Weekday, "the", ordinal day, "of", month, year.
pub(super) fn date(phrase: &mut Phrase, date: Date) {
    let weekday = date.weekday().to_monday_one_offset();
    phrase.say(format!("dates/weekday-{weekday}")).say("dates/the");
    phrase.say(format!("dates/day-{}", date.day())).say("dates/of");
    phrase.say(format!("dates/month-{}", date.month()));
    year(phrase, date.year());
}

/// 2005 "two thousand and five", 2026 "twenty twenty-six", 1905 "nineteen oh five", 1900 "nineteen hundred".
fn year(phrase: &mut Phrase, year: i16) {
    let year = u64::from(year.unsigned_abs());
    let (century, rest) = (year / 100, year % 100);
    if year < 1_000 || (2_000..2_010).contains(&year) {
        cardinal(phrase, year);
        return;
    }
    match rest {
        0 => phrase.number(century).say("numbers/hundred"),
        1..10 => phrase.number(century).say("dates/oh").number(rest),
        _ => phrase.number(century).number(rest),
    };
}

/// "five o'clock pm", "five oh five pm", "twelve thirty am".
pub(super) fn time(phrase: &mut Phrase, time: Time) {
    let hour = u64::from(time.hour().unsigned_abs());
    let minute = u64::from(time.minute().unsigned_abs());
    phrase.number(if hour % 12 == 0 { 12 } else { hour % 12 });
    match minute {
        0 => phrase.say("dates/oclock"),
        1..10 => phrase.say("dates/oh").number(minute),
        _ => phrase.number(minute),
    };
    phrase.say(if hour < 12 { "dates/am" } else { "dates/pm" });
}
