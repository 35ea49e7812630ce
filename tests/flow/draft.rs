//! Applications written in Rust: what the loader would make of a few lines of YAML.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use countersign::auth::{FactorId, LevelName, Policy};
use countersign::diagnostic::{Place, Source};
use countersign::flow::ClipKey;
use countersign::flow::document::*;
use countersign::flow::expr::{CompareOp, Expr, Field, Literal, Order, Type};
use countersign::units::Digit;

pub(crate) const MAIN: BlockId = BlockId(0);
pub(crate) const AGENT: BlockId = BlockId(1);
pub(crate) const OOPS: BlockId = BlockId(2);
pub(crate) const TIDY: BlockId = BlockId(3);
pub(crate) const SECOND: BlockId = BlockId(4);
pub(crate) const SUB: BlockId = BlockId(5);

pub(crate) const ACCOUNT: VarId = VarId(0);
pub(crate) const TOPIC: VarId = VarId(1);
pub(crate) const BALANCE: VarId = VarId(2);
pub(crate) const AMOUNT: VarId = VarId(3);
pub(crate) const CODE: VarId = VarId(4);
pub(crate) const TAKEN: VarId = VarId(5);
pub(crate) const GIVEN: VarId = VarId(6);

/// An application whose main block has these steps and then hangs up.
pub(crate) fn app(steps: Vec<StepKind>) -> Application {
    with(steps, Vec::new(), Vec::new())
}

/// The same with a second block and a sub-flow's block.
pub(crate) fn with(main: Vec<StepKind>, second: Vec<StepKind>, sub: Vec<StepKind>) -> Application {
    let closed = |mut steps: Vec<StepKind>| {
        steps.push(hangup());
        steps
    };
    let blocks = vec![
        block("main", 0, closed(main)),
        block("agent", 0, closed(vec![say("agent")])),
        block("oops", 0, closed(vec![say("oops")])),
        block(
            "tidy",
            0,
            vec![audit("tidied"), StepKind::Return(Return { outcome: OutcomeId(0), give: vec![] })],
        ),
        block("second", 0, closed(second)),
        block("start", 1, closed(sub)),
    ];
    Application {
        id: String::from("test"),
        title: String::new(),
        flows: vec![
            flow("test", MAIN, vec![], vec![]),
            flow("sub", SUB, vec![Arc::from("good"), Arc::from("bad")], vec![TAKEN, GIVEN]),
        ],
        blocks,
        vars: vec![
            var("account", Type::Digits, Class::Personal),
            var("topic", Type::Text, Class::Public),
            var("result.balance", Type::Money, Class::Personal),
            var("amount", Type::Number, Class::Public),
            var("code", Type::Digits, Class::Secret),
            var("taken", Type::Number, Class::Public),
            var("given", Type::Number, Class::Public),
        ],
        languages: ["en-GB", "es-ES"].map(|tag| Language { tag: tag.to_owned(), voice: None }).into(),
        default_language: LanguageId(0),
        policy: Arc::new(Policy::default()),
        risk: None,
        services: Services::default(),
        calendars: countersign::flow::document::Calendars::new(),
        always: vec![
            AlwaysKey { key: Digit::STAR, does: Always::Repeat },
            AlwaysKey { key: key('0'), does: Always::Goto(AGENT) },
        ],
        when_error: Some(OOPS),
        when_hangup: Some(TIDY),
        consents: BTreeMap::new(),
        recording: RecordingRule::default(),
        texts: BTreeMap::new(),
        words: BTreeMap::new(),
    }
}

fn flow(name: &str, entry: BlockId, outcomes: Vec<Arc<str>>, vars: Vec<VarId>) -> Flow {
    let main = outcomes.is_empty();
    Flow {
        name: Arc::from(name),
        entry,
        takes: if main { vec![] } else { vec![TAKEN] },
        outcomes,
        gives: if main { vec![] } else { vec![GIVEN] },
        results: if main { vec![BALANCE] } else { vec![] },
        vars,
        secure: false,
    }
}

fn var(name: &str, ty: Type, class: Class) -> Variable {
    Variable { name: Arc::from(name), ty, class }
}

fn block(name: &str, flow: u32, steps: Vec<StepKind>) -> Block {
    Block {
        name: Arc::from(name),
        flow: FlowId(flow),
        steps: steps.into_iter().map(step).collect(),
        place: place(),
    }
}

pub(crate) fn step(kind: StepKind) -> Step {
    Step { kind, when: None, place: place() }
}

fn place() -> Place {
    let source = Source { path: String::from("test.flow.yaml"), text: String::new() };
    Place { source: Arc::new(source), span: 0..0 }
}

pub(crate) fn key(c: char) -> Digit {
    Digit::from_char(c).expect("a key")
}

pub(crate) fn prompt(name: &str) -> Prompt {
    let clip = |language: &str| vec![Piece::Clip(ClipKey::new(format!("{language}/{name}")))];
    Prompt { key: Arc::from(name), pieces: vec![clip("en-GB"), clip("es-ES")], heard: Vec::new() }
}

pub(crate) fn prompt_with(name: &str, expr: Expr, format: Format) -> Prompt {
    let mut prompt = prompt(name);
    for pieces in &mut prompt.pieces {
        pieces.push(Piece::Value { expr: expr.clone(), format });
    }
    prompt
}

/// 6 s, 4 s, 20 s, three tries, ladders of two and one.
pub(crate) fn input() -> Input {
    Input {
        first: Duration::from_secs(6),
        between: Duration::from_secs(4),
        total: Duration::from_secs(20),
        tries: 3,
        interrupt: Interrupt::Keys,
        no_input: vec![prompt("silent"), prompt("silent_2")],
        no_match: vec![prompt("wrong")],
        always: true,
    }
}

/// An arm that says its own name and goes on.
pub(crate) fn arm(name: &str) -> Arm {
    Arm::Step(Box::new(step(say(name))))
}

pub(crate) fn say(name: &str) -> StepKind {
    StepKind::Say(Say { prompts: vec![prompt(name)], interrupt: Interrupt::Keys, early: false })
}

pub(crate) fn say_firmly(name: &str) -> StepKind {
    StepKind::Say(Say { prompts: vec![prompt(name)], interrupt: Interrupt::Never, early: false })
}

pub(crate) fn hangup() -> StepKind {
    StepKind::Hangup(Hangup { cause: Cause::Normal, say: None })
}

pub(crate) fn audit(event: &str) -> StepKind {
    StepKind::Audit(Audit { event: String::from(event), facts: vec![passed("auth.level", Field::AuthLevel)] })
}

pub(crate) fn passed(name: &str, field: Field) -> Passed {
    Passed { name: String::from(name), expr: Expr::Field(field) }
}

pub(crate) fn ask() -> Ask {
    Ask {
        prompt: prompt("account_number"),
        into: ACCOUNT,
        class: Class::Personal,
        digits: Digits { min: 4, max: 8, end: Some(Digit::HASH) },
        money: None,
        date: None,
        yes_no: false,
        speech: false,
        check: None,
        confirm: Readback::None,
        input: input(),
        filled: arm("filled"),
        give_up: arm("give_up"),
    }
}

pub(crate) fn menu() -> Menu {
    let option = |key_: char, value: &str| MenuOption {
        keys: vec![key(key_)],
        words: None,
        value: Some(Literal::Text(Arc::from(value))),
        when: None,
        arm: None,
    };
    Menu {
        prompt: prompt("main_menu"),
        into: Some(TOPIC),
        personal: false,
        options: vec![option('1', "balance"), option('2', "card")],
        input: input(),
        chosen: arm("chosen"),
        give_up: arm("give_up"),
    }
}

pub(crate) fn confirm() -> Confirm {
    Confirm {
        prompt: prompt("sure"),
        answers: YesNo {
            yes_keys: vec![key('1')],
            no_keys: vec![key('2'), key('3')],
            yes_words: None,
            no_words: None,
        },
        input: input(),
        yes: arm("yes"),
        no: arm("no"),
        give_up: arm("give_up"),
    }
}

pub(crate) fn choose_language() -> ChooseLanguage {
    ChooseLanguage {
        prompts: vec![(LanguageId(0), prompt("choose")), (LanguageId(1), prompt("choose"))],
        keys: vec![(key('1'), LanguageId(0)), (key('2'), LanguageId(1))],
        words: vec![],
        input: input(),
        give_up: LanguageId(0),
        remember: Remember::Call,
    }
}

pub(crate) fn identify(same_reply: bool) -> Identify {
    Identify {
        subject: String::from("customer"),
        by: IdentifyBy::CallerId,
        service: None,
        same_reply,
        one: arm("one"),
        none: arm("none"),
        many: arm("many"),
        unavailable: arm("unavailable"),
    }
}

/// An identification that says nothing.
pub(crate) fn claim() -> StepKind {
    let on = || Arm::Continue;
    StepKind::Identify(Identify { one: on(), none: on(), many: on(), unavailable: on(), ..identify(true) })
}

pub(crate) fn authenticate(level: &str) -> Authenticate {
    Authenticate {
        subject: String::from("customer"),
        level: LevelRef::Named(LevelName::from(level)),
        offer: vec![FactorId::Pin, FactorId::Totp],
        choose: countersign::auth::Choose::Policy,
        choices: vec![],
        challenge: vec![(FactorId::Pin, prompt("pin")), (FactorId::Totp, prompt("code"))],
        questions: vec![],
        answers: vec![],
        failed: prompt_with("failed", Expr::Field(Field::TriesLeft), Format::Number),
        failed_last: Some(prompt("failed_last")),
        silent: vec![(FactorId::Pin, prompt("pin_silent")), (FactorId::Totp, prompt("pin_silent"))],
        ways: Ways::default(),
        input: input(),
        reached: arm("reached"),
        insufficient: arm("insufficient"),
        not_enrolled: arm("not_enrolled"),
        locked: arm("locked"),
        unavailable: arm("unavailable"),
    }
}

/// The caller chooses; each factor has a prompt of its own.
pub(crate) fn authenticate_by_choice(level: &str) -> Authenticate {
    let choices = vec![
        (None, prompt("which_way")),
        (Some(FactorId::Pin), prompt("choose_pin")),
        (Some(FactorId::Totp), prompt("choose_code")),
    ];
    Authenticate { choose: countersign::auth::Choose::Caller, choices, ..authenticate(level) }
}

pub(crate) fn verify(factor: FactorId) -> Verify {
    Verify {
        subject: None,
        factor,
        challenge: vec![(factor, prompt("factor"))],
        questions: vec![],
        answers: vec![],
        failed: prompt("failed"),
        failed_last: None,
        silent: vec![],
        ways: Ways::default(),
        input: input(),
        passed: arm("passed"),
        failed_arm: arm("not_passed"),
        locked: arm("locked"),
        not_enrolled: arm("not_enrolled"),
        expired: None,
        unavailable: arm("unavailable"),
    }
}

fn enrolling(factor: FactorId, after: &str, replace: bool, outcomes: [&'static str; 4]) -> Enrol {
    let said = || Enrolling {
        why: None,
        first: prompt("new_pin"),
        twice: Some(Twice { again: prompt("again"), differ: prompt("differ") }),
        voice: None,
        refused: prompt("no_good"),
    };
    let (after, digits) = (LevelName::from(after), (8, 8));
    let prompts = (factor == FactorId::Pin).then(said);
    let arms = outcomes.map(|name| (name, arm(name))).into();
    Enrol { factor, after, replace, digits, prompts, input: input(), arms }
}

pub(crate) fn enrol(factor: FactorId, after: &str) -> StepKind {
    let outcomes = ["done", "refused", "exists", "unavailable"];
    StepKind::Enrol(enrolling(factor, after, false, outcomes))
}

pub(crate) fn reset(factor: FactorId, after: &str) -> StepKind {
    let outcomes = ["done", "refused", "locked", "unavailable"];
    StepKind::Reset(enrolling(factor, after, true, outcomes))
}

/// Number, month and code, all checks, read back.
pub(crate) fn card() -> Card {
    let fields = [CardField::Number, CardField::Expiry, CardField::Cvv];
    let names = ["card_number", "card_expiry", "card_cvv"];
    Card {
        fields: fields.into_iter().zip(names.map(prompt)).collect(),
        brands: vec![Brand::Visa, Brand::Amex],
        luhn: true,
        expiry_future: true,
        cvv_length: true,
        read_back: Some(prompt_with("last4", Expr::Field(Field::Answer), Format::Spell { last: None })),
        input: input(),
        captured: arm("captured"),
        gave_up: arm("gave_up"),
        unavailable: Some(arm("no_cards")),
    }
}

/// A call that is given nothing and gives nothing back.
pub(crate) fn enquiry(service: &str, call: &str) -> Enquiry {
    Enquiry {
        service: service.to_owned(),
        call: call.to_owned(),
        give: vec![],
        card: None,
        idempotency: None,
        level: None,
        timeout: Duration::from_secs(3),
        cache: None,
        spool: false,
        while_waiting: Some(prompt("one_moment")),
        reply: vec![],
    }
}

pub(crate) fn pay() -> Pay {
    Pay {
        enquiry: Enquiry {
            give: vec![(String::from("amount"), Expr::Var(TAKEN))],
            card: Some(String::from("card")),
            idempotency: Some(Expr::Field(Field::CallId)),
            timeout: Duration::from_secs(20),
            ..enquiry("pay", "charge")
        },
        paid: arm("paid"),
        declined: arm("declined"),
        unavailable: arm("unavailable"),
    }
}

/// A main flow that runs these steps as a secure sub-flow, and what it says after that.
pub(crate) fn secured(mut steps: Vec<StepKind>) -> Application {
    steps.push(StepKind::Return(Return { outcome: OutcomeId(0), give: vec![] }));
    let arms = vec![arm("after"), arm("bad")];
    let run = Run { flow: FlowId(1), with: vec![(TAKEN, number(5))], results: vec![], arms };
    let mut app = with(vec![StepKind::Run(run)], vec![], steps);
    app.flows[1].secure = true;
    app
}

pub(crate) fn require(level: &str, otherwise: Option<Arm>) -> StepKind {
    StepKind::Require(Require { level: LevelRef::Named(LevelName::from(level)), max_age: None, otherwise })
}

pub(crate) fn lookup(level: Option<&str>) -> Lookup {
    Lookup {
        enquiry: Enquiry {
            give: vec![(String::from("customer"), Expr::Field(Field::CustomerId))],
            level: level.map(LevelName::from),
            reply: vec![(String::from("balance"), BALANCE)],
            ..enquiry("crm", "balance")
        },
        ok: Arm::Step(Box::new(step(StepKind::Say(Say {
            prompts: vec![prompt_with("your_balance", Expr::Var(BALANCE), Format::Money)],
            interrupt: Interrupt::Keys,
            early: false,
        })))),
        not_found: Some(arm("not_found")),
        unavailable: arm("unavailable"),
    }
}

pub(crate) fn queue() -> Queue {
    Queue {
        name: String::from("general"),
        priority: vec![(None, 1), (Some(LevelName::from("basic")), 3), (Some(LevelName::from("strong")), 5)],
        pass: vec![passed("auth.level", Field::AuthLevel), passed("call.from", Field::CallFrom)],
        whisper: Some(prompt_with("whisper", Expr::Field(Field::AuthLevel), Format::Word)),
        music: ClipKey::new("music/hold"),
        announce_place: Some(prompt_with("place", Expr::Field(Field::QueuePlace), Format::Number)),
        max_wait: Duration::from_secs(2 * 60),
        whispers: vec![],
        skill: vec![],
        may: vec![],
        callback: None,
        joined: arm("joined"),
        timeout: arm("timeout"),
        full: arm("full"),
    }
}

pub(crate) fn transfer() -> Transfer {
    Transfer {
        name: String::from("branch"),
        uri: String::from("sip:branch@192.0.2.7"),
        ring: Duration::from_secs(20),
        pass: vec![passed("auth.level", Field::AuthLevel)],
        whisper: None,
        done: arm("done"),
        busy: arm("busy"),
        no_answer: arm("no_answer"),
        refused: arm("refused"),
        failed: arm("failed"),
    }
}

/// `var == text`
pub(crate) fn is(var: VarId, text: &str) -> Expr {
    Expr::Compare {
        op: CompareOp::Equal,
        by: Order::Value,
        left: Box::new(Expr::Var(var)),
        right: Box::new(Expr::Literal(Literal::Text(Arc::from(text)))),
    }
}

pub(crate) fn number(number: i64) -> Expr {
    Expr::Literal(Literal::Number(number))
}
