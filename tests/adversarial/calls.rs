//! Guessing and looking for accounts through real calls: every factor that is keyed, attackers from several numbers,
//! kills and restarts in between. What they reach, and what they learn.

use std::fs;
use std::sync::Arc;

use countersign::auth::{FactorId, Policy};
use countersign::driver::os;
use countersign::driver::vault::{Counts, NewFob, Vault};
use countersign::secret::Secret;

use crate::deployed::{Gateway, application, asked_for_an_account};
use crate::rounds;
use crate::site::{Folder, Handset, IN_TIME, SOON, Served, Stage, countersign};
use crate::statistic::Times;
use crate::timing::tell;
use crate::vault_world::{customer, secret};

/// A factor by itself, as it stands in an application of its own.
struct Way {
    factor: &'static str,
    /// The factor's line in the policy.
    settings: &'static str,
    digits: usize,
    /// So many of `of` codes are right at a time.
    right: f64,
    of: f64,
    /// Whose it is, and what nobody has.
    account: &'static str,
    unknown: &'static str,
}

const WAYS: [Way; 5] = [
    Way {
        factor: "pin",
        settings: "{digits: 8}",
        digits: 8,
        right: 1.0,
        of: 1e8,
        account: "27395811",
        unknown: "83610471",
    },
    Way {
        factor: "totp",
        settings: "{digits: 6, step: 30s, drift: 1}",
        digits: 6,
        right: 3.0,
        of: 1e6,
        account: "27395812",
        unknown: "83610472",
    },
    Way {
        factor: "hotp",
        settings: "{digits: 6, look_ahead: 2}",
        digits: 6,
        right: 3.0,
        of: 1e6,
        account: "27395813",
        unknown: "83610473",
    },
    Way {
        factor: "otp_sms",
        settings: "{digits: 6, life: 5m, resend: {max: 2, gap: 30s}}",
        digits: 6,
        right: 1.0,
        of: 1e6,
        account: "27395814",
        unknown: "83610474",
    },
    Way {
        factor: "recovery",
        settings: "{}",
        digits: 9,
        right: 1.0,
        of: 1e8,
        account: "27395815",
        unknown: "83610475",
    },
];

/// Behind the account.
const FLOW: &str = "  prove:
    - authenticate: customer
      level: basic
      offer: [FACTOR]
      prompts: {FACTOR: guess_please, failed: not_quite}
      outcome:
        reached: {goto: bye}
        insufficient: {goto: bye}
        not_enrolled: {goto: bye}
        locked: {goto: bye}
        unavailable: {goto: bye}
  bye:
    - hangup:
";

/// Attackers at each account; every one calls from a number of their own.
const ATTACKERS: u32 = 3;
/// What a day has room for by the policy, which says nothing of it: the default.
const PER_DAY: u32 = 10;
/// So many accounts may a number ask for in an hour before it is told.
const MINED: u32 = 6;

/// What an attacker hears in a call, and how long each answer took, in nanoseconds.
struct Heard {
    prompts: Vec<String>,
    outcomes: Vec<String>,
    levels: Vec<String>,
    times: Vec<f64>,
    guesses: u32,
}

/// How the steps ended, but for who was found: that the trunk's owner may see, and no caller.
fn outcomes(caller: &Handset) -> Vec<String> {
    let all = caller.traced("outcome", "outcome").into_iter();
    all.filter(|outcome| *outcome != "one" && *outcome != "none").collect()
}

/// One call: account, then guesses until the engine ends it.
fn attack(from: &str, uri: &str, account: &str, digits: usize, turn: u32) -> Heard {
    let mut stage = Stage::new(vec![Handset::new(from)]);
    stage.handsets[0].dial(uri);
    stage.answer(0, "account_number", &format!("{account}#"));
    let asked = |all: &[Handset]| all[0].prompts().iter().filter(|prompt| *prompt == "guess_please").count();
    let (mut times, mut guesses) = (Vec::new(), 0);
    loop {
        let before = usize::try_from(guesses).expect("few");
        let begun = os::now();
        let next = stage.until(IN_TIME, |all| all[0].ended.is_some() || asked(all) > before);
        assert!(next, "neither asked nor ended: {:?}", stage.handsets[0].prompts());
        if guesses > 0 {
            times.push((os::now() - begun).as_nanos() as f64);
        }
        if asked(&stage.handsets) <= before {
            break;
        }
        stage.handsets[0].press(&format!("{:0digits$}#", 400_000 + turn * 1_000 + guesses));
        guesses += 1;
    }
    let caller = &stage.handsets[0];
    Heard {
        prompts: caller.prompts(),
        outcomes: outcomes(caller),
        levels: caller.traced("level", "level"),
        times,
        guesses,
    }
}

/// The program with the application of a factor, and a customer who has that factor only.
struct Attacked {
    way: &'static Way,
    folder: Folder,
    gateway: Gateway,
    served: Served,
}

impl Attacked {
    fn start(way: &'static Way) -> Self {
        let folder = Folder::new(way.factor);
        let (app, data) = (folder.file("app"), folder.file("data"));
        fs::create_dir_all(&data).expect("a folder");
        let Way { factor, settings, .. } = way;
        let policy = format!(
            "authpolicy: 1\ntitle: One factor\nfactors:\n  {factor}: {settings}\n\
             levels:\n  basic: {{factors: 1, max_age: 15m}}\n"
        );
        let prompts = ["account_number", "guess_please", "not_quite"];
        let flow = asked_for_an_account(factor, "One factor, that attackers guess at") + FLOW;
        application(&app, (factor, &flow.replace("FACTOR", factor)), &policy, &prompts);
        let gateway = Gateway::start();
        Gateway::key(&data);
        let settings = format!(
            "trunks: [{{name: loopback, addresses: [\"127.0.0.1\"], trace: true}}]\n{}",
            gateway.settings()
        );
        fs::write(data.join("countersign.yaml"), settings).expect("written");
        enrolled(&Vault::open_data(&data).expect("made"), way);
        let served = serve(&folder);
        Self { way, folder, gateway, served }
    }

    /// As a power cut would.
    fn killed_and_started(&mut self) {
        self.served.stop();
        self.served = serve(&self.folder);
    }

    fn uri(&self) -> String {
        format!("sip:{}@{}", self.way.factor, self.served.sip)
    }

    /// How many codes could have been hit.
    fn hit(&mut self) -> u32 {
        self.served.stop();
        let vault = Vault::open_data(&self.folder.file("data")).expect("opens");
        vault.guesses(os::unix_now(), "C1").expect("read")
    }
}

fn serve(folder: &Folder) -> Served {
    Served::start(&folder.file("data"), &[&folder.file("app").display().to_string()], None)
}

/// The customer with the factor of this way, and for a PIN others with theirs.
fn enrolled(vault: &Vault, way: &Way) {
    let now = os::unix_now();
    let used = [FactorId::Pin, FactorId::Totp, FactorId::Hotp, FactorId::Recovery];
    let policy = Policy { factors: used.map(FactorId::defaults).into(), ..Policy::default() };
    vault.set_policy(Arc::new(policy));
    // Who is not there seems to have what somebody has: with one customer, this factor.
    let others = WAYS.iter().filter(|other| way.factor == "pin" && other.account != way.account);
    let mut new: Vec<_> = others.map(|other| customer(other.factor, other.account)).collect();
    new.push(customer("C1", way.account));
    for new in &mut new {
        new.profile.phone = "+447700900862".to_owned();
        new.pin = (way.factor == "pin").then(|| secret("92047163"));
    }
    assert!(vault.add_subjects(now, &new).is_ok());
    match way.factor {
        "totp" => drop(vault.enrol_totp(now, "C1").expect("enrolled")),
        "hotp" => {
            let seed = Secret::new(b"12345678901234567890".to_vec());
            let fob = NewFob { id: "C1".to_owned(), seed, counter: 0 };
            assert!(vault.enrol_hotp(now, &[fob], Counts::AtOnce).is_ok());
        }
        "recovery" => drop(vault.enrol_recovery(now, "C1").expect("enrolled")),
        _ => {}
    }
}

/// All attackers of a round at one account, one after the other.
fn attackers(uri: &str, account: &str, way: &Way, number: usize, round: u32) -> Vec<Heard> {
    let from = |attacker| format!("+4416329{number:03}{round}{attacker}");
    (0..ATTACKERS).map(|at| attack(&from(at), uri, account, way.digits, round * 10 + at)).collect()
}

#[test]
#[expect(clippy::print_stdout, reason = "the figures are what this is for")]
fn guessing_through_real_calls_opens_nothing_and_tells_nothing() {
    let mut attacked: Vec<Attacked> = WAYS.iter().map(Attacked::start).collect();
    let mut heard: Vec<[Vec<Heard>; 2]> = WAYS.iter().map(|_| [Vec::new(), Vec::new()]).collect();
    for round in 0..rounds(2, 6) {
        if round > 0 {
            attacked.iter_mut().for_each(Attacked::killed_and_started);
        }
        // Known and unknown at the same time: what the machine does meanwhile is the same for both.
        let (told, tells) = std::sync::mpsc::sync_channel(2 * WAYS.len());
        let uris: Vec<String> = attacked.iter().map(Attacked::uri).collect();
        os::together(2 * WAYS.len(), |number| {
            let (way, unknown) = (&WAYS[number / 2], number % 2);
            let account = [way.account, way.unknown][unknown];
            let heard = attackers(&uris[number / 2], account, way, number, round);
            told.send((number / 2, unknown, heard)).expect("room");
        });
        drop(told);
        tells.iter().for_each(|(way, unknown, all)| heard[way][unknown].extend(all));
    }
    let sent: usize = attacked.iter().map(|attacked| attacked.gateway.count()).sum();
    for (attacked, [known, unknown]) in attacked.iter_mut().zip(&heard) {
        let keyed: u32 = known.iter().map(|heard| heard.guesses).sum();
        let hit = attacked.hit();
        let Way { factor, right, of, .. } = attacked.way;
        println!(
            "{factor}: {} calls from as many numbers, {keyed} guesses keyed, 0 right; {hit} codes of {of:.0} hit at: \
             1 in {:.0}",
            known.len(),
            of / f64::from(hit)
        );
        assert!((1..=PER_DAY).contains(&hit), "{factor}: {hit} codes");
        assert!(
            f64::from(hit) >= *right && f64::from(hit) / of <= 1e-5,
            "{factor}: at most one in 100,000 a day"
        );
        for (known, unknown) in known.iter().zip(unknown) {
            assert!(known.levels.is_empty() && unknown.levels.is_empty(), "{factor}: no level is reached");
            assert_eq!(
                (&known.prompts, &known.outcomes, known.guesses),
                (&unknown.prompts, &unknown.outcomes, unknown.guesses),
                "{factor}"
            );
        }
        assert!(known.len() == unknown.len() && known.iter().any(|heard| heard.guesses > 0), "{factor}");
    }
    assert!(
        (1..=20).contains(&sent),
        "{sent} messages: to the owner, none to anybody else, and not without end"
    );
    println!("messages sent to the one owner: {sent}; to nobody else");
    let times: Times = [0, 1].map(|unknown| {
        heard.iter().flat_map(|both| both[unknown].iter().flat_map(|heard| heard.times.clone())).collect()
    });
    let t = tell("from the last key to the next prompt, known and unknown", &times);
    assert!(t < 4.5, "the time to the next prompt tells whether there is such an account: {t}");
}

#[test]
#[expect(clippy::print_stdout, reason = "the figures are what this is for")]
fn looking_for_accounts_through_real_calls_finds_none_and_is_noticed() {
    let attacked = Attacked::start(&WAYS[0]);
    let uri = attacked.uri();
    let mining = || {
        let data = attacked.folder.file("data").display().to_string();
        let said = countersign(&["status", "--format", "json", "--data", &data]).output().expect("runs");
        let status: serde_json::Value = serde_json::from_slice(&said.stdout).expect("JSON");
        status["alarms"]["mining"].as_u64().unwrap_or_else(|| panic!("no count of alarms in {status}"))
    };
    let mut sounds = Vec::new();
    let accounts = (0..MINED + 2).map(|number| match usize::try_from(number) {
        Ok(number) if number % 2 == 0 => WAYS[number / 2].account.to_owned(),
        _ => format!("9361{number:04}"),
    });
    assert_eq!(mining(), 0);
    for (number, account) in accounts.enumerate() {
        let mut stage = Stage::new(vec![Handset::new("+441632960999")]);
        stage.handsets[0].dial(&uri);
        stage.answer(0, "account_number", &format!("{account}#"));
        stage.until(SOON, |all| all[0].prompts().len() > 1 || all[0].ended.is_some());
        sounds.push((stage.handsets[0].prompts(), outcomes(&stage.handsets[0])));
        if stage.handsets[0].ended.is_none() {
            stage.hang_up(0);
        }
        let noticed = mining() > 0;
        assert_eq!(
            noticed,
            number + 1 >= usize::try_from(MINED).expect("few"),
            "after {} accounts",
            number + 1
        );
    }
    println!(
        "{} accounts from one number, half of them real: all sound alike, the alarm at the {MINED}th",
        sounds.len()
    );
    assert!(sounds.iter().all(|sound| *sound == sounds[0]), "{sounds:#?}");
}
