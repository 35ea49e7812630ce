//! Subjects from a CSV file (RFC 4180): a header line, then one subject a line.

use std::collections::BTreeMap;

use thiserror::Error;

use super::vault::{NewSubject, Profile};
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
    #[error(
        "the header has no column `{0}`; it needs subject,account,phone,name,language and may have email and pin"
    )]
    NoColumn(&'static str),
    /// The header has one that nobody knows.
    #[error(
        "the header has a column `{0}` that is not known; it needs subject,account,phone,name,language and may have email and pin"
    )]
    UnknownColumn(String),
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
}

const COLUMNS: [&str; 5] = ["subject", "account", "phone", "name", "language"];
const PIN: &str = "pin";
const EMAIL: &str = "email";

/// Reads the subjects of a file with the line of each, or everything that is wrong with its form.
///
/// # Errors
/// All lines that can't be read.
pub fn parse(text: &str) -> Result<Vec<(usize, NewSubject)>, Vec<LineError>> {
    // Spreadsheets put a byte-order mark before UTF-8.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let at = |line| move |problem| LineError { line, problem };
    let (line, header) = lines.next().unwrap_or((1, ""));
    let header = fields(header).map_err(|problem| vec![at(line)(problem)])?;
    let header: Vec<String> = header.iter().map(|name| name.trim().to_ascii_lowercase()).collect();
    let missing = COLUMNS.iter().filter(|name| !header.iter().any(|column| column == *name));
    let mut errors: Vec<LineError> = missing.map(|name| at(line)(LineProblem::NoColumn(name))).collect();
    let unknown = header
        .iter()
        .filter(|column| !COLUMNS.contains(&column.as_str()) && ![PIN, EMAIL].contains(&column.as_str()));
    errors.extend(unknown.map(|column| at(line)(LineProblem::UnknownColumn(column.clone()))));
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut subjects = Vec::new();
    for (line, text) in lines {
        match subject(&header, text) {
            Ok(subject) => subjects.push((line, subject)),
            Err(problem) => errors.push(at(line)(problem)),
        }
    }
    if errors.is_empty() { Ok(subjects) } else { Err(errors) }
}

fn subject(header: &[String], line: &str) -> Result<NewSubject, LineProblem> {
    let values = fields(line)?;
    if values.len() != header.len() {
        return Err(LineProblem::Fields { found: values.len(), wanted: header.len() });
    }
    let mut row: BTreeMap<&str, String> =
        header.iter().map(String::as_str).zip(values.iter().map(|value| value.trim().to_owned())).collect();
    let mut take = |name| row.remove(name).unwrap_or_default();
    let profile = Profile {
        id: take("subject"),
        account: take("account"),
        phone: take("phone"),
        name: take("name"),
        language: take("language"),
        email: take(EMAIL),
        declined: Vec::new(),
    };
    let pin = Some(take(PIN)).filter(|pin| !pin.is_empty()).map(Secret::new);
    Ok(NewSubject { profile, pin })
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
}
