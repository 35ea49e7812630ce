//! What a flow-test file means once it is read and checked against its application.
//!
//! Names of prompts, blocks, services, fixtures, factors and variables stand for things that are there:
//! whatever was not was told as a diagnostic by `read`.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::auth::FactorId;
use crate::diagnostic::Place;
use crate::flow::run::{Attestation, Journey, NumberCheck};
use crate::secret::Secret;
use crate::units::{Digit, UnixTime};

/// One `*.flow-test.yaml`.
pub struct TestFile {
    /// Its path, as it is shown.
    pub path: String,
    /// Its fixtures, by name.
    pub fixtures: BTreeMap<String, Fixture>,
    /// What the calendar shows when each test begins.
    pub clock: UnixTime,
    /// What no output of any test may show.
    pub never_leaks: Vec<Leak>,
    /// How much of the application the tests have to walk through.
    pub need: Vec<Need>,
    /// In the order written.
    pub tests: Vec<Test>,
}

/// A text that must not be seen.
pub struct Leak {
    /// The text.
    pub text: Secret<String>,
    /// Where it may be seen all the same.
    pub except: Vec<Seer>,
    /// Where the file says so.
    pub place: Place,
}

/// Who sees what a call puts out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seer {
    /// The caller, who hears it.
    Prompts,
    /// A service that is asked.
    Services,
    /// An agent who takes the call.
    Agents,
    /// Whoever reads traces, records, logs and the audit log. Nothing can be excepted here.
    Records,
}

/// A part of the application that tests must reach.
pub struct Need {
    /// Of what.
    pub what: Covered,
    /// At least so many percent.
    pub percent: u8,
    /// Where the file says so.
    pub place: Place,
}

/// What coverage counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Covered {
    /// Blocks that were entered.
    Blocks,
    /// Outcomes of steps that were taken.
    Outcomes,
}

/// One test.
pub struct Test {
    /// Its name.
    pub name: String,
    /// Where it is written.
    pub place: Place,
    /// One world, or several that the same script runs in.
    pub runs: Vec<Run>,
    /// What the runs have to have in common.
    pub identical: Option<Identical>,
    /// The calls, in order; what the vault knows and counts is kept from one to the next.
    pub calls: Vec<CallScript>,
    /// What must have come of it when all calls are over.
    pub after: Vec<Expect>,
    /// How often the whole test is run.
    pub repeat: u32,
}

/// A world to run a script in.
pub struct Run {
    /// Its name; empty when there is only one.
    pub name: String,
    /// Who is on file, what services say, what is given.
    pub fixture: Fixture,
}

/// What the world is like.
#[derive(Clone, Default)]
pub struct Fixture {
    /// Who is on file.
    pub people: Vec<Person>,
    /// What services reply, by `service.call`.
    pub replies: BTreeMap<String, Reply>,
    /// Facts of the world by name: `vault: unavailable`, a calendar's state, a queue that is full.
    pub facts: BTreeMap<String, String>,
    /// What the voice engine makes of the caller, in hundredths: match and synthetic.
    pub voice: BTreeMap<String, u8>,
}

/// Somebody whom the vault knows.
#[derive(Clone, Default)]
pub struct Person {
    /// The identifier, such as `C1001`.
    pub id: String,
    /// The account number.
    pub account: Option<String>,
    /// The telephone numbers.
    pub phones: Vec<String>,
    /// The language on file.
    pub language: Option<String>,
    /// The PIN that they use when they are not free.
    pub duress: Option<Secret<String>>,
    /// What proves that it is them: a PIN, the seed of a generator.
    pub factors: Vec<(FactorId, Secret<String>)>,
    /// What was handed out to them and counts from its first right code on.
    pub offered: Vec<(FactorId, Secret<String>)>,
}

/// What a service says.
#[derive(Clone)]
pub struct Reply {
    /// After how long.
    pub delay: Option<Duration>,
    /// What.
    pub what: ReplyKind,
}

/// What a service can say.
#[derive(Clone)]
pub enum ReplyKind {
    /// These fields.
    Fields(Vec<(String, String)>),
    /// There is no such thing.
    NotFound,
    /// It declines.
    Declined,
    /// More than one fits.
    Many,
    /// Nothing that could be used.
    Unavailable,
    /// What it would have said anyway, only later.
    Usual,
}

/// Runs that must not differ for the caller.
pub struct Identical {
    /// The runs, as indices.
    pub runs: Vec<usize>,
    /// How far apart the same moment may be.
    pub timing_within: Option<Duration>,
    /// Where the file says so.
    pub place: Place,
}

/// One call and what the caller does in it.
pub struct CallScript {
    /// Where it is written.
    pub place: Place,
    /// What happens to the clock before it.
    pub after: Duration,
    /// The number it comes from; `None` when it is withheld.
    pub from: Option<String>,
    /// The number that is dialled.
    pub to: String,
    /// How the network vouches for the number; `None` when it does not.
    pub attestation: Option<Attestation>,
    /// What a check of the number found.
    pub number: NumberCheck,
    /// How it came here.
    pub journey: Journey,
    /// The language that the caller would choose.
    pub language: Option<String>,
    /// What the line does to keys.
    pub line: Option<LineFaults>,
    /// What the caller does and hears.
    pub script: Vec<Act>,
}

impl CallScript {
    /// A call from some number, without a script.
    #[must_use]
    pub fn from(place: Place, from: Option<String>) -> Self {
        Self {
            place,
            after: Duration::ZERO,
            from,
            to: OUR_NUMBER.to_owned(),
            attestation: None,
            number: NumberCheck::default(),
            journey: Journey { diversions: Some(0), ..Journey::default() },
            language: None,
            line: None,
            script: Vec::new(),
        }
    }
}

/// The number that is dialled when nobody says; like the caller's of a range kept for films.
const OUR_NUMBER: &str = "+441632960000";

/// What a line does to the keys that pass it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct LineFaults {
    /// The phone sends keys as telephone-events.
    pub events: bool,
    /// The phone sends the tones of keys in its voice as well.
    pub tones: bool,
    /// The phone sends keys by SIP INFO.
    pub info: bool,
    /// So many packets of a hundred are lost.
    pub loss: u8,
    /// So many packets of a hundred come twice.
    pub doubled: u8,
    /// The mark on a key's first packet is missing.
    pub no_marker: bool,
    /// The packets that end a key are missing.
    pub no_end: bool,
    /// Packets come up to so much later than others.
    pub jitter: Duration,
    /// Nothing that the caller's side sends as media arrives.
    pub one_way: bool,
}

/// A step of a script.
pub struct Act {
    /// Where it is written.
    pub place: Place,
    /// What.
    pub verb: Verb,
}

/// Whose voice a caller speaks with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// Their own, which they are known by.
    Genuine,
    /// Somebody else's.
    Other,
    /// Their own, hard to tell.
    Unsure,
    /// A recording of what was said before.
    Replay,
    /// A recording of the prompt that asks for it.
    Prompt,
    /// Their own, put together from recordings of single words.
    Joined,
    /// Too short, too soft or too noisy to tell anything by.
    Badly,
    /// That of somebody who has deceived before.
    Fraudster,
}

/// What can stand in a script.
pub enum Verb {
    /// These prompts begin to play, in this order.
    Hears(Vec<String>),
    /// None of these prompts plays before the caller is asked for something.
    NotHears(Vec<String>),
    /// Keys.
    Presses(Keys),
    /// The right response to a factor, except that it is wrong.
    PressesWrong {
        /// Which factor.
        factor: FactorId,
        /// How often.
        times: u32,
    },
    /// The right response to a factor.
    Enters {
        /// Which factor.
        factor: FactorId,
    },
    /// Words, with how sure a recogniser is of them, in hundredths.
    Says {
        /// The words; empty for mere noise.
        words: String,
        /// How sure.
        confidence: u8,
    },
    /// The right response to a factor, said digit by digit.
    SaysRight {
        /// Which.
        factor: FactorId,
    },
    /// What is asked for, to be known by the voice.
    Speaks {
        /// Whose voice it is.
        voice: Voice,
        /// Whether they say what was asked for.
        right: bool,
    },
    /// Nothing for so long after the question.
    Silent(Duration),
    /// The option, factor or language of this name, by its keys.
    Chooses(String),
    /// From now on a service says this.
    Answers {
        /// `service.call`
        call: String,
        /// What.
        reply: Reply,
        /// Only the next time.
        once: bool,
    },
    /// What an agent does.
    Agent(AgentAct),
    /// Time passes.
    Advance(Duration),
    /// The caller does what is needed to get to a block.
    SkipsTo(String),
    /// These things are so.
    Expects(Vec<Expect>),
    /// The call gets to a block or takes an outcome of this name.
    Ends(String),
    /// The caller hangs up.
    HangsUp,
}

/// Keys to be pressed.
pub struct Keys {
    /// Which.
    pub keys: Vec<Digit>,
    /// At once, whatever plays, in place of waiting for a question.
    pub at_once: bool,
    /// From one key to the next.
    pub gap: Duration,
}

/// What an agent, or whoever is called, does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentAct {
    /// Takes the call.
    Accepts {
        /// Who.
        name: String,
    },
    /// Turns it away.
    Rejects,
    /// Is talking to somebody else.
    Busy,
    /// Lets it ring.
    NoAnswer,
    /// Can't be reached.
    Fails,
    /// Ends the talk; the caller is still there.
    HangsUp,
}

/// Something that must be so.
pub struct Expect {
    /// Where it is written.
    pub place: Place,
    /// What.
    pub what: Want,
}

/// What can be expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// The level held.
    Level(String),
    /// The factors proved, in any order.
    Factors(Vec<String>),
    /// The language that the call is in.
    Language(String),
    /// What the caller may choose from, in any order.
    Offered(Vec<String>),
    /// The caller is in this queue, or was.
    Queue(String),
    /// The caller is put through to this target, or was.
    Transfer(String),
    /// What the agent is told, by name.
    Pass(Vec<(String, String)>),
    /// What the agent is not told.
    NotPassed(Vec<String>),
    /// The call is in this block.
    Block(String),
    /// A variable holds this.
    Variable {
        /// Its name.
        name: String,
        /// Its value as text.
        value: String,
    },
    /// An event of this name was noted for the audit log.
    Audit(String),
    /// No event of this name was noted.
    NoAudit(String),
    /// A service was asked.
    Asked(String),
    /// A service was not asked.
    NotAsked(String),
    /// The call is over, for this reason.
    Cause(String),
    /// Keys are kept from everybody.
    Secure(bool),
    /// The call is answered, or is not yet.
    Answered(bool),
    /// Another public fact of the run.
    Fact {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
}
