//! What is said, as a table: the value and the recordings' names without the language.

use jiff::civil::{Date, Time, date, time};

use super::Speaker;
use crate::flow::ClipKey;
use crate::flow::run::values::Money;

fn said(clips: &[ClipKey], language: &str) -> String {
    let names: Vec<&str> = clips
        .iter()
        .map(|clip| {
            let name = clip.as_str();
            let name = name.strip_prefix(language).and_then(|name| name.strip_prefix('/')).unwrap_or(name);
            name.strip_prefix("numbers/").unwrap_or(name)
        })
        .collect();
    names.join(" ")
}

fn numbers(language: &str, cases: &[(i64, &str)]) {
    for (number, expected) in cases {
        assert_eq!(said(&Speaker::new(language).number(*number), language), *expected, "{number}");
    }
}

fn amounts(language: &str, cases: &[(&str, &str)]) {
    for (amount, expected) in cases {
        let money = Money::parse(amount).expect("an amount");
        assert_eq!(said(&Speaker::new(language).money(money), language), *expected, "{amount}");
    }
}

#[test]
fn english_numbers_take_and_before_tens_and_units() {
    numbers(
        "en-GB",
        &[
            (0, "0"),
            (1, "1"),
            (21, "21"),
            (100, "1 hundred"),
            (101, "1 hundred and 1"),
            (123, "1 hundred and 23"),
            (999, "9 hundred and 99"),
            (1_000, "1 thousand"),
            (1_005, "1 thousand and 5"),
            (1_100, "1 thousand 1 hundred"),
            (1_123, "1 thousand 1 hundred and 23"),
            (100_000, "1 hundred thousand"),
            (999_999, "9 hundred and 99 thousand 9 hundred and 99"),
            (1_000_000, "1 million"),
            (1_000_001, "1 million and 1"),
            (2_300_000, "2 million 3 hundred thousand"),
            (-21, "minus 21"),
        ],
    );
}

#[test]
fn spanish_numbers_shorten_before_thousand_and_million() {
    numbers(
        "es-ES",
        &[
            (0, "0"),
            (1, "1"),
            (21, "21"),
            (31, "31"),
            (100, "100"),
            (101, "ciento 1"),
            (111, "ciento 11"),
            (200, "200"),
            (521, "500 21"),
            (1_000, "thousand"),
            (1_001, "thousand 1"),
            (1_100, "thousand 100"),
            (2_000, "2 thousand"),
            (21_000, "21-un thousand"),
            (31_001, "31-un thousand 1"),
            (100_000, "100 thousand"),
            (101_000, "ciento un thousand"),
            (111_000, "ciento 11 thousand"),
            (999_999, "900 99 thousand 900 99"),
            (1_000_000, "million"),
            (1_000_001, "million 1"),
            (2_000_000, "2 millions"),
            (21_000_000, "21-un millions"),
            (-1, "minus 1"),
        ],
    );
}

#[test]
fn a_number_beyond_all_sums_is_read_digit_by_digit() {
    numbers(
        "en-GB",
        &[(
            1_000_000_000,
            "digits/1 digits/0 digits/0 digits/0 digits/0 digits/0 digits/0 digits/0 digits/0 digits/0",
        )],
    );
}

#[test]
fn english_money_joins_pounds_and_pence() {
    amounts(
        "en-GB",
        &[
            ("0 GBP", "0 money/pounds"),
            ("1 GBP", "1 money/pound"),
            ("1.01 GBP", "1 money/pound money/and 1 money/penny"),
            ("0.01 GBP", "1 money/penny"),
            ("0.50 GBP", "50 money/pence"),
            ("21 GBP", "21 money/pounds"),
            ("100 GBP", "1 hundred money/pounds"),
            ("101 GBP", "1 hundred and 1 money/pounds"),
            ("1204.50 GBP", "1 thousand 2 hundred and 4 money/pounds money/and 50 money/pence"),
            ("1204.50 EUR", "1 thousand 2 hundred and 4 money/euros money/and 50 money/cents"),
            ("1.01 EUR", "1 money/euro money/and 1 money/cent"),
            (
                "999999.99 GBP",
                "9 hundred and 99 thousand 9 hundred and 99 money/pounds money/and 99 money/pence",
            ),
            ("-12 GBP", "minus 12 money/pounds"),
        ],
    );
}

#[test]
fn spanish_money_follows_the_gender_of_the_coin() {
    amounts(
        "es-ES",
        &[
            ("0 EUR", "0 money/euros"),
            ("1 EUR", "un money/euro"),
            ("1.01 EUR", "un money/euro money/and un money/cent"),
            ("21 EUR", "21-un money/euros"),
            ("31.50 EUR", "31-un money/euros money/and 50 money/cents"),
            ("11 EUR", "11 money/euros"),
            ("100 EUR", "100 money/euros"),
            ("101 EUR", "ciento un money/euros"),
            ("1204.50 EUR", "thousand 200 4 money/euros money/and 50 money/cents"),
            ("999999.99 EUR", "900 99 thousand 900 99 money/euros money/and 99 money/cents"),
            ("1000000 EUR", "million money/of money/euros"),
            ("2000000 EUR", "2 millions money/of money/euros"),
            ("1000001 EUR", "million un money/euros"),
            ("1 GBP", "una money/pound"),
            ("1.01 GBP", "una money/pound money/and un money/penny"),
            ("21 GBP", "21-una money/pounds"),
            ("101 GBP", "ciento una money/pounds"),
            ("200 GBP", "200-f money/pounds"),
            ("221.21 GBP", "200-f 21-una money/pounds money/and 21-un money/pence"),
            ("21000 GBP", "21-un thousand money/pounds"),
            ("200000 GBP", "200-f thousand money/pounds"),
            ("201000 GBP", "200-f un thousand money/pounds"),
            ("200000000 GBP", "200 millions money/of money/pounds"),
            ("0.01 GBP", "un money/penny"),
            ("-3 GBP", "minus 3 money/pounds"),
        ],
    );
}

#[test]
fn digits_are_spelled_in_groups() {
    let english = Speaker::new("en-GB");
    let spelled =
        |text: &str| said(&english.spell(text), "en-GB").replace("digits/", "").replace("pause/short", "|");
    assert_eq!(spelled("44110021"), "4 4 1 1 | 0 0 2 1");
    assert_eq!(spelled("804215"), "8 0 4 | 2 1 5");
    assert_eq!(spelled("7"), "7");
    assert_eq!(spelled(""), "");
    assert_eq!(spelled("R-0042"), "letters/r 0 0 | 4 2");
    assert_eq!(spelled("*#"), "star hash");
}

#[test]
fn a_day_is_said_as_people_say_it() {
    let cases: [(Date, &str, &str); 6] = [
        (
            date(2026, 5, 4),
            "dates/weekday-1 dates/the dates/day-4 dates/of dates/month-5 20 26",
            "dates/weekday-1 dates/day-4 dates/of dates/month-5 dates/of 2 thousand 26",
        ),
        (
            date(2005, 1, 1),
            "dates/weekday-6 dates/the dates/day-1 dates/of dates/month-1 2 thousand and 5",
            "dates/weekday-6 dates/day-1 dates/of dates/month-1 dates/of 2 thousand 5",
        ),
        (
            date(2000, 12, 31),
            "dates/weekday-7 dates/the dates/day-31 dates/of dates/month-12 2 thousand",
            "dates/weekday-7 dates/day-31 dates/of dates/month-12 dates/of 2 thousand",
        ),
        (
            date(1905, 7, 21),
            "dates/weekday-5 dates/the dates/day-21 dates/of dates/month-7 19 dates/oh 5",
            "dates/weekday-5 dates/day-21 dates/of dates/month-7 dates/of thousand 900 5",
        ),
        (
            date(1900, 1, 1),
            "dates/weekday-1 dates/the dates/day-1 dates/of dates/month-1 19 hundred",
            "dates/weekday-1 dates/day-1 dates/of dates/month-1 dates/of thousand 900",
        ),
        (
            date(1989, 11, 9),
            "dates/weekday-4 dates/the dates/day-9 dates/of dates/month-11 19 89",
            "dates/weekday-4 dates/day-9 dates/of dates/month-11 dates/of thousand 900 89",
        ),
    ];
    for (day, english, spanish) in cases {
        assert_eq!(said(&Speaker::new("en-GB").date(day), "en-GB"), english);
        assert_eq!(said(&Speaker::new("es-ES").date(day), "es-ES"), spanish);
    }
}

#[test]
fn a_time_is_said_on_the_twelve_hour_clock() {
    let cases: [(Time, &str, &str); 6] = [
        (time(0, 0, 0, 0), "12 dates/oclock dates/am", "12 dates/am"),
        (time(1, 5, 0, 0), "1 dates/oh 5 dates/am", "una dates/and 5 dates/am"),
        (time(12, 0, 0, 0), "12 dates/oclock dates/pm", "12 dates/pm"),
        (time(13, 30, 0, 0), "1 30 dates/pm", "una dates/and 30 dates/pm"),
        (time(23, 59, 0, 0), "11 59 dates/pm", "11 dates/and 59 dates/pm"),
        (time(10, 21, 0, 0), "10 21 dates/am", "10 dates/and 21 dates/am"),
    ];
    for (moment, english, spanish) in cases {
        assert_eq!(said(&Speaker::new("en-GB").time(moment), "en-GB"), english);
        assert_eq!(said(&Speaker::new("es-ES").time(moment), "es-ES"), spanish);
    }
}

/// Every recording that any of these values may ask for is one that the list of recordings has.
#[test]
fn no_spoken_value_asks_for_a_recording_outside_the_list() {
    let listed = |language: &str, name: &str| {
        let spanish = language == "es-ES";
        let Some((folder, name)) = name.split_once('/') else { return false };
        match folder {
            "numbers" => match name.parse::<u32>() {
                Ok(number) => number <= 100 || (spanish && number < 1_000 && number % 100 == 0),
                Err(_) if spanish => {
                    ["minus", "thousand", "million", "millions", "ciento", "un", "una"].contains(&name)
                        || name.strip_suffix("-un").or_else(|| name.strip_suffix("-una")).is_some_and(
                            |tens| tens.parse::<u32>().is_ok_and(|n| (21..=91).contains(&n) && n % 10 == 1),
                        )
                        || name.strip_suffix("-f").is_some_and(|n| {
                            n.parse::<u32>().is_ok_and(|n| (200..=900).contains(&n) && n % 100 == 0)
                        })
                }
                Err(_) => ["minus", "hundred", "thousand", "million", "and"].contains(&name),
            },
            "money" => ["pound", "pounds", "penny", "pence", "euro", "euros", "cent", "cents", "and", "of"]
                .contains(&name),
            _ => false,
        }
    };
    for language in ["en-GB", "es-ES"] {
        let speaker = Speaker::new(language);
        for number in (0..3_000_u32).chain((3_000..200_000_000).step_by(99_991)) {
            for code in ["GBP", "EUR"] {
                let money = Money::parse(&format!("{number}.{:02} {code}", number % 100)).expect("an amount");
                for clip in speaker.money(money).iter().chain(&speaker.number(i64::from(number))) {
                    let name = clip
                        .as_str()
                        .strip_prefix(language)
                        .expect("the language first")
                        .trim_start_matches('/');
                    assert!(listed(language, name), "{language}: {number} asks for {name}");
                }
            }
        }
    }
}
