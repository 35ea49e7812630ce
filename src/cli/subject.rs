//! `countersign subject`: customers in, shown, out.

#![expect(clippy::print_stdout, reason = "a command talks to its user")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use countersign::auth::FactorId;
use countersign::driver::control::{self, Reply, Request};
use countersign::driver::import;
use countersign::driver::os;
use countersign::driver::vault::{ContactChange, NewSubject, OrderedBy, PasskeyShown, Profile, Shown, Vault};
use countersign::secret::Secret;
use countersign::units::UnixTime;

/// Adds, imports, shows and removes the customers that callers may claim to be.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Adds one customer.
    Add {
        /// The identifier that services know the customer by, such as C1001.
        subject: String,
        /// The account number that the caller keys.
        #[arg(long)]
        account: String,
        /// The telephone number on file, with + and the country code.
        #[arg(long)]
        phone: String,
        /// The name.
        #[arg(long, default_value = "")]
        name: String,
        /// The mail address on file.
        #[arg(long, default_value = "")]
        email: String,
        /// The language, such as en-GB.
        #[arg(long, default_value = "")]
        language: String,
        /// The data folder.
        #[arg(long, default_value = "data")]
        data: PathBuf,
    },
    /// Adds all customers of a CSV file (subject,account,phone,name,language and, if you like, pin or pin_hash), or none.
    Import {
        /// The file.
        file: PathBuf,
        /// The application whose policy says how long a PIN is; without it, 8 digits.
        #[arg(long)]
        application: Option<PathBuf>,
        /// The data folder.
        #[arg(long, default_value = "data")]
        data: PathBuf,
    },
    /// Changes what is on file of a customer. The old number and address are told of a new one. Make sure first that it is the customer who asks.
    Set {
        /// The identifier.
        subject: String,
        /// The telephone number, with + and the country code.
        #[arg(long)]
        phone: Option<String>,
        /// The mail address; "" for none.
        #[arg(long)]
        email: Option<String>,
        /// The name.
        #[arg(long)]
        name: Option<String>,
        /// The language, such as en-GB.
        #[arg(long)]
        language: Option<String>,
        /// A factor that the customer does not want to be asked for, such as otp_sms; may be repeated.
        #[arg(long, value_name = "FACTOR")]
        without: Vec<String>,
        /// A factor that they may be asked for again.
        #[arg(long, value_name = "FACTOR")]
        with: Vec<String>,
        /// The data folder.
        #[arg(long, default_value = "data")]
        data: PathBuf,
    },
    /// Has a running server send a customer a link to enrol a passkey or an authenticator app by, and prints the code that you tell them by another way. Make sure first that it is the customer who asks.
    Link {
        /// The identifier.
        subject: String,
        /// What is enrolled: push (a passkey) or totp (an authenticator app).
        #[arg(long, default_value = "push")]
        factor: String,
        /// By which way: sms or email, to the address on file.
        #[arg(long, default_value = "sms")]
        by: String,
        /// The data folder of the running server.
        #[arg(long, default_value = "data")]
        data: PathBuf,
    },
    /// Lists a customer's passkeys, or takes one away: when a telephone is lost.
    Passkeys {
        /// The identifier.
        subject: String,
        /// Take the one of this name away.
        #[arg(long, value_name = "NAME")]
        remove: Option<String>,
        /// The data folder.
        #[arg(long, default_value = "data")]
        data: PathBuf,
    },
    /// Shows one customer, or all, with masked numbers.
    Show {
        /// The identifier; without it, all.
        subject: Option<String>,
        /// As whom: an officer sees one customer in clear, with a reason that the audit log keeps.
        #[command(flatten)]
        looking: super::Looking,
        /// The data folder.
        #[arg(long, default_value = "data")]
        data: PathBuf,
    },
    /// Lifts a customer's lock and forgets their failures. Make sure first that it is the customer who asks.
    Unlock {
        /// The identifier.
        subject: String,
        /// Why, for the audit log: how you know that it is the customer. Nothing personal.
        #[arg(long)]
        reason: String,
        /// The data folder.
        #[arg(long, default_value = "data")]
        data: PathBuf,
    },
    /// Destroys a customer's key, profile and factors, also in what backups hold. There is no way back.
    #[command(alias = "remove")]
    Erase {
        /// The identifier.
        subject: String,
        /// The data folder.
        #[arg(long, default_value = "data")]
        data: PathBuf,
    },
}

/// Runs the command.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    let done = match arguments.command {
        Command::Add { subject, account, phone, name, email, language, data } => {
            let declined = Vec::new();
            add(&data, Profile { id: subject, account, phone, name, language, email, declined })
        }
        Command::Import { file, application, data } => import(&data, &file, application.as_deref()),
        Command::Set { subject, phone, email, name, language, without, with, data } => {
            let change = ContactChange {
                phone: phone.map(Secret::new),
                email: email.map(Secret::new),
                name: name.map(Secret::new),
                language,
                ..ContactChange::default()
            };
            set(&data, &subject, change, &without, &with)
        }
        Command::Link { subject, factor, by, data } => link(&data, subject, factor, by),
        Command::Passkeys { subject, remove, data } => passkeys(&data, &subject, remove.as_deref()),
        Command::Show { subject, looking, data } => show(&data, subject.as_deref(), &looking),
        Command::Unlock { subject, reason, data } => unlock(&data, &subject, &reason),
        Command::Erase { subject, data } => erase(&data, &subject),
    };
    super::ended(done)
}

fn add(data: &Path, profile: Profile) -> Result<(), String> {
    let vault = Vault::open_data(data).map_err(super::text)?;
    let id = profile.id.clone();
    vault
        .add_subjects(os::unix_now(), &[NewSubject { profile, pin: None, pin_hash: None }])
        .map_err(|errors| lines(errors.iter().map(|error| error.error.to_string())))?;
    println!("{id} is added. Give them a factor: countersign enrol pin {id}");
    Ok(())
}

fn import(data: &Path, file: &Path, application: Option<&Path>) -> Result<(), String> {
    let text = read_list(file)?;
    let named = |line: usize, why: String| format!("{}:{line}: {why}", file.display());
    let rows = import::parse(Secret::new(text).expose())
        .map_err(|errors| lines(errors.iter().map(|error| named(error.line, error.problem.to_string()))))?;
    let vault = Vault::open_data(data).map_err(super::text)?;
    super::enrol::use_policy(&vault, application)?;
    let (numbers, subjects): (Vec<usize>, Vec<NewSubject>) = rows.into_iter().unzip();
    vault.add_subjects(os::unix_now(), &subjects).map_err(|errors| {
        let line = |index: usize| numbers.get(index).copied().unwrap_or_default();
        let all = lines(errors.iter().map(|error| named(line(error.index), error.error.to_string())));
        format!("{all}\nnothing was imported")
    })?;
    println!("{} customers are imported", subjects.len());
    Ok(())
}

/// The text of a CSV file.
pub(super) fn read_list(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|error| {
        format!(
            "cannot read {}: {error}\n  help: give a CSV file in UTF-8 that this user may read",
            file.display()
        )
    })
}

fn show(data: &Path, id: Option<&str>, looking: &super::Looking) -> Result<(), String> {
    let vault = super::existing(data)?;
    let now = os::unix_now();
    let found = match id {
        Some(id) => {
            let one = match looking.looker()? {
                None => vault.shown(now, id),
                Some(looker) => vault.shown_in_clear(now, id, &looker),
            };
            let one = one.map_err(super::text)?;
            vec![one.ok_or_else(|| {
                format!("there is no customer `{id}`\n  help: `countersign subject show` lists them")
            })?]
        }
        None if looking.looker()?.is_some() => {
            return Err(
                "an officer sees one customer at a time in clear\n  help: name the customer".to_owned()
            );
        }
        None => vault.all_shown(now).map_err(super::text)?,
    };
    for Shown {
        id,
        pseudonym,
        account,
        phone,
        name,
        language,
        email,
        factors,
        declined,
        offered,
        recovery_left,
        failures,
        locked,
    } in found
    {
        let email = if email.is_empty() { email } else { format!("{email}  ") };
        let told = |factor: &FactorId| match recovery_left.filter(|_| *factor == FactorId::Recovery) {
            Some(left) => format!("{factor} ({left} left)"),
            None => factor.to_string(),
        };
        let refused = declined.iter().map(|factor| format!("not {factor}"));
        let handed_out = offered.iter().map(|factor| format!("{factor} (waits for its first code)"));
        let factors: Vec<String> = factors.iter().map(told).chain(handed_out).chain(refused).collect();
        let factors = if factors.is_empty() { "nothing enrolled".into() } else { factors.join(", ") };
        let lock = if locked { ", LOCKED" } else { "" };
        println!(
            "{id}  account {account}  phone {phone}  {name}  {language}  {email}{factors}  {failures} failed{lock}  [{pseudonym}]"
        );
    }
    Ok(())
}

fn set(
    data: &Path,
    id: &str,
    change: ContactChange,
    without: &[String],
    with: &[String],
) -> Result<(), String> {
    let factors = |names: &[String]| {
        let known =
            |name: &String| FactorId::from_name(name).ok_or_else(|| format!("there is no factor `{name}`"));
        names.iter().map(known).collect::<Result<Vec<_>, _>>()
    };
    let change = ContactChange { without: factors(without)?, with: factors(with)?, ..change };
    let vault = super::existing(data)?;
    let done =
        vault.change_contact(os::unix_now(), id, &change, &OrderedBy::Operator).map_err(super::text)?;
    if done.what.is_empty() {
        println!("{id}: nothing is another than before");
    } else {
        println!("{id} is changed: {}", done.what.join(", "));
    }
    if done.told.is_empty() && (done.what.contains(&"phone") || done.what.contains(&"email")) {
        println!("nobody was told at the old address: write to the customer");
    }
    Ok(())
}

fn link(data: &Path, subject: String, factor: String, by: String) -> Result<(), String> {
    let request = Request::Link { subject: subject.clone(), factor, by: by.clone() };
    match control::ask(data, &request, Duration::from_secs(10)).map_err(super::text)? {
        Reply::Link { code, until_ms } => {
            println!(
                "a link is on its way to {subject} by {by}, good until {}",
                super::when(UnixTime(until_ms))
            );
            println!(
                "tell the customer this code by another way, such as this call (it is not shown again): {code}"
            );
            Ok(())
        }
        Reply::Refused(refusal) => Err(refusal.error),
        _ => Err("a strange answer".to_owned()),
    }
}

fn passkeys(data: &Path, id: &str, remove: Option<&str>) -> Result<(), String> {
    let (vault, now) = (super::existing(data)?, os::unix_now());
    if let Some(name) = remove {
        if !vault.remove_passkey(now, id, name).map_err(super::text)? {
            return Err(format!(
                "{id} has no passkey `{name}`\n  help: `countersign subject passkeys {id}` lists them"
            ));
        }
        println!("the passkey {name} of {id} is gone; nobody was told: write to the customer");
        return Ok(());
    }
    let all = vault.passkeys(id).map_err(super::text)?;
    if all.is_empty() {
        println!("{id} has no passkey: countersign subject link {id}");
    }
    for PasskeyShown { name, made, used, copied } in all {
        let used = used.map_or_else(|| "never used".to_owned(), |at| format!("used {}", super::when(at)));
        let copied = if copied { ", on several devices" } else { "" };
        println!("{name}  made {}, {used}{copied}", super::when(made));
    }
    Ok(())
}

fn unlock(data: &Path, id: &str, reason: &str) -> Result<(), String> {
    let vault = super::existing(data)?;
    vault.unlock(os::unix_now(), id, reason).map_err(super::text)?;
    println!("{id} is unlocked");
    Ok(())
}

fn erase(data: &Path, id: &str) -> Result<(), String> {
    let vault = super::existing(data)?;
    vault.erase(os::unix_now(), id).map_err(super::text)?;
    println!(
        "{id} is erased: key, profile and factors are destroyed, and what backups hold of them can't be read"
    );
    println!("copy subjects.key anew and destroy the copies of before: they would open what backups hold");
    Ok(())
}

fn lines(all: impl Iterator<Item = String>) -> String {
    all.collect::<Vec<_>>().join("\n")
}
