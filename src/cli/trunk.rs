//! `countersign trunk` and `countersign route explain`: what carriers' servers say, what the settings say of a trunk, and where a
//! call goes.

#![expect(clippy::print_stdout, reason = "a command talks to its user")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use countersign::driver::config::{Config, Origin, Profile, Setting, TrunkConfig};
use countersign::driver::control::{self, ClientError, Reply, Request};
use countersign::driver::names::Names;
use countersign::driver::trunks::{self, Explained, Tried, Trunks};

use super::{Format, text};

/// Ask the servers of trunks, show what the settings say of them, list profiles.
#[derive(clap::Args)]
pub(crate) struct TrunkArguments {
    #[command(subcommand)]
    command: TrunkCommand,
}

#[derive(clap::Subcommand)]
enum TrunkCommand {
    /// Show every setting of the trunks, and whether it is written, of the profile, or as usual.
    Show {
        /// The trunk, as `countersign.yaml` names it; all when left out.
        name: Option<String>,
        /// The data folder.
        #[arg(long, value_name = "DIR", default_value = "data")]
        data: PathBuf,
        /// How it is printed.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// List the profiles that a trunk may have, what each sets and what it needs.
    Profiles {
        /// How they are printed.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Ask every server of a trunk now, by OPTIONS and, where `register` says so, by REGISTER.
    Test {
        /// The trunk, as `countersign.yaml` names it.
        name: String,
        /// The data folder of the running server.
        #[arg(long, value_name = "DIR", default_value = "data")]
        data: PathBuf,
        /// How it is printed.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

/// Tell where a call goes.
#[derive(clap::Args)]
pub(crate) struct RouteArguments {
    #[command(subcommand)]
    command: RouteCommand,
}

#[derive(clap::Subcommand)]
enum RouteCommand {
    /// Tell where a call goes, which rule decides it and why.
    Explain {
        /// An address, for a call that comes in; the name of a sender of calls; or anything else, such as `caller`, for a
        /// caller who is put through.
        from: String,
        /// A number with + and its country code, a name of `transfers`, or a SIP address.
        to: String,
        /// The data folder; a server that runs there tells which of the trunk's servers answer.
        #[arg(long, value_name = "DIR", default_value = "data")]
        data: PathBuf,
        /// How it is printed.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

/// Runs `trunk`.
pub(crate) fn trunk(arguments: TrunkArguments) -> ExitCode {
    match arguments.command {
        TrunkCommand::Test { name, data, format } => test(name, &data, format),
        TrunkCommand::Show { name, data, format } => super::ended(show(name.as_deref(), &data, format)),
        TrunkCommand::Profiles { format } => {
            match format {
                Format::Json => {
                    println!("{}", serde_json::Value::from(Profile::ALL.map(profile_json).to_vec()));
                }
                Format::Text => print!("{}", Profile::ALL.map(profile_shown).join("\n")),
            }
            ExitCode::SUCCESS
        }
    }
}

fn show(name: Option<&str>, data: &Path, format: Format) -> Result<(), String> {
    let config = Config::read(data).map_err(text)?;
    let trunks: Vec<&TrunkConfig> =
        config.trunks.iter().filter(|trunk| name.is_none_or(|name| name == trunk.name)).collect();
    if let (Some(name), true) = (name, trunks.is_empty()) {
        let all: Vec<&str> = config.trunks.iter().map(|trunk| trunk.name.as_str()).collect();
        let all = if all.is_empty() { "none".to_owned() } else { all.join(", ") };
        return Err(format!("there is no trunk `{name}`\n  help: {} has {all}", Config::FILE));
    }
    match format {
        Format::Json => {
            println!("{}", serde_json::Value::from(trunks.into_iter().map(trunk_json).collect::<Vec<_>>()));
        }
        Format::Text => {
            print!("{}", trunks.into_iter().map(trunk_shown).collect::<Vec<_>>().join("\n"));
        }
    }
    Ok(())
}

fn trunk_shown(trunk: &TrunkConfig) -> String {
    let profile = trunk.profile.map(|profile| format!(", profile {profile}: {}", profile.what()));
    let row = |Setting { key, value, from }: Setting| format!("  {key:<20} {value:<40} {}\n", origin(from));
    let rows: String = trunk.settings().into_iter().map(row).collect();
    format!("{}{}\n{rows}", trunk.name, profile.unwrap_or_default())
}

fn trunk_json(trunk: &TrunkConfig) -> serde_json::Value {
    let row = |Setting { key, value, from }: Setting| serde_json::json!({"setting": key, "value": value, "from": origin(from)});
    let settings: Vec<_> = trunk.settings().into_iter().map(row).collect();
    serde_json::json!({"name": trunk.name, "profile": trunk.profile.map(Profile::name), "settings": settings})
}

const fn origin(from: Origin) -> &'static str {
    match from {
        Origin::Written => "written",
        Origin::Profile => "profile",
        Origin::Usual => "usual",
    }
}

fn profile_shown(profile: Profile) -> String {
    let sets: String =
        profile.says().iter().map(|(key, value)| format!("  sets   {key}: {value}\n")).collect();
    format!("{profile}: {}\n{sets}  needs  {}\n", profile.what(), profile.needs().join(", "))
}

fn profile_json(profile: Profile) -> serde_json::Value {
    let sets: serde_json::Map<String, serde_json::Value> =
        profile.says().into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
    serde_json::json!({
        "name": profile.name(),
        "what": profile.what(),
        "sets": sets,
        "needs": profile.needs(),
    })
}

fn test(name: String, data: &Path, format: Format) -> ExitCode {
    let asked = control::ask(data, &Request::TryTrunk { trunk: name }, Duration::from_secs(30));
    let servers = match asked {
        Ok(Reply::Tried { servers }) => servers,
        Ok(Reply::Refused(refusal)) => return super::ended(Err(refusal.error)),
        Ok(_) => return super::ended(Err("a strange answer".to_owned())),
        Err(error) => return super::ended(Err(error.to_string())),
    };
    match format {
        Format::Json => println!("{}", serde_json::to_string(&servers).unwrap_or_default()),
        Format::Text => servers.iter().for_each(|tried| println!("{}", told(tried))),
    }
    let fine = servers.iter().all(is_fine);
    if fine { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

fn is_fine(tried: &Tried) -> bool {
    match (tried.method.as_str(), tried.status) {
        (_, None | Some(408 | 503)) => false,
        ("REGISTER", Some(status)) => (200..300).contains(&status),
        _ => true,
    }
}

/// What a server said, and what to do.
fn told(tried: &Tried) -> String {
    let Tried { server, at, method, status, phrase, took_ms } = tried;
    let Some(at) = at else {
        return format!(
            "{server}: the name leads nowhere\n  help: check the name in `out.servers`, and that the DNS has it: `dig`, `host`"
        );
    };
    let Some(status) = status else {
        return format!(
            "{server} ({at}): no answer to {method} within 5 s\n  help: check address, port and transport; that the firewall lets SIP out \
             and its answers in; and that the carrier knows the address that you send from"
        );
    };
    let answer = format!("{server} ({at}): {method} was answered {status} {phrase} after {took_ms} ms");
    let help = match (method.as_str(), status) {
        (_, 503) => {
            "it has no time, or no connection came about: check port and transport, and over TLS the certificate"
        }
        ("REGISTER", 401 | 403 | 407) => {
            "check `out.login.user`, the secret that `out.login.password` names, and that the carrier expects registrations of `out.register.user` at `out.domain`"
        }
        ("REGISTER", 404) => {
            "the carrier does not know the address: check `out.register.user` and `out.domain`"
        }
        ("REGISTER", 423) => "the carrier wants longer registrations, and gets them: nothing to do",
        ("REGISTER", 300..) => "ask the carrier what it expects in a registration",
        ("OPTIONS", 401 | 403 | 407) => "it is there, and says no to OPTIONS: that counts as alive",
        _ => return answer,
    };
    format!("{answer}\n  help: {help}")
}

/// Runs `route`.
pub(crate) fn route(arguments: RouteArguments) -> ExitCode {
    let RouteCommand::Explain { from, to, data, format } = arguments.command;
    let told = match explained(&data, &from, &to) {
        Ok(told) => told,
        Err(why) => return super::ended(Err(why)),
    };
    match format {
        Format::Json => {
            println!("{}", serde_json::json!({"steps": told.steps, "goes": told.goes}));
        }
        Format::Text => {
            for (number, step) in (1..).zip(&told.steps) {
                println!("{number}. {step}");
            }
            println!("{}", if told.goes { "goes" } else { "does not go" });
        }
    }
    if told.goes { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

/// By the server that runs; by the settings alone where none does.
fn explained(data: &Path, from: &str, to: &str) -> Result<Explained, String> {
    let request = Request::Route { from: from.to_owned(), to: to.to_owned() };
    match control::ask(data, &request, Duration::from_secs(30)) {
        Ok(Reply::Route { steps, goes }) => Ok(Explained { steps, goes }),
        Ok(Reply::Refused(refusal)) => Err(refusal.error),
        Ok(_) => Err("a strange answer".to_owned()),
        Err(ClientError::NotRunning(_)) => {
            let config = Config::read(data).map_err(text)?;
            let servers: Vec<SocketAddr> = config.sip.dns.iter().map(|server| server.0).collect();
            let names = Names::start(&servers, config.sip.tls.is_some()).map_err(text)?;
            let trunks = Trunks::new(&config, &names);
            Ok(trunks::explain(&config, &trunks, from, to))
        }
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_said_is_told_with_what_to_do() {
        let tried = |method: &str, status: Option<u16>, at: Option<&str>| Tried {
            server: "sip:sbc.carrier.example".to_owned(),
            at: at.map(str::to_owned),
            method: method.to_owned(),
            status,
            phrase: String::new(),
            took_ms: 12,
        };
        let at = Some("UDP 192.0.2.7:5060");
        for (method, status, at, fine, part) in [
            ("OPTIONS", Some(200), at, true, "answered 200"),
            ("OPTIONS", Some(404), at, true, "answered 404"),
            ("OPTIONS", None, at, false, "no answer to OPTIONS within 5 s"),
            ("OPTIONS", None, None, false, "leads nowhere"),
            ("OPTIONS", Some(503), at, false, "no connection"),
            ("REGISTER", Some(403), at, false, "`out.login.user`"),
            ("REGISTER", Some(200), at, true, "answered 200"),
        ] {
            let tried = tried(method, status, at);
            assert_eq!(is_fine(&tried), fine, "{tried:?}");
            let told = told(&tried);
            assert!(told.contains(part) && told.contains("sbc.carrier.example"), "{told}");
            assert!(fine || told.contains("help:"), "{told}");
        }
    }
}
