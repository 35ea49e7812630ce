//! `countersign enrol`: gives a customer a factor.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command talks to its user")]

use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use countersign::auth::factor::totp;
use countersign::diagnostic;
use countersign::driver::application::{self, ApplicationSource};
use countersign::driver::os;
use countersign::driver::vault::Vault;
use countersign::flow;
use countersign::secret::Secret;
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// Gives a customer a PIN or an authenticator app, replacing the one they had.
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
    /// Makes a seed for an authenticator app and shows it as a QR code, once.
    Totp {
        /// The customer.
        subject: String,
        /// The name that the app shows.
        #[arg(long, default_value = "Countersign")]
        issuer: String,
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
        Command::Totp { subject, issuer, application, data } => {
            authenticator(&data, &subject, &issuer, application.as_deref())
        }
    })
}

fn pin(data: &Path, id: &str, generate: bool, application: Option<&Path>) -> Result<(), String> {
    let vault = super::existing(data)?;
    use_policy(&vault, application)?;
    let pin = if generate { vault.generate_pin(id).map_err(super::text)? } else { typed()? };
    vault.enrol_pin(os::unix_now(), id, &pin).map_err(super::text)?;
    if generate {
        println!("the PIN of {id} (shown this once): {}", pin.expose());
    } else {
        println!("{id} has a PIN");
    }
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

fn authenticator(data: &Path, id: &str, issuer: &str, application: Option<&Path>) -> Result<(), String> {
    let vault = super::existing(data)?;
    use_policy(&vault, application)?;
    let (parameters, seed) = vault.enrol_totp(os::unix_now(), id).map_err(super::text)?;
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

/// The PIN from the terminal, twice and unseen, or one line from a pipe.
fn typed() -> Result<Secret<String>, String> {
    if !std::io::stdin().is_terminal() {
        return line();
    }
    let _quiet = Quiet::on()?;
    eprint!("PIN: ");
    let first = line()?;
    eprint!("\nthe same again: ");
    let second = line()?;
    eprintln!();
    if first.matches(second.expose().as_bytes()) { Ok(first) } else { Err("the two PINs differ".into()) }
}

fn line() -> Result<Secret<String>, String> {
    let mut read = Secret::new(String::with_capacity(64));
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
