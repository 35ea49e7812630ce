//! `countersign token`: what programs show that use the API.

#![expect(clippy::print_stdout, reason = "a command talks to its user")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use countersign::driver::os;
use countersign::driver::vault::{Token, Vault};
use countersign::driver::web::api::Scope;
use countersign::secret::Secret;

/// Makes, lists, replaces and revokes the tokens of programs that use the API.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Makes a token and prints it, this once.
    Create {
        /// The name of the program, which the audit log gets.
        #[arg(long)]
        name: String,
        /// What it may do, with commas between: subjects:read,calls:read …
        #[arg(long, value_delimiter = ',', required = true, value_parser = scope)]
        scopes: Vec<Scope>,
        /// How long it is good, in days.
        #[arg(long, value_name = "90d", default_value = "90d", value_parser = days)]
        expires: Duration,
        /// The data folder.
        #[arg(long, default_value = "data")]
        data: PathBuf,
    },
    /// Shows all tokens, without what is secret of them.
    List {
        /// The data folder.
        #[arg(long, default_value = "data")]
        data: PathBuf,
    },
    /// Makes a token like another, which stays good for a while.
    Rotate {
        /// The other, as `token list` names it.
        token: String,
        /// How long the new one is good, in days.
        #[arg(long, value_name = "90d", default_value = "90d", value_parser = days)]
        expires: Duration,
        /// How long the other stays good, in hours or days.
        #[arg(long, value_name = "24h", default_value = "24h", value_parser = days)]
        overlap: Duration,
        /// The data folder.
        #[arg(long, default_value = "data")]
        data: PathBuf,
    },
    /// Makes a token useless, at once.
    Revoke {
        /// The token, as `token list` names it.
        token: String,
        /// The data folder.
        #[arg(long, default_value = "data")]
        data: PathBuf,
    },
}

/// Runs the command.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    super::ended(match arguments.command {
        Command::Create { name, scopes, expires, data } => create(&data, &name, &scopes, expires),
        Command::List { data } => list(&data),
        Command::Rotate { token, expires, overlap, data } => rotate(&data, &token, expires, overlap),
        Command::Revoke { token, data } => revoke(&data, &token),
    })
}

fn scope(name: &str) -> Result<Scope, String> {
    let names = || Scope::ALL.map(Scope::name).join(", ");
    Scope::named(name).ok_or_else(|| format!("there is no such scope; there are {}", names()))
}

/// `90d`, `12h`
fn days(text: &str) -> Result<Duration, String> {
    let wrong = || "write days or hours, such as 90d or 12h".to_owned();
    let (number, unit) = match (text.strip_suffix('d'), text.strip_suffix('h')) {
        (Some(number), _) => (number, 24 * 3600),
        (_, Some(number)) => (number, 3600),
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(unit).map(Duration::from_secs).ok_or_else(wrong)
}

fn create(data: &Path, name: &str, scopes: &[Scope], expires: Duration) -> Result<(), String> {
    let vault = Vault::open_data(data).map_err(super::text)?;
    let scopes: Vec<String> = scopes.iter().map(|scope| scope.name().to_owned()).collect();
    let made = vault.make_token(os::unix_now(), name, &scopes, expires).map_err(super::text)?;
    print(&made);
    Ok(())
}

fn rotate(data: &Path, id: &str, expires: Duration, overlap: Duration) -> Result<(), String> {
    let vault = super::existing(data)?;
    print(&vault.rotate_token(os::unix_now(), id, expires, overlap).map_err(super::text)?);
    println!("{id} stays good for {} hour(s)", overlap.as_secs() / 3600);
    Ok(())
}

fn print((token, text): &(Token, Secret<String>)) {
    println!("{}", text.expose());
    let holder = &token.holder;
    println!(
        "the token {} of {} (shown this once): {}; until {}",
        token.id,
        holder.name,
        holder.scopes.join(", "),
        super::when(holder.until)
    );
}

fn list(data: &Path) -> Result<(), String> {
    let (vault, now) = (super::existing(data)?, os::unix_now());
    let tokens = vault.tokens().map_err(super::text)?;
    if tokens.is_empty() {
        println!("no token was made yet");
    }
    for token in tokens {
        let holder = &token.holder;
        let state = match (holder.revoked, token.is_good(now)) {
            (Some(at), _) => format!("REVOKED {}", super::when(at)),
            (None, true) => format!("until {}", super::when(holder.until)),
            (None, false) => format!("EXPIRED {}", super::when(holder.until)),
        };
        println!("{}  {}  {state}  {}", token.id, holder.name, holder.scopes.join(", "));
    }
    Ok(())
}

fn revoke(data: &Path, id: &str) -> Result<(), String> {
    let token = super::existing(data)?.revoke_token(os::unix_now(), id).map_err(super::text)?;
    println!("{id} of {} is good no more", token.holder.name);
    Ok(())
}
