//! Typed values of a running flow.
//!
//! A variable's class says where its value may travel; the checks before a call hold every flow to it. What
//! a caller typed into a variable of class secret is a [`Secret`] here besides: it has no text, equals
//! nothing and has no order. No value shows its contents in `Debug`.

use std::fmt;
use std::sync::Arc;

use jiff::civil::{Date, Time};

use crate::flow::expr::{Filter, Literal, SumOp, Type};
use crate::secret::Secret;

/// A value. Comparison is [`Value::equals`]: a secret equals nothing.
#[derive(Clone)]
pub enum Value {
    /// Not set, or a field that the reply lacked.
    Nothing,
    /// Text, an enumeration's word or typed digits.
    Text(Arc<str>),
    /// A whole number.
    Number(i64),
    /// Yes or no.
    Truth(bool),
    /// An amount of money.
    Money(Money),
    /// A calendar day.
    Date(Date),
    /// A time of day.
    Time(Time),
    /// Several words: the factors proven so far.
    List(Vec<Arc<str>>),
    /// Typed by the caller and not to be seen.
    Secret(Secret<String>),
}

impl Value {
    /// Text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Text(Arc::from(text))
    }

    /// What a value of a reply or of an expression is in a slot of that type; `None` when it can't be
    /// one. Nothing stays nothing.
    #[must_use]
    pub fn into_type(self, ty: &Type) -> Option<Self> {
        match (ty, self) {
            (_, value @ (Self::Nothing | Self::Secret(_))) => Some(value),
            (Type::Money, value) => value.as_money().map(Self::Money),
            (Type::Number, value) => value.as_number().map(Self::Number),
            (Type::Date, value) => value.as_date().map(Self::Date),
            (Type::Time, value) => value.as_time().map(Self::Time),
            (Type::Flag, Self::Text(text)) => text.parse().ok().map(Self::Truth),
            (Type::Flag, value) => matches!(value, Self::Truth(_)).then_some(value),
            (Type::List, value) => matches!(value, Self::List(_)).then_some(value),
            (Type::Digits, value) => {
                let digits = value.as_text()?;
                digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| Self::text(&digits))
            }
            (Type::Text | Type::Enum(_) | Type::Level | Type::Language | Type::Band, value) => {
                value.as_text().map(|text| Self::text(&text))
            }
        }
    }

    /// The kind's name, for messages.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Text(_) => "text",
            Self::Number(_) => "number",
            Self::Truth(_) => "truth",
            Self::Money(_) => "money",
            Self::Date(_) => "date",
            Self::Time(_) => "time",
            Self::List(_) => "list",
            Self::Secret(_) => "secret",
        }
    }

    /// As plain text for a service, an agent or a comparison; `None` for nothing and for a secret.
    #[must_use]
    pub fn as_text(&self) -> Option<String> {
        match self {
            Self::Nothing | Self::Secret(_) => None,
            Self::Text(text) => Some(text.to_string()),
            Self::Number(number) => Some(number.to_string()),
            Self::Truth(truth) => Some(truth.to_string()),
            Self::Money(money) => Some(money.to_string()),
            Self::Date(date) => Some(date.to_string()),
            Self::Time(time) => Some(time.strftime("%H:%M").to_string()),
            Self::List(words) => Some(words.join(", ")),
        }
    }

    /// As money: itself, or text such as `1204.50 EUR`.
    #[must_use]
    pub fn as_money(&self) -> Option<Money> {
        match self {
            Self::Money(money) => Some(*money),
            Self::Text(text) => Money::parse(text),
            _ => None,
        }
    }

    /// As a whole number: itself, text of digits, or the length of a list.
    #[must_use]
    pub fn as_number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok(),
            Self::List(words) => i64::try_from(words.len()).ok(),
            _ => None,
        }
    }

    /// As a day: itself, or text such as `2026-05-03`.
    #[must_use]
    pub fn as_date(&self) -> Option<Date> {
        match self {
            Self::Date(date) => Some(*date),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// As a time of day: itself, or text such as `14:30` or `2026-05-03T14:30`.
    #[must_use]
    pub fn as_time(&self) -> Option<Time> {
        match self {
            Self::Time(time) => Some(*time),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// Whether it counts as true: a truth that is, or any other value that is there.
    #[must_use]
    pub const fn holds(&self) -> bool {
        match self {
            Self::Truth(truth) => *truth,
            Self::Nothing => false,
            _ => true,
        }
    }

    /// Whether both are the same thing. A secret is equal to nothing, itself included.
    #[must_use]
    pub fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Secret(_), _) | (_, Self::Secret(_)) => false,
            (Self::Nothing, Self::Nothing) => true,
            (Self::Truth(a), Self::Truth(b)) => a == b,
            (Self::Money(a), b) => b.as_money().is_some_and(|b| *a == b),
            (a, Self::Money(b)) => a.as_money().is_some_and(|a| a == *b),
            (Self::Number(a), b) => b.as_number().is_some_and(|b| *a == b),
            (a, Self::Number(b)) => a.as_number().is_some_and(|a| a == *b),
            (Self::Time(a), b) => b.as_time().is_some_and(|b| *a == b),
            (a, Self::Time(b)) => a.as_time().is_some_and(|a| a == *b),
            (a, b) => a.as_text().is_some_and(|a| b.as_text().is_some_and(|b| a == b)),
        }
    }

    /// Their sum or difference: of numbers, or of money in one currency. Nothing when there is none.
    #[must_use]
    pub fn sum(&self, op: SumOp, other: &Self) -> Self {
        let sum = |a: i64, b: i64| match op {
            SumOp::Add => a.checked_add(b),
            SumOp::Subtract => a.checked_sub(b),
        };
        match (self, other) {
            (Self::Money(_), _) | (_, Self::Money(_)) => {
                let (Some(a), Some(b)) = (self.as_money(), other.as_money()) else { return Self::Nothing };
                let minor = sum(a.minor, b.minor).filter(|_| a.currency == b.currency);
                minor.map_or(Self::Nothing, |minor| Self::Money(Money { minor, currency: a.currency }))
            }
            (Self::Number(a), Self::Number(b)) => sum(*a, *b).map_or(Self::Nothing, Self::Number),
            _ => Self::Nothing,
        }
    }

    /// A part or property of it; nothing of nothing and of a secret.
    #[must_use]
    pub fn filtered(&self, filter: Filter) -> Self {
        match (filter, self) {
            (Filter::Length, Self::List(words)) => {
                i64::try_from(words.len()).map_or(Self::Nothing, Self::Number)
            }
            (Filter::Length, Self::Text(text)) => {
                i64::try_from(text.chars().count()).map_or(Self::Nothing, Self::Number)
            }
            (Filter::Last(count), Self::Text(text)) => {
                let start = text.chars().count().saturating_sub(usize::from(count));
                Self::text(&text.chars().skip(start).collect::<String>())
            }
            _ => Self::Nothing,
        }
    }

    /// Which of the two is greater; `None` for what has no order.
    #[must_use]
    pub fn order(&self, other: &Self) -> Option<std::cmp::Ordering> {
        match (self, other) {
            (Self::Secret(_), _) | (_, Self::Secret(_)) => None,
            (Self::Money(_), _) | (_, Self::Money(_)) => {
                let (a, b) = (self.as_money()?, other.as_money()?);
                (a.currency == b.currency).then(|| a.minor.cmp(&b.minor))
            }
            (Self::Number(_), _) | (_, Self::Number(_)) => Some(self.as_number()?.cmp(&other.as_number()?)),
            (Self::Date(_), _) | (_, Self::Date(_)) => Some(self.as_date()?.cmp(&other.as_date()?)),
            (Self::Time(_), _) | (_, Self::Time(_)) => Some(self.as_time()?.cmp(&other.as_time()?)),
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}

impl From<&Literal> for Value {
    fn from(literal: &Literal) -> Self {
        match literal {
            Literal::Text(text) => Self::Text(Arc::clone(text)),
            Literal::Number(number) => Self::Number(*number),
            Literal::Flag(flag) => Self::Truth(*flag),
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

/// The currencies that can be spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Currency {
    /// Pounds sterling.
    Gbp,
    /// Euros.
    Eur,
}

impl Currency {
    /// The code of ISO 4217.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Gbp => "GBP",
            Self::Eur => "EUR",
        }
    }
}

/// An amount in the hundredth part of its currency.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    /// Pence or cents.
    pub minor: i64,
    /// Of what.
    pub currency: Currency,
}

impl Money {
    /// Reads `1204.50 EUR`, `EUR 1204.50`, `£12` or `-3.5 GBP`, with commas between thousands if need be.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (currency, amount) =
            [("GBP", Currency::Gbp), ("£", Currency::Gbp), ("EUR", Currency::Eur), ("€", Currency::Eur)]
                .into_iter()
                .find_map(|(mark, currency)| {
                    let rest = text.strip_prefix(mark).or_else(|| text.strip_suffix(mark))?;
                    Some((currency, rest.trim()))
                })?;
        let (sign, amount) = amount.strip_prefix('-').map_or((1, amount), |rest| (-1, rest));
        let (whole, part) = amount.split_once('.').unwrap_or((amount, ""));
        let whole = whole.replace(',', "");
        let digits_only = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || part.len() > 2 || !digits_only(&whole) || !digits_only(part) {
            return None;
        }
        let hundredths: i64 = format!("{part:0<2}").parse().ok()?;
        let minor = whole.parse::<i64>().ok()?.checked_mul(100)?.checked_add(hundredths)?;
        Some(Self { minor: sign * minor, currency })
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.minor < 0 { "-" } else { "" };
        let minor = self.minor.unsigned_abs();
        write!(f, "{sign}{}.{:02} {}", minor / 100, minor % 100, self.currency.code())
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Money(· {})", self.currency.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_read_as_people_write_it() {
        let cases = [
            ("1204.50 EUR", Some((120_450, Currency::Eur))),
            ("1,204.5EUR", Some((120_450, Currency::Eur))),
            ("£12", Some((1_200, Currency::Gbp))),
            ("-3.05 GBP", Some((-305, Currency::Gbp))),
            ("EUR 0.01", Some((1, Currency::Eur))),
            ("999999.99 GBP", Some((99_999_999, Currency::Gbp))),
            ("12", None),
            ("12.345 EUR", None),
            ("EUR", None),
            ("1.2.3 EUR", None),
            ("9223372036854775807 EUR", None),
        ];
        for (text, expected) in cases {
            let read = Money::parse(text).map(|money| (money.minor, money.currency));
            assert_eq!(read, expected, "{text}");
        }
    }

    #[test]
    fn money_written_is_money_read() {
        for minor in [0, 1, 99, 100, 120_450, -1, -120_450, 99_999_999] {
            let money = Money { minor, currency: Currency::Gbp };
            assert_eq!(Money::parse(&money.to_string()), Some(money));
        }
    }

    #[test]
    fn no_value_shows_what_it_is() {
        let account = Value::text("44110021");
        let pin = Value::Secret(Secret::new(String::from("804215")));
        let money = Value::Money(Money { minor: 120_450, currency: Currency::Eur });
        assert_eq!(format!("{account:?} {pin:?} {money:?}"), "text secret money");
    }

    #[test]
    fn a_secret_equals_nothing_and_has_no_text() {
        let pin = Value::Secret(Secret::new(String::from("804215")));
        assert!(!pin.equals(&pin.clone()));
        assert!(!pin.equals(&Value::text("804215")));
        assert!(pin.as_text().is_none());
        assert!(pin.order(&Value::Number(1)).is_none());
    }

    #[test]
    fn values_of_different_spelling_compare_by_meaning() {
        let euros = |text: &str| Value::Money(Money::parse(text).expect("money"));
        assert!(euros("12 EUR").equals(&Value::text("12.00 EUR")));
        assert!(Value::Number(3).equals(&Value::text("3")));
        assert!(!euros("12 EUR").equals(&euros("12 GBP")));
        assert_eq!(euros("2 EUR").order(&euros("10 EUR")), Some(std::cmp::Ordering::Less));
        assert_eq!(euros("2 EUR").order(&euros("10 GBP")), None);
        assert_eq!(Value::Number(3).order(&Value::text("10")), Some(std::cmp::Ordering::Less));
    }

    fn any() -> impl proptest::strategy::Strategy<Value = Value> {
        use proptest::prelude::*;
        let currency = prop_oneof![Just(Currency::Gbp), Just(Currency::Eur)];
        prop_oneof![
            Just(Value::Nothing),
            "[0-9a-z. :-]{0,12}".prop_map(|text| Value::text(&text)),
            any::<i64>().prop_map(Value::Number),
            any::<bool>().prop_map(Value::Truth),
            (any::<i64>(), currency).prop_map(|(minor, currency)| Value::Money(Money { minor, currency })),
            (0..24_i8, 0..60_i8).prop_map(|(hour, minute)| Value::Time(Time::constant(hour, minute, 0, 0))),
            (1..12_i8, 1..28_i8).prop_map(|(month, day)| Value::Date(Date::constant(2026, month, day))),
            prop::collection::vec("[a-z]{1,3}".prop_map(|word| Arc::from(word.as_str())), 0..3)
                .prop_map(Value::List),
            Just(Value::Secret(Secret::new(String::from("804215")))),
        ]
    }

    proptest::proptest! {
        #[test]
        fn every_question_about_every_value_has_an_answer(a in any(), b in any(), last in 1..=255_u8) {
            for op in [SumOp::Add, SumOp::Subtract] {
                let sum = a.sum(op, &b);
                proptest::prop_assert!(matches!(sum, Value::Nothing | Value::Number(_) | Value::Money(_)));
            }
            proptest::prop_assert!(!matches!(a.filtered(Filter::Last(last)), Value::Secret(_)));
            proptest::prop_assert!(!matches!(a.filtered(Filter::Length), Value::Text(_) | Value::Secret(_)));
            proptest::prop_assert_eq!(a.order(&b), b.order(&a).map(std::cmp::Ordering::reverse));
            proptest::prop_assert_eq!(a.equals(&b), b.equals(&a));
        }
    }

    #[test]
    fn sums_and_filters_give_what_an_admin_expects() {
        let text = |value: Value| value.as_text();
        let money = |text: &str| Value::Money(Money::parse(text).expect("money"));
        assert_eq!(text(Value::Number(2).sum(SumOp::Add, &Value::Number(3))).as_deref(), Some("5"));
        assert_eq!(
            text(money("5 GBP").sum(SumOp::Subtract, &Value::text("7.50 GBP"))).as_deref(),
            Some("-2.50 GBP")
        );
        assert_eq!(text(money("5 GBP").sum(SumOp::Add, &money("5 EUR"))), None);
        assert_eq!(text(Value::Number(i64::MAX).sum(SumOp::Add, &Value::Number(1))), None);
        assert_eq!(text(Value::text("44110021").filtered(Filter::Last(4))).as_deref(), Some("0021"));
        assert_eq!(text(Value::text("21").filtered(Filter::Last(4))).as_deref(), Some("21"));
        assert_eq!(text(Value::text("ñandú").filtered(Filter::Length)).as_deref(), Some("5"));
    }
}
