//! Small applications, built as the loader would build them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use countersign::auth::{FactorId, LevelName, Policy};
use countersign::diagnostic::{Place, Source};
use countersign::flow::ClipKey;
use countersign::flow::document::Answer;
use countersign::flow::document::Goto;
use countersign::flow::document::{
    Application, Arm, Ask, Authenticate, Block, BlockId, Cause, Class, Digits, Flow, FlowId, Hangup,
    Identify, IdentifyBy, Input, Interrupt, Language, LanguageId, LevelRef, Menu, MenuOption, Passed, Piece,
    Prompt, Queue, Readback, Say, Services, Step, StepKind, Transfer, VarId, Variable,
};
use countersign::flow::expr::{Expr, Field, Type};
use countersign::units::Digit;

/// Key 1: the agents' queue, with a whisper. Key 2: a transfer to the first agent's phone. Key 3: goodbye.
pub fn desk() -> Arc<Application> {
    desk_to("sip:agent@10.0.2.1:5060")
}

/// The same, with another target behind key 2.
pub fn desk_to(target: &str) -> Arc<Application> {
    let choose = menu(&[('1', 1), ('2', 2), ('3', 3)]);
    application(vec![
        block(
            "welcome",
            vec![StepKind::Answer(Answer), say("greeting"), choose, StepKind::Goto(Goto(BlockId(3)))],
        ),
        block("agent", vec![queue(), StepKind::Goto(Goto(BlockId(3)))]),
        block("branch", vec![transfer(target), StepKind::Goto(Goto(BlockId(0)))]),
        block("bye", vec![say("bye"), hangup()]),
    ])
}

/// Account number, PIN, agent.
pub fn verified_desk() -> Arc<Application> {
    application(vec![block(
        "welcome",
        vec![
            StepKind::Answer(Answer),
            say("greeting"),
            ask_account(),
            identify(),
            authenticate(),
            queue(),
            hangup(),
        ],
    )])
}

/// Something is said before the answer; then the call is refused, or answered with a menu and a farewell.
pub fn early(answered: bool) -> Arc<Application> {
    let early =
        StepKind::Say(Say { prompts: vec![prompt("greeting")], interrupt: Interrupt::Keys, early: true });
    let mut steps = vec![early];
    if answered {
        let choose = menu(&[('1', 0)]);
        steps.extend([StepKind::Answer(Answer), choose, say("bye"), hangup()]);
    } else {
        steps.push(StepKind::Hangup(Hangup { cause: Cause::Busy, say: None }));
    }
    application(vec![block("welcome", steps)])
}

fn application(blocks: Vec<Block>) -> Arc<Application> {
    let mut policy = Policy::default();
    for factor in &mut policy.factors {
        if factor.factor == FactorId::Pin {
            factor.digits = 8..=8;
        }
    }
    let main = Flow {
        name: Arc::from("test"),
        entry: BlockId(0),
        takes: Vec::new(),
        outcomes: Vec::new(),
        gives: Vec::new(),
        results: Vec::new(),
        vars: vec![ACCOUNT],
        secure: false,
    };
    Arc::new(Application {
        id: "test".to_owned(),
        title: "Test".to_owned(),
        flows: vec![main],
        blocks,
        vars: vec![Variable { name: Arc::from("account"), ty: Type::Digits, class: Class::Personal }],
        languages: vec![Language { tag: "en-GB".to_owned(), voice: None }],
        default_language: LanguageId(0),
        policy: Arc::new(policy),
        risk: None,
        services: Services::default(),
        calendars: countersign::flow::document::Calendars::new(),
        always: Vec::new(),
        when_error: None,
        consents: Default::default(),
        recording: Default::default(),
        when_hangup: None,
        texts: BTreeMap::new(),
        words: BTreeMap::new(),
    })
}

const ACCOUNT: VarId = VarId(0);

fn block(name: &str, steps: Vec<StepKind>) -> Block {
    let steps = steps.into_iter().map(step).collect();
    Block { name: Arc::from(name), flow: FlowId::MAIN, steps, place: place() }
}

fn step(kind: StepKind) -> Step {
    Step { kind, when: None, place: place() }
}

fn place() -> Place {
    let source = Arc::new(Source { path: "test.flow.yaml".to_owned(), text: String::new() });
    Place { source, span: 0..0 }
}

fn prompt(key: &str) -> Prompt {
    let clip = ClipKey::new(format!("en-GB/{key}"));
    Prompt { key: Arc::from(key), pieces: vec![vec![Piece::Clip(clip)]], heard: Vec::new() }
}

fn say(key: &str) -> StepKind {
    StepKind::Say(Say { prompts: vec![prompt(key)], interrupt: Interrupt::Keys, early: false })
}

fn hangup() -> StepKind {
    StepKind::Hangup(Hangup { cause: Cause::Normal, say: None })
}

fn input() -> Input {
    Input {
        first: Duration::from_secs(6),
        between: Duration::from_secs(4),
        total: Duration::from_secs(30),
        tries: 3,
        interrupt: Interrupt::Keys,
        no_input: Vec::new(),
        no_match: Vec::new(),
        always: true,
    }
}

fn menu(options: &[(char, u32)]) -> StepKind {
    let options = options
        .iter()
        .map(|&(key, block)| MenuOption {
            keys: vec![digit(key)],
            words: None,
            value: None,
            when: None,
            arm: Some(Arm::Goto(BlockId(block))),
        })
        .collect();
    StepKind::Menu(Menu {
        prompt: prompt("menu"),
        into: None,
        personal: false,
        options,
        input: input(),
        chosen: Arm::Continue,
        give_up: Arm::Continue,
    })
}

/// What whoever takes the call is told of how it came.
fn journey() -> Vec<Passed> {
    let passed = |field: Field| Passed { name: field.name().to_owned(), expr: Expr::Field(field) };
    [Field::CallFrom, Field::CallUserToUser, Field::CallDiversions, Field::CallDivertedBy].map(passed).into()
}

fn queue() -> StepKind {
    StepKind::Queue(Queue {
        name: "agents".to_owned(),
        priority: Vec::new(),
        pass: journey(),
        whisper: Some(prompt("whisper")),
        music: ClipKey::new("music/hold"),
        announce_place: None,
        whispers: Vec::new(),
        skill: Vec::new(),
        may: Vec::new(),
        callback: None,
        max_wait: Duration::from_secs(120),
        joined: Arm::Continue,
        timeout: Arm::Continue,
        full: Arm::Continue,
    })
}

fn transfer(target: &str) -> StepKind {
    StepKind::Transfer(Transfer {
        name: "branch".to_owned(),
        uri: target.to_owned(),
        ring: Duration::from_secs(15),
        pass: journey(),
        whisper: None,
        done: Arm::Continue,
        busy: Arm::Continue,
        no_answer: Arm::Continue,
        refused: Arm::Continue,
        failed: Arm::Continue,
    })
}

fn ask_account() -> StepKind {
    StepKind::Ask(Ask {
        prompt: prompt("account"),
        into: ACCOUNT,
        class: Class::Personal,
        digits: Digits { min: 8, max: 10, end: Some(Digit::HASH) },
        money: None,
        date: None,
        yes_no: false,
        speech: false,
        check: None,
        confirm: Readback::None,
        input: input(),
        filled: Arm::Continue,
        give_up: Arm::Continue,
    })
}

fn identify() -> StepKind {
    StepKind::Identify(Identify {
        subject: "customer".to_owned(),
        by: IdentifyBy::Account(ACCOUNT),
        service: None,
        same_reply: true,
        one: Arm::Continue,
        none: Arm::Continue,
        many: Arm::Continue,
        unavailable: Arm::Continue,
    })
}

fn authenticate() -> StepKind {
    StepKind::Authenticate(Authenticate {
        subject: "customer".to_owned(),
        level: LevelRef::Named(LevelName::from("basic")),
        offer: vec![FactorId::Pin],
        choose: countersign::auth::Choose::Policy,
        choices: vec![],
        challenge: vec![(FactorId::Pin, prompt("pin"))],
        questions: vec![],
        answers: vec![],
        failed: prompt("not_quite"),
        failed_last: None,
        silent: Vec::new(),
        ways: Default::default(),
        input: input(),
        reached: Arm::Continue,
        insufficient: Arm::Continue,
        not_enrolled: Arm::Continue,
        locked: Arm::Continue,
        unavailable: Arm::Continue,
    })
}

fn digit(key: char) -> Digit {
    Digit::from_char(key).expect("a key")
}
