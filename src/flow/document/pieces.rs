//! From the parts of a prompt in a catalogue to what is played where a step uses it: what its placeholders
//! name there, and whether such a value can be said in that way.

use super::ast::{Class, Format, Joint, Piece};
use super::build::{Build, Local};
use super::catalogue::Part;
use super::names::Scope;
use super::yaml::Node;
use crate::diagnostic::{Diagnostic, Place};
use crate::flow::expr::check::{Names, Typed};
use crate::flow::expr::{Expr, Field, Type};

impl Build<'_, '_> {
    /// The pieces of a prompt that the step at `user` says.
    pub(super) fn pieces(&mut self, parts: &[Part], user: &Node, locals: &[Local]) -> Vec<Piece> {
        parts.iter().filter_map(|part| self.piece(part, user, locals)).collect()
    }

    fn piece(&mut self, part: &Part, user: &Node, locals: &[Local]) -> Option<Piece> {
        match part {
            Part::Clip(clip) => Some(Piece::Clip(clip.clone())),
            Part::Hole { name, format, place } => {
                let typed = self.spoken(name, place, user, locals)?;
                let format = self.format(name, &typed, *format, place)?;
                Some(Piece::Value { expr: typed.expr, format })
            }
            Part::Plural { name, place, branches } => {
                let typed = self.spoken(name, place, user, locals)?;
                if !matches!(typed.ty, Type::Number | Type::List) {
                    let message = format!("`{name}` is {} and has no plural", typed.ty);
                    self.error(
                        "E174",
                        place,
                        message,
                        "a plural goes with a number, or with how many a list has",
                    );
                    return None;
                }
                let mut said = Vec::new();
                for (form, parts) in branches {
                    said.push((*form, self.pieces(parts, user, locals)));
                }
                Some(Piece::Plural { expr: typed.expr, branches: said })
            }
        }
    }

    /// A value that a placeholder names, in the place where the prompt is used.
    fn spoken(&mut self, name: &str, place: &Place, user: &Node, locals: &[Local]) -> Option<Typed> {
        let scope = Scope { build: self, locals };
        let Some(typed) = scope.find(name) else {
            let names = scope.names();
            let help = super::suggestion(name, names.iter().map(String::as_str), "known there");
            let message = format!("this prompt says `{name}`, and nothing is named so where it is used");
            let diagnostic = Diagnostic::error("E180", Some(place.clone()), message)
                .help(help)
                .related(user.place.clone(), "used here");
            self.findings.push(diagnostic);
            return None;
        };
        self.may_go(&typed, Class::Personal, "a prompt", &user.place).then_some(typed)
    }

    /// How a value is said: as written if that fits it, else by its type.
    fn format(
        &mut self,
        name: &str,
        typed: &Typed,
        written: Option<Format>,
        place: &Place,
    ) -> Option<Format> {
        let Some(format) = written.or_else(|| usual(name, &typed.ty)) else {
            let message = format!("`{name}` is {}: how is it said?", typed.ty);
            let help = "write `spell` for a code; `money`, `date`, `time` or `number` when it holds one";
            self.error("E174", place, message, help);
            return None;
        };
        if !fits(format, &typed.ty) {
            let message = format!("`{name}` is {} and can't be said that way", typed.ty);
            let help = match typed.ty {
                Type::Digits => "write `spell`: digits are said one by one",
                Type::Money => "write `money`",
                Type::Date => "write `date`",
                Type::Time => "write `time`",
                Type::Number => "write `number`, `count` or `plural`",
                Type::List => "write `and`, `or`, `count` or `plural`",
                Type::Flag => "true and false are not said: say one of two prompts",
                Type::Text => "text is said by `spell`, `money`, `date`, `time` or `number`",
                Type::Enum(_) | Type::Level | Type::Language | Type::Band => {
                    "words and levels need no format"
                }
            };
            self.error("E174", place, message, help);
            return None;
        }
        if matches!(format, Format::Number | Format::Count) && is_code(typed) {
            let message = format!("`{name}` is said as one number, such as \"forty-four million\"");
            let help = "write `spell`: account numbers, telephone numbers and codes are said digit by digit";
            self.warn("W175", place, message, help);
        }
        Some(format)
    }
}

/// How values of a type are said when nothing is written; text may be anything.
fn usual(name: &str, ty: &Type) -> Option<Format> {
    match ty {
        Type::Digits => Some(Format::Spell { last: None }),
        Type::Number => Some(Format::Number),
        Type::Money => Some(Format::Money),
        Type::Date => Some(Format::Date),
        Type::Time => Some(Format::Time),
        Type::Enum(_) | Type::Level | Type::Language | Type::Band => Some(Format::Word),
        // What a caller may choose is offered: this or that.
        Type::List if name == "choices" => Some(Format::List(Joint::Or)),
        Type::List => Some(Format::List(Joint::And)),
        Type::Text | Type::Flag => None,
    }
}

const fn fits(format: Format, ty: &Type) -> bool {
    match format {
        Format::Spell { .. } => matches!(ty, Type::Digits | Type::Text | Type::Number),
        Format::Number => matches!(ty, Type::Number | Type::Digits | Type::Text),
        Format::Count => matches!(ty, Type::Number | Type::List | Type::Digits),
        Format::Money => matches!(ty, Type::Money | Type::Text),
        Format::Date => matches!(ty, Type::Date | Type::Text),
        Format::Time => matches!(ty, Type::Time | Type::Text),
        Format::Word => matches!(ty, Type::Enum(_) | Type::Level | Type::Language | Type::Band),
        Format::List(_) => matches!(ty, Type::List),
    }
}

/// Whether a value is a row of digits that counts nothing: an account, a telephone number.
const fn is_code(typed: &Typed) -> bool {
    matches!(typed.ty, Type::Digits)
        || matches!(
            typed.expr,
            Expr::Field(
                Field::CallFrom
                    | Field::CallTo
                    | Field::CallFirstCalled
                    | Field::CallDivertedBy
                    | Field::CustomerId
            )
        )
}
