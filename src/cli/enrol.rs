//! `countersign enrol`: gives a customer a factor.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command talks to its user")]

use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use countersign::auth::factor::questions::Questions;
use countersign::auth::factor::{hotp, totp};
use countersign::auth::{FactorId, QuestionId};
use countersign::diagnostic;
use countersign::driver::application::{self, ApplicationSource};
use countersign::driver::vault::{Counts, NewFob, Vault};
use countersign::driver::{import, os};
use countersign::flow;
use countersign::secret::Secret;
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// Gives a customer a factor, replacing the one of its kind that they had.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Sets a PIN, typed without being shown, piped in, or made up and printed once.
    Pin {
        /// The customer.
        subject: String,
        /// Make up a PIN and print it once.
        #[arg(long)]
        generate: bool,
        /// The application whose policy says how long a PIN is; without it, 8 digits.
        #[arg(long)]
        application: Option<PathBuf>,
        /// The data folder.
        #[arg(long, default_value = "data")]
        data: PathBuf,
    },
    /// Sets a password that is keyed on the telephone, typed without being shown, or piped in.
    Password {
        /// The customer.
        subject: String,
        /// The application whose policy has the factor and says how long a password is.
        #[arg(long)]
        application: PathBuf,
        /// The data folder.
        #[arg(long, default_value = "data")]
        data: PathBuf,
    },
    /// Keeps the answers to the policy's questions, asked for one after the other, or piped in as `question: answer` lines.
    Questions {
        /// The customer.
        subject: String,
        /// The application whose policy has the questions.
        #[arg(long)]
        application: PathBuf,
        /// The data folder.
        #[arg(long, default_value = "data")]
        data: PathBuf,
    },
    /// Gives a key fob to one customer, its seed piped in or typed unseen; or fobs to many, from a list.
    Hotp {
        /// The customer; without one, give a list.
        #[arg(required_unless_present = "list", conflicts_with = "list")]
        subject: Option<String>,
        /// A CSV file with the columns subject,seed and, if you like, counter and serial.
        #[arg(long)]
        list: Option<PathBuf>,
        /// The counter of the fob's next code, when it is not new.
        #[arg(long, default_value_t = 0, conflicts_with = "list")]
        counter: u64,
        /// It counts from its first right code on, which a flow's `enrol` or `reset` step asks for.
        #[arg(long)]
        pending: bool,
        /// The application whose policy has the factor and says how codes are made.
        #[arg(long)]
        application: PathBuf,
        /// The data folder.
        #[arg(long, default_value = "data")]
        data: PathBuf,
    },
    /// Makes ten recovery codes and prints them once; each works once.
    Recovery {
        /// The customer.
        subject: String,
        /// The application whose policy has the factor and says how long a code is.
        #[arg(long)]
        application: PathBuf,
        /// The data folder.
        #[arg(long, default_value = "data")]
        data: PathBuf,
    },
    /// Sets a second PIN for when the customer is not free: it sounds like the first, and raises an alarm.
    Duress {
        /// The customer.
        subject: String,
        /// The application whose policy allows it.
        #[arg(long)]
        application: PathBuf,
        /// The data folder.
        #[arg(long, default_value = "data")]
        data: PathBuf,
    },
    /// Makes a seed for an authenticator app and shows it as a QR code, once.
    Totp {
        /// The customer.
        subject: String,
        /// The name that the app shows.
        #[arg(long, default_value = "Countersign")]
        issuer: String,
        /// It counts from its first right code on, which a flow's `enrol` or `reset` step asks for.
        #[arg(long)]
        pending: bool,
        /// The application whose policy says how codes are made; without it, 6 digits every 30 seconds.
        #[arg(long)]
        application: Option<PathBuf>,
        /// The data folder.
        #[arg(long, default_value = "data")]
        data: PathBuf,
    },
}

/// Runs the command.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    super::ended(match arguments.command {
        Command::Pin { subject, generate, application, data } => {
            pin(&data, &subject, generate, application.as_deref())
        }
        Command::Password { subject, application, data } => password(&data, &subject, &application),
        Command::Questions { subject, application, data } => questions(&data, &subject, &application),
        Command::Hotp { subject, list, counter, pending, application, data } => {
            let counts = if pending { Counts::FromFirstCode } else { Counts::AtOnce };
            fobs(&data, subject, (list.as_deref(), counter), counts, &application)
        }
        Command::Recovery { subject, application, data } => recovery(&data, &subject, &application),
        Command::Duress { subject, application, data } => duress(&data, &subject, &application),
        Command::Totp { subject, issuer, pending, application, data } => {
            authenticator(&data, &subject, &issuer, pending, application.as_deref())
        }
    })
}

fn pin(data: &Path, id: &str, generate: bool, application: Option<&Path>) -> Result<(), String> {
    let vault = super::existing(data)?;
    use_policy(&vault, application)?;
    let pin = if generate { vault.generate_pin(id).map_err(super::text)? } else { typed("PIN")? };
    vault.enrol_pin(os::unix_now(), id, &pin).map_err(super::text)?;
    if generate {
        println!("the PIN of {id} (shown this once): {}", pin.expose());
    } else {
        println!("{id} has a PIN");
    }
    Ok(())
}

fn password(data: &Path, id: &str, application: &Path) -> Result<(), String> {
    let vault = super::existing(data)?;
    use_policy(&vault, Some(application))?;
    vault.enrol_password(os::unix_now(), id, &typed("password")?).map_err(super::text)?;
    println!("{id} has a password: the customer keys each letter once, by the key that it stands on");
    Ok(())
}

fn questions(data: &Path, id: &str, application: &Path) -> Result<(), String> {
    let vault = super::existing(data)?;
    use_policy(&vault, Some(application))?;
    let policy = vault.policy();
    let used = policy.factor(FactorId::Questions).ok_or("the policy has no factor `questions`")?;
    let answers = if std::io::stdin().is_terminal() { asked(&used.questions)? } else { piped()? };
    let count = answers.len();
    vault.enrol_questions(os::unix_now(), id, &answers).map_err(super::text)?;
    println!("{id} has answered {count} questions");
    Ok(())
}

/// An answer for each question, unseen; an empty one leaves the question out.
fn asked(questions: &Questions) -> Result<Vec<(QuestionId, Secret<String>)>, String> {
    let _quiet = Quiet::on()?;
    let mut answers = Vec::new();
    for (question, kind) in &questions.list {
        eprint!("{question} ({}): ", kind.words());
        let answer = line()?;
        eprintln!();
        if !answer.expose().is_empty() {
            answers.push((question.clone(), answer));
        }
    }
    Ok(answers)
}

fn piped() -> Result<Vec<(QuestionId, Secret<String>)>, String> {
    let mut answers = Vec::new();
    loop {
        let read = line()?;
        if read.expose().is_empty() {
            return Ok(answers);
        }
        let (question, answer) =
            read.expose().split_once(':').ok_or("each line is `question: answer`; an empty one ends them")?;
        answers.push((QuestionId::from(question.trim()), Secret::new(answer.trim().to_owned())));
    }
}

fn recovery(data: &Path, id: &str, application: &Path) -> Result<(), String> {
    let vault = super::existing(data)?;
    use_policy(&vault, Some(application))?;
    let codes = vault.enrol_recovery(os::unix_now(), id).map_err(super::text)?;
    println!("the recovery codes of {id} (shown this once; each works once):");
    for code in codes {
        // The first digit is the number of the code; the others in threes, as people read them.
        let (number, rest) = code.expose().split_at(1);
        let groups: Vec<&str> =
            (0..rest.len()).step_by(4).filter_map(|at| rest.get(at..rest.len().min(at + 4))).collect();
        println!("  {number} {}", groups.join(" "));
    }
    Ok(())
}

fn fobs(
    data: &Path,
    subject: Option<String>,
    (list, counter): (Option<&Path>, u64),
    counts: Counts,
    application: &Path,
) -> Result<(), String> {
    let vault = super::existing(data)?;
    use_policy(&vault, Some(application))?;
    let (lines, fobs) = match (subject, list) {
        (Some(id), _) => {
            let seed = hotp::read_seed(&typed("seed")?)
                .ok_or("this is no seed: 16 to 128 bytes in hexadecimal or base 32")?;
            (vec![None], vec![NewFob { id, seed, counter }])
        }
        (None, Some(file)) => listed(file)?,
        (None, None) => return Err("name a customer or give a list".into()),
    };
    vault.enrol_hotp(os::unix_now(), &fobs, counts).map_err(|errors| {
        let named = |index: usize| lines.get(index).cloned().flatten().unwrap_or_default();
        let all: Vec<String> =
            errors.iter().map(|error| format!("{}{}", named(error.index), error.error)).collect();
        format!("{}\nnobody was given a fob", all.join("\n"))
    })?;
    match fobs.as_slice() {
        [one] => println!("{} has a key fob", one.id),
        many => println!("{} customers have key fobs", many.len()),
    }
    Ok(())
}

/// The fobs of a file, and how a message names the line of each.
fn listed(file: &Path) -> Result<(Vec<Option<String>>, Vec<NewFob>), String> {
    let text = Secret::new(super::subject::read_list(file)?);
    let named = |line: usize, why: &dyn std::fmt::Display| format!("{}:{line}: {why}", file.display());
    let fobs = import::fobs(text.expose()).map_err(|errors| {
        errors.iter().map(|error| named(error.line, &error.problem)).collect::<Vec<_>>().join("\n")
    })?;
    Ok(fobs.into_iter().map(|(line, fob)| (Some(named(line, &"")), fob)).unzip())
}

fn duress(data: &Path, id: &str, application: &Path) -> Result<(), String> {
    let vault = super::existing(data)?;
    use_policy(&vault, Some(application))?;
    vault.enrol_duress(os::unix_now(), id, &typed("PIN for duress")?).map_err(super::text)?;
    println!("{id} has a PIN for duress");
    Ok(())
}

/// Enrols by the policy of an application, where one is named.
pub(super) fn use_policy(vault: &Vault, folder: Option<&Path>) -> Result<(), String> {
    let Some(folder) = folder else { return Ok(()) };
    let files = application::open(&ApplicationSource::Folder(folder.to_owned())).map_err(super::text)?;
    let (application, _) = flow::load(files.as_ref()).map_err(|found| diagnostic::render(&found))?;
    vault.set_policy(application.policy);
    Ok(())
}

fn authenticator(
    data: &Path,
    id: &str,
    issuer: &str,
    pending: bool,
    application: Option<&Path>,
) -> Result<(), String> {
    let vault = super::existing(data)?;
    use_policy(&vault, application)?;
    let now = os::unix_now();
    let made = if pending { vault.offer_totp(now, id) } else { vault.enrol_totp(now, id) };
    let (parameters, seed) = made.map_err(super::text)?;
    let uri = parameters.uri(&seed, issuer, id);
    if let Ok(code) = QrCode::new(uri.expose().as_bytes()) {
        let drawn = Secret::new(code.render::<Dense1x2>().quiet_zone(true).build());
        for line in drawn.expose().lines() {
            // Cameras want dark on light, whatever the terminal's colours are.
            if std::io::stdout().is_terminal() {
                println!("\x1b[30;107m{line}\x1b[0m")
            } else {
                println!("{line}")
            }
        }
    }
    println!("Scan the code with an authenticator app, or type in the key. Neither is shown again.");
    println!("key: {}\n{}", totp::base32(&seed).expose(), uri.expose());
    Ok(())
}

/// A secret from the terminal, twice and unseen, or one line from a pipe.
fn typed(what: &str) -> Result<Secret<String>, String> {
    if !std::io::stdin().is_terminal() {
        return line();
    }
    let _quiet = Quiet::on()?;
    eprint!("{what}: ");
    let first = line()?;
    eprint!("\nthe same again: ");
    let second = line()?;
    eprintln!();
    if first.matches(second.expose().as_bytes()) {
        Ok(first)
    } else {
        Err(format!("the two differ: no {what} is set"))
    }
}

fn line() -> Result<Secret<String>, String> {
    let mut read = Secret::new(String::with_capacity(512));
    std::io::stdin().lock().read_line(read.expose_mut()).map_err(super::text)?;
    Ok(Secret::new(read.expose().trim().to_owned()))
}

/// A terminal that does not show what is typed, until this is dropped.
struct Quiet(Termios);

impl Quiet {
    fn on() -> Result<Self, String> {
        let before = tcgetattr(std::io::stdin()).map_err(super::text)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(std::io::stdin(), OptionalActions::Flush, &quiet).map_err(super::text)?;
        Ok(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        if tcsetattr(std::io::stdin(), OptionalActions::Flush, &self.0).is_err() {
            eprintln!("the terminal still hides what you type: run `stty echo`");
        }
    }
}
