//! Subjects, and key fobs, from a CSV file (RFC 4180): a header line, then one a line.

use std::collections::BTreeMap;

use thiserror::Error;

use super::vault::{NewFob, NewSubject, Profile};
use crate::auth::factor::hotp;
use crate::secret::Secret;

/// What is wrong with one line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {problem}")]
pub struct LineError {
    /// Counted from 1.
    pub line: usize,
    /// What.
    pub problem: LineProblem,
}

/// What can be wrong with a line before anybody looks at the store.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LineProblem {
    /// The header lacks a column.
    #[error("the header has no column `{0}`; {1}")]
    NoColumn(&'static str, &'static str),
    /// The header has one that nobody knows.
    #[error("the header has a column `{0}` that is not known; {1}")]
    UnknownColumn(String, &'static str),
    /// Too many or too few fields.
    #[error("{found} fields, but the header has {wanted}")]
    Fields {
        /// In this line.
        found: usize,
        /// In the header.
        wanted: usize,
    },
    /// A quote that is not closed, or text behind one that is.
    #[error("the quotes do not match")]
    Quotes,
    /// Something else than a seed of a key fob.
    #[error("the seed is not 16 to 128 bytes in hexadecimal or base 32")]
    Seed,
    /// Something else than a count.
    #[error("the counter is not a number")]
    Counter,
}

/// What the columns of a file are.
struct Columns {
    needed: &'static [&'static str],
    allowed: &'static [&'static str],
    help: &'static str,
}

const SUBJECTS: Columns = Columns {
    needed: &["subject", "account", "phone", "name", "language"],
    allowed: &[EMAIL, PIN, PIN_HASH],
    help: "it needs subject,account,phone,name,language and may have email, and pin or pin_hash",
};
const FOBS: Columns = Columns {
    needed: &["subject", "seed"],
    allowed: &["counter", "serial"],
    help: "it needs subject,seed and may have counter and serial",
};
const PIN: &str = "pin";
const EMAIL: &str = "email";
const PIN_HASH: &str = "pin_hash";

/// Reads the subjects of a file with the line of each, or everything that is wrong with its form.
///
/// # Errors
/// All lines that can't be read.
pub fn parse(text: &str) -> Result<Vec<(usize, NewSubject)>, Vec<LineError>> {
    read(text, &SUBJECTS, subject)
}

/// Reads the key fobs of a file with the line of each, or everything that is wrong with it.
///
/// # Errors
/// All lines that can't be read.
pub fn fobs(text: &str) -> Result<Vec<(usize, NewFob)>, Vec<LineError>> {
    read(text, &FOBS, fob)
}

/// A line's values by the names of their columns; wiped when dropped.
type Row<'a> = BTreeMap<&'a str, Secret<String>>;

fn read<T>(
    text: &str,
    columns: &Columns,
    item: impl Fn(Row<'_>) -> Result<T, LineProblem>,
) -> Result<Vec<(usize, T)>, Vec<LineError>> {
    // Spreadsheets put a byte-order mark before UTF-8.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let at = |line| move |problem| LineError { line, problem };
    let (line, header) = lines.next().unwrap_or((1, ""));
    let header = fields(header).map_err(|problem| vec![at(line)(problem)])?;
    let header: Vec<String> = header.iter().map(|name| name.trim().to_ascii_lowercase()).collect();
    let missing = columns.needed.iter().filter(|name| !header.iter().any(|column| column == *name));
    let mut errors: Vec<LineError> =
        missing.map(|name| at(line)(LineProblem::NoColumn(name, columns.help))).collect();
    let known = |column: &&String| columns.needed.iter().chain(columns.allowed).any(|name| name == column);
    let unknown = header.iter().filter(|column| !known(column));
    errors.extend(unknown.map(|column| at(line)(LineProblem::UnknownColumn(column.clone(), columns.help))));
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut items = Vec::new();
    for (line, text) in lines {
        match row(&header, text).and_then(&item) {
            Ok(item) => items.push((line, item)),
            Err(problem) => errors.push(at(line)(problem)),
        }
    }
    if errors.is_empty() { Ok(items) } else { Err(errors) }
}

fn row<'a>(header: &'a [String], line: &str) -> Result<Row<'a>, LineProblem> {
    let values: Vec<Secret<String>> = fields(line)?.into_iter().map(Secret::new).collect();
    if values.len() != header.len() {
        return Err(LineProblem::Fields { found: values.len(), wanted: header.len() });
    }
    let trimmed = values.iter().map(|value| Secret::new(value.expose().trim().to_owned()));
    Ok(header.iter().map(String::as_str).zip(trimmed).collect())
}

fn subject(mut row: Row<'_>) -> Result<NewSubject, LineProblem> {
    let mut take = |name| row.remove(name).map(|value| value.expose().clone()).unwrap_or_default();
    let profile = Profile {
        id: take("subject"),
        account: take("account"),
        phone: take("phone"),
        name: take("name"),
        language: take("language"),
        email: take(EMAIL),
        declined: Vec::new(),
    };
    let mut secret = |name| row.remove(name).filter(|secret: &Secret<String>| !secret.expose().is_empty());
    Ok(NewSubject { profile, pin: secret(PIN), pin_hash: secret(PIN_HASH) })
}

fn fob(mut row: Row<'_>) -> Result<NewFob, LineProblem> {
    let counter = match row.remove("counter").filter(|counter| !counter.expose().is_empty()) {
        Some(counter) => counter.expose().parse().map_err(|_| LineProblem::Counter)?,
        None => 0,
    };
    let seed = row.remove("seed").and_then(|seed| hotp::read_seed(&seed)).ok_or(LineProblem::Seed)?;
    let id = row.remove("subject").map(|id| id.expose().clone()).unwrap_or_default();
    Ok(NewFob { id, seed, counter })
}

/// The fields of a line: separated by commas, in quotes where they contain one, a quote doubled.
fn fields(line: &str) -> Result<Vec<String>, LineProblem> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                let (field, after) = rest.split_at(end);
                if field.contains('"') {
                    return Err(LineProblem::Quotes);
                }
                (field.to_owned(), after)
            }
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(fields),
            None => return Err(LineProblem::Quotes),
        }
    }
}

fn quoted_field(text: &str) -> Result<(String, &str), LineProblem> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let (part, after) = rest.split_once('"').ok_or(LineProblem::Quotes)?;
        field.push_str(part);
        match after.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None => return Ok((field, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_a_spreadsheet_is_read() {
        let text = "\u{feff}subject,account,phone,name,language,pin\r\n\
                    C1,44110021,+441632960101,\"Archer, \"\"Amy\"\"\",en-GB,80421537\r\n\r\n\
                    C2,44110039,+441632960102,Ben,en-GB,\r\n";
        let Ok(read) = parse(text) else { panic!("readable") };
        assert_eq!(read.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 4]);
        assert_eq!(read[0].1.profile.name, "Archer, \"Amy\"");
        assert!(read[0].1.pin.as_ref().is_some_and(|pin| pin.matches(b"80421537")));
        assert!(read[1].1.pin.is_none());
    }

    #[test]
    fn every_wrong_line_is_named_at_once() {
        let text = "subject,account,phone,name,language\nC1,1,2\nC2,\"a,b,c,d\nC3,44110021,+441632960101,Ann,en-GB\n";
        let Err(errors) = parse(text) else { panic!("two lines are wrong") };
        let expected = [
            LineError { line: 2, problem: LineProblem::Fields { found: 3, wanted: 5 } },
            LineError { line: 3, problem: LineProblem::Quotes },
        ];
        assert_eq!(errors, expected);
        let Err(errors) = parse("subject,account,phone,nom,language\n") else { panic!("no such column") };
        assert_eq!(errors.len(), 2);
    }

    #[test]
    fn a_list_of_fobs_is_read_with_seeds_in_either_spelling() {
        let text = "serial,subject,seed,counter\nA1,C1,3132333435363738393031323334353637383930,\n\
                    A2,C2,GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ,17\n";
        let Ok(read) = fobs(text) else { panic!("readable") };
        let facts = read.iter().map(|(line, fob)| (*line, fob.id.as_str(), fob.counter));
        assert_eq!(facts.collect::<Vec<_>>(), [(2, "C1", 0), (3, "C2", 17)]);
        assert!(read.iter().all(|(_, fob)| fob.seed.matches(b"12345678901234567890")));
        let Err(errors) =
            fobs("subject,seed,counter\nC1,short,\nC2,3132333435363738393031323334353637383930,x\n")
        else {
            panic!("two lines are wrong")
        };
        let problems: Vec<&LineProblem> = errors.iter().map(|error| &error.problem).collect();
        assert_eq!(problems, [&LineProblem::Seed, &LineProblem::Counter]);
    }
}
