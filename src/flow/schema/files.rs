//! The fields of every file around the steps: what each is called, what can be written there, what it is for.

use super::risk::RISK;
use crate::flow::step::{FieldSpec, Shape};

pub(super) const fn must(name: &'static str, shape: Shape, doc: &'static str) -> FieldSpec {
    FieldSpec::required(name, shape, doc)
}

pub(super) const fn may(name: &'static str, shape: Shape, doc: &'static str) -> FieldSpec {
    FieldSpec::optional(name, shape, doc)
}

const NOTE: FieldSpec = may("note", Shape::Text, "free text for whoever reads it");
const ONE: Shape = Shape::Count { min: 1, max: 1 };
const TEXTS: Shape = Shape::List(&Shape::Text);

/// A variable.
const VARIABLE: Shape = Shape::Object(&[
    must(
        "type",
        Shape::Choice(&[
            "digits", "text", "number", "money", "date", "time", "flag", "enum", "level", "language",
        ]),
        "what it can hold",
    ),
    may("of", TEXTS, "the words of an `enum`"),
    may(
        "class",
        Shape::Choice(&["public", "personal", "secret", "card"]),
        "where its value may travel; `public` when left out",
    ),
]);
const VARIABLES: Shape = Shape::Map("a variable", &VARIABLE);
const BLOCKS: Shape = Shape::Map("a block", &Shape::Steps);

/// The fields of a main flow and of a sub-flow in a file of its own.
pub const FLOW: [FieldSpec; 12] = [
    must("callflow", ONE, "the version of the language"),
    must("id", Shape::Text, "its name in records and for `run`"),
    may("title", Shape::Text, "its name for people"),
    may("entry", Shape::Block, "the first block; not needed when it is called `start` or is the only one"),
    may(
        "imports",
        Shape::Object(&[
            may("policy", Shape::Text, "instead of `policy.yaml`"),
            may("services", Shape::Text, "instead of `services.yaml`"),
            may("calendars", Shape::Text, "instead of `calendars.yaml`"),
            may("prompts", Shape::Text, "instead of the folder `prompts/`"),
        ]),
        "other paths than the usual ones",
    ),
    may("vars", VARIABLES, "variables, each with a type and a class"),
    must("blocks", BLOCKS, "the blocks: names, each with a list of steps"),
    may("takes", VARIABLES, "what a sub-flow is given"),
    may("outcomes", TEXTS, "how a sub-flow can end; the main flow has none"),
    may("gives", VARIABLES, "what a sub-flow gives back"),
    may("secure", Shape::Flag, "`true`: recording, listening in and key logs are off inside"),
    NOTE,
];

/// The fields of a main flow only, but for `subflows`.
pub const MAIN: [FieldSpec; 7] = [
    may(
        "languages",
        Shape::Object(&[
            may("default", Shape::Text, "the language a call starts in"),
            may("offer", TEXTS, "the languages on offer; all catalogues when left out"),
        ]),
        "the languages of the application",
    ),
    may(
        "defaults",
        Shape::Object(&[
            may(
                "input",
                Shape::Object(&[
                    may("first", Shape::Duration, "the longest wait for the first key"),
                    may("between", Shape::Duration, "the longest wait between two keys"),
                    may("total", Shape::Duration, "the longest time for one entry"),
                    may("tries", Shape::Count { min: 1, max: 9 }, "how many tries there are"),
                    may(
                        "interrupt",
                        Shape::Choice(&["keys", "keys_and_speech", "never"]),
                        "what ends a prompt early",
                    ),
                ]),
                "for all steps that collect keys",
            ),
            may(
                "recording",
                Shape::Object(&[
                    may(
                        "mode",
                        Shape::Choice(&["by_step", "on_after_consent", "always"]),
                        "when calls are recorded",
                    ),
                    may("consent", Shape::Text, "the purpose of the `consent` that it needs"),
                ]),
                "how calls are recorded",
            ),
        ]),
        "what holds for all steps that say nothing else",
    ),
    may(
        "always",
        Shape::Object(&[may(
            "keys",
            Shape::Map(
                "a key",
                &Shape::Object(&[
                    may("do", Shape::Choice(&["repeat"]), "say the question again"),
                    may("goto", Shape::Block, "jump to a block"),
                ]),
            ),
            "keys, each with what it does",
        )]),
        "keys that work wherever keys are collected or something is said",
    ),
    may(
        "when_error",
        Shape::Object(&[must("goto", Shape::Block, "a block")]),
        "where a call goes when something fails that no outcome names",
    ),
    may(
        "when_hangup",
        Shape::Object(&[must("run", Shape::Block, "a block")]),
        "what runs after the caller has hung up",
    ),
    may(
        "subflows",
        Shape::Map(
            "a sub-flow",
            &Shape::Object(&[
                may("takes", VARIABLES, "what it is given"),
                must("outcomes", TEXTS, "how it can end"),
                may("gives", VARIABLES, "what it gives back"),
                may("vars", VARIABLES, "its own variables"),
                may("entry", Shape::Block, "its first block"),
                may("secure", Shape::Flag, "`true`: recording, listening in and key logs are off inside"),
                must("blocks", BLOCKS, "its blocks"),
                NOTE,
            ]),
        ),
        "small flows inside this file",
    ),
    may("targets", Shape::Map("a target", &Shape::Text), "fixed SIP addresses for `transfer`"),
];

/// The fields of a menu's option; a step may stand beside them.
pub const OPTION: [FieldSpec; 4] = [
    must("key", Shape::Key, "the key: a quoted digit (up to four in a row), `star`, `hash`"),
    may("value", Shape::Expression, "what the menu's variable becomes"),
    may("words", Shape::Text, "phrases of the catalogues that may be said instead"),
    may("when", Shape::Expression, "offered only while this holds"),
];

const FACTOR: Shape = Shape::Object(&[
    may("kind", Shape::Choice(&["knowledge", "possession", "inherence"]), "what it rests on"),
    may(
        "digits",
        Shape::OneOf(&[
            Shape::Count { min: 1, max: 255 },
            Shape::Object(&[
                must("min", Shape::Count { min: 1, max: 255 }, "at least"),
                must("max", Shape::Count { min: 1, max: 255 }, "at most"),
            ]),
        ]),
        "how many digits",
    ),
    may("short_because", Shape::Text, "why a PIN has fewer than 8 digits"),
    may("weak", Shape::Flag, "counts at the lowest level only"),
    may("spoken", Shape::Flag, "its digits may be said in place of typing them"),
    may("store", Shape::Choice(&["argon2id"]), "how it is kept; always so"),
    may("refuse", TEXTS, "what is refused as a PIN; always so"),
    may("step", Shape::Duration, "how long a one-time code holds"),
    may("drift", Shape::Count { min: 0, max: 255 }, "steps before and after that are accepted"),
    may("algorithm", Shape::Choice(&["sha1", "sha256", "sha512"]), "of the authenticator app"),
    may("single_use", Shape::Flag, "always true"),
    may("send", Shape::Choice(&["sms", "email", "call", "push"]), "how a code or an approval is sent"),
    may("life", Shape::Duration, "how long what is sent is good for, ten minutes at most"),
    may(
        "resend",
        Shape::Object(&[
            may("max", Shape::Count { min: 0, max: 9 }, "how often after the first time, within an hour"),
            may("gap", Shape::Duration, "not sooner after the time before"),
        ]),
        "sending it again",
    ),
    may("to", Shape::Choice(&["on_file"]), "where it goes; always so"),
    may(
        "text",
        Shape::OneOf(&[Shape::Text, Shape::Map("a language", &Shape::Text)]),
        "what is sent, with `${code}` or, of an approval, `${link}` in it; by language",
    ),
    may("number_match", Shape::Flag, "always true"),
    may("attestation", Shape::Choice(&["A"]), "how far the network vouches for a calling number; always so"),
    may("engine", Shape::Choice(&["voice.local"]), "of a voiceprint: what compares voices; always so"),
    may("mode", Shape::Choice(&["passive", "phrase", "random_digits"]), "of a voiceprint: what is said"),
    may("speech_needed", Shape::Duration, "of a voiceprint: how much speech it takes"),
    may("accept", Shape::Text, "of a voiceprint: how many wrong speakers may be accepted, such as `1%`"),
    may(
        "liveness",
        Shape::Object(&[
            may("replay", Shape::Choice(&["required"]), "what was heard before is refused; always so"),
            may("synthetic", Shape::Choice(&["advisory"]), "a machine's voice is a signal of risk at most"),
            may(
                "joined",
                Shape::Choice(&["off", "flag", "refuse"]),
                "what follows when random digits sound put together from recordings; `flag` when left out",
            ),
            may("within", Shape::Duration, "how soon a person begins to say what was asked for"),
        ]),
        "of a voiceprint: what else has to hold",
    ),
    may(
        "counts_alone",
        Shape::OneOf(&[Shape::Flag, Shape::Text]),
        "of a voiceprint: `false`, or why it counts without a factor that is had",
    ),
    may("needs_consent", Shape::Text, "of a voiceprint: the purpose that was consented to"),
    may(
        "look_ahead",
        Shape::Count { min: 0, max: 50 },
        "codes of a key fob that may have been made and not used",
    ),
    may(
        "resync",
        Shape::Count { min: 0, max: 1000 },
        "how far a key fob is caught up with by two codes in a row",
    ),
    may("ask", Shape::Count { min: 1, max: 9 }, "how many questions at a time"),
    may("spare", Shape::Count { min: 0, max: 9 }, "how many others there may be after failures"),
    may(
        "list",
        Shape::Map("a question", &Shape::Choice(&["digits", "date", "letters"])),
        "the questions, each with what its answer is",
    ),
    may(
        "told",
        Shape::Map("a question", &Shape::Choice(&["digits", "date", "letters"])),
        "questions whose answers a service tells in the call",
    ),
]);

const LEVEL: Shape = Shape::Object(&[
    must("factors", Shape::Count { min: 1, max: 9 }, "how many"),
    may("different_kinds", Shape::Flag, "whether they have to be of different kinds"),
    may("not_only", Shape::Factors, "factors that do not count alone"),
    may("max_age", Shape::Duration, "when the level is gone again"),
]);

const FAILURES: FieldSpec = may("failures", Shape::Count { min: 1, max: 100_000 }, "how many");
const WITHIN: FieldSpec = may("within", Shape::Duration, "in this time");
const SUBJECT: Shape = Shape::Object(&[
    FAILURES,
    WITHIN,
    may("lock", Shape::Duration, "how long they are locked then"),
    may("growing", Shape::Flag, "each further failure doubles it"),
    may("count", Shape::Text, "what counts, in words"),
]);
const PLACE: Shape = Shape::Object(&[
    FAILURES,
    WITHIN,
    may("lock", Shape::Duration, "how long nothing from there is judged then"),
]);
const GUESSES: Shape = Shape::Object(&[
    may("per_day", Shape::Count { min: 1, max: 1000 }, "how many codes may be guessed at in 24 hours"),
    may("for_owner", Shape::Count { min: 0, max: 1000 }, "how many of them are kept for the owner"),
    may("owner", Shape::Choice(&["number_on_file", "attested_number"]), "who counts as the owner"),
]);
const MINING: Shape = Shape::Object(&[
    may("accounts_per_caller", Shape::Count { min: 1, max: 64 }, "accounts that one number asks for"),
    may("unknown_per_trunk", Shape::Count { min: 1, max: 1024 }, "accounts that nobody has, from one trunk"),
    WITHIN,
]);

/// The fields of a policy.
pub const POLICY: [FieldSpec; 9] = [
    must("authpolicy", ONE, "the version of the language"),
    must("factors", Shape::Map("a factor", &FACTOR), "the factors, by name"),
    must("levels", Shape::Map("a level", &LEVEL), "the levels, lowest first"),
    may(
        "lockout",
        Shape::Object(&[
            may(
                "per_call",
                Shape::Object(&[must("failures", Shape::Count { min: 0, max: 1000 }, "how many")]),
                "failures in one call",
            ),
            may("per_subject", SUBJECT, "failures of one subject"),
            may("per_customer", SUBJECT, "the same as `per_subject`"),
            may(
                "hard_stop",
                Shape::Count { min: 0, max: 100 },
                "failures in a row after which a factor is enrolled again",
            ),
            may("guesses", GUESSES, "what may be guessed at one subject in a day, whatever the factor"),
            may("per_caller", PLACE, "failures from one number, over all subjects"),
            may("per_trunk", PLACE, "failures from one trunk"),
            may("engine", PLACE, "failures over everything"),
            may("mining", MINING, "when somebody seems to try which accounts there are"),
            may("unlock", Shape::List(&Shape::Choice(&["time", "operator"])), "how a lock ends; always both"),
        ]),
        "limits",
    ),
    may("risk", RISK, "what makes a call suspicious"),
    may(
        "duress",
        Shape::Choice(&["same", "nothing"]),
        "whether subjects may have a second PIN for when they are not free, and what it gives",
    ),
    may("title", Shape::Text, "its name for people"),
    may(
        "standard",
        Shape::Choice(&["nist_sp_800_63b_4", "pci_dss_4_0_1", "hipaa"]),
        "what `countersign policy explain` holds it against",
    ),
    may(
        "exceptions",
        Shape::List(&Shape::Object(&[
            must("rule", Shape::Text, "from which rule"),
            must("what", Shape::Text, "what is otherwise"),
            must("because", Shape::Text, "why"),
        ])),
        "where it departs from rules, for those who read it",
    ),
];

const CLASS: Shape = Shape::Choice(&["public", "personal", "secret"]);
const REPLY: Shape = Shape::Map(
    "a field",
    &Shape::OneOf(&[
        CLASS,
        Shape::Object(&[
            must("class", CLASS, "where it may travel"),
            may(
                "type",
                Shape::Choice(&["text", "digits", "number", "money", "date", "time", "flag"]),
                "what it is; text when left out",
            ),
            may("path", Shape::Text, "where it stands in the reply: `data.balance`"),
            may("currency", Shape::Choice(&["EUR", "GBP"]), "of money without one"),
            NOTE,
        ]),
    ]),
);
const FLAG_OR_STATUS: Shape = Shape::OneOf(&[Shape::Flag, TEXTS]);
const FREE: Shape = Shape::Any;

/// A call of any kind of service: what each may have is told by `countersign check`.
const CALL: Shape = Shape::Object(&[
    may("table", Shape::Text, "a CSV file of the application's folder"),
    may("key", Shape::Any, "the column that is searched"),
    may("query", Shape::Text, "a statement that reads, with `:name` for arguments"),
    may("execute", Shape::Text, "a statement that writes, with `:name` for arguments"),
    may("get", Shape::Text, "a path, with `${name}` for arguments"),
    may("post", Shape::Text, "a path, with `${name}` for arguments"),
    may("put", Shape::Text, "a path, with `${name}` for arguments"),
    may("patch", Shape::Text, "a path, with `${name}` for arguments"),
    may("delete", Shape::Text, "a path, with `${name}` for arguments"),
    may("body", FREE, "arguments that are sent as JSON"),
    may("form", FREE, "arguments that are sent as a form"),
    may("headers", FREE, "headers, with `${name}` for arguments"),
    may("reply", REPLY, "the fields of the reply, each with its class"),
    may("list", Shape::Any, "where the list of replies stands"),
    may("ok", FLAG_OR_STATUS, "statuses that are an answer"),
    may("not_found", FLAG_OR_STATUS, "there being no such thing is an outcome"),
    may("declined", FLAG_OR_STATUS, "statuses by which the service says no"),
    may("level", Shape::Level, "no path of a flow may get here below it"),
    may("subject", Shape::Text, "the argument that is the proven identity"),
    may(
        "cache",
        Shape::OneOf(&[Shape::Duration, Shape::Object(&[must("for", Shape::Duration, "how long")])]),
        "how long a reply may be used again",
    ),
    may("idempotent", Shape::Flag, "sending it twice does no harm"),
    may("log_safe", Shape::Flag, "its path may stand in somebody's log"),
    NOTE,
]);

const SERVICE: Shape = Shape::Object(&[
    must("kind", Shape::Choice(&["table", "sql", "http"]), "what it is"),
    may("base", Shape::Text, "where it is: `https://crm.example/v2`"),
    may("plain", Shape::Flag, "`http://` is meant"),
    may("auth", FREE, "`{bearer: \"secret:crm/token\"}`: how we say who we are"),
    may("ca", Shape::Text, "certificates of its own, a PEM file"),
    may("connect", Shape::Any, "how the connection is made"),
    may(
        "retry",
        Shape::Object(&[
            may("times", Shape::Count { min: 0, max: 9 }, "how often"),
            may("only", TEXTS, "after what: `connect`, a status"),
        ]),
        "asking again",
    ),
    may(
        "breaker",
        Shape::Object(&[
            may("open_after", Shape::Count { min: 1, max: 1000 }, "failures in a row"),
            may("for", Shape::Duration, "how long it is not asked then"),
        ]),
        "not asking a service that fails",
    ),
    may("accepts", TEXTS, "`[card]`: may be given card data"),
    may("idempotency", Shape::Any, "the header by which it tells repeated requests"),
    may("log_safe", Shape::Flag, "its paths may stand in somebody's log"),
    may("path", Shape::Text, "an SQLite file"),
    must("calls", Shape::Map("a call", &CALL), "what can be asked of it"),
    NOTE,
]);

/// The fields of `services.yaml`.
pub const SERVICES: [FieldSpec; 1] =
    [must("services", Shape::Map("a service", &SERVICE), "where values come from")];

const HOURS: Shape = TEXTS;

/// The fields of `calendars.yaml`.
pub const CALENDARS: [FieldSpec; 1] = [must(
    "calendars",
    Shape::Map(
        "a calendar",
        &Shape::Object(&[
            must("zone", Shape::Text, "the time zone: `Europe/London`"),
            must("open", Shape::Map("days", &HOURS), "`{mon-fri: \"09:00-17:00\"}`"),
            may(
                "holidays",
                Shape::List(&Shape::OneOf(&[
                    Shape::Text,
                    Shape::Object(&[
                        may("date", Shape::Text, "`2026-12-24`, or `12-25` for every year"),
                        may("from", Shape::Text, "the first day"),
                        may("to", Shape::Text, "the last day"),
                        may("open", HOURS, "the hours of that day"),
                        NOTE,
                    ]),
                ])),
                "days with hours of their own, or none",
            ),
            NOTE,
        ]),
    ),
    "opening hours",
)];

/// The fields of a catalogue.
pub const PROMPTS: [FieldSpec; 5] = [
    must("language", Shape::Text, "its tag: `en-GB`"),
    may("voice", Shape::Text, "who speaks it, for whoever records"),
    must(
        "prompts",
        Shape::Map(
            "a prompt",
            &Shape::OneOf(&[
                Shape::Text,
                Shape::Object(&[
                    may("file", Shape::Text, "the recording, below `audio/<language>/`"),
                    must("text", Shape::Text, "what is said"),
                    may("heard", Shape::Text, "what is said in its place where the engine hears the caller"),
                ]),
            ]),
        ),
        "what is said, by key",
    ),
    may("words", Shape::Map("a key", &TEXTS), "what callers may say, by key"),
    may("vocabulary", FREE, "what the recordings of numbers, days and words say"),
];
