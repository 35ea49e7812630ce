//! Calls to the bank that ships with Countersign, as plays in virtual time, and in any order of inputs.

mod folder;

mod flow;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;

use countersign::auth::{Identified, Refused};
use countersign::flow::document::Application;
use countersign::flow::run::{HandOff, HandOffRequest, LookupReply};
use countersign::flow::{ClipKey, load};

use flow::watched::{Watched, acts};
use flow::{Scene, World};
use folder::Folder;

static BANK: LazyLock<Arc<Application>> = LazyLock::new(read_bank);
static RECORDINGS: LazyLock<BTreeSet<ClipKey>> = LazyLock::new(|| BANK.clips());

fn read_bank() -> Arc<Application> {
    let folder = Folder(Path::new(env!("CARGO_MANIFEST_DIR")).join("flows/bank"));
    match load(&folder) {
        Ok((application, _)) => Arc::new(application),
        Err(found) => {
            panic!("flows/bank: {}", found.iter().map(|f| f.message.as_str()).collect::<Vec<_>>().join("; "))
        }
    }
}

fn call(world: World, from: Option<&str>) -> Scene {
    let mut scene = Scene::from(Arc::clone(&BANK), world, from);
    scene.clips = Some(&RECORDINGS);
    scene
}

const NUMBER: Option<&str> = Some("+441632960001");

#[test]
fn a_known_caller_hears_the_balance_after_the_pin() {
    let mut scene = call(World::default(), NUMBER);
    scene.until("choose_language").press("1").until("main_menu").press("1");
    scene.until("pin_please").press("80421537#").until("your_balance");
    assert!(
        scene.script().contains("en-GB/numbers/1 en-GB/numbers/thousand en-GB/numbers/2"),
        "{}",
        scene.script()
    );
    assert_eq!(scene.granted, [Some(String::from("basic"))]);
    scene.hang_up().settle();
    assert!(scene.finished);
}

#[test]
fn a_balance_that_is_not_there_is_said_and_the_call_goes_on() {
    for reply in [(|| LookupReply::NotFound) as fn() -> LookupReply, || LookupReply::Unavailable] {
        let mut scene = call(World { reply, ..World::default() }, NUMBER);
        scene.until("choose_language").press("1").until("main_menu").press("1");
        scene.until("pin_please").press("80421537#").until("balance_unavailable").until("anything_else");
    }
}

#[test]
fn strong_steps_ask_for_the_second_factor_only() {
    let mut scene = call(World::default(), NUMBER);
    scene.until("choose_language").press("1").until("main_menu").press("1");
    scene.until("pin_please").press("80421537#").until("confirm_yes_no").press("1");
    scene.until("main_menu").press("3").until("totp_please").press("287082").until("card_menu").press("0");
    scene.until("queue_wait").wait(5_000);
    assert_eq!(scene.prompts().iter().filter(|prompt| *prompt == "pin_please").count(), 1);
    let Some(HandOffRequest::Queue { queue, priority, pass, .. }) = &scene.hand_off else {
        panic!("no queue:\n{}", scene.script());
    };
    assert_eq!((queue.as_str(), *priority), ("general", 5));
    let passed =
        |name: &str| pass.values.iter().find(|(passed, _)| passed == name).map(|(_, value)| value.as_str());
    assert_eq!((passed("auth.level"), passed("auth.factors")), (Some("strong"), Some("pin, totp")));
    scene.hand_off(HandOff::Connected { agent: String::from("ada") }).wait(60_000);
    scene.hand_off(HandOff::Finished).until("goodbye").settle();
    assert!(scene.finished);
}

/// A caller at the main menu who has proved both factors.
fn proved(to: &str) -> Scene {
    let mut scene = call(World::default(), NUMBER);
    scene.until("choose_language").press("1").until("main_menu").press(to);
    scene.until("pin_please").press("80421537#").until("totp_please").press("287082");
    scene
}

fn audited(scene: &Scene, event: &str) -> usize {
    scene.asked.iter().filter(|asked| asked.contains(event)).count()
}

#[test]
fn money_is_moved_after_the_amount_was_read_back_and_confirmed() {
    let mut scene = proved("2");
    scene.until("record_order").press("1").until("transfer_amount").press("1250#").until("transfer_confirm");
    let said = "en-GB/transfer_confirm-1 en-GB/numbers/1 en-GB/numbers/thousand en-GB/numbers/2 en-GB/numbers/hundred \
                en-GB/numbers/and en-GB/numbers/50 en-GB/money/pounds en-GB/transfer_confirm-2";
    assert!(scene.script().contains(said), "{}", scene.script());
    assert_eq!(audited(&scene, "transfer_ordered"), 0);
    scene.press("1").until("transfer_done").until("confirm_yes_no").press("2").until("goodbye").settle();
    assert_eq!(audited(&scene, "transfer_ordered"), 1);
    assert!(scene.finished);
}

#[test]
fn a_transfer_that_is_stopped_or_too_great_moves_nothing() {
    let mut scene = proved("2");
    scene
        .until("record_order")
        .press("2")
        .until("transfer_amount")
        .press("5001")
        .until("transfer_wrong")
        .press("0#")
        .until("transfer_wrong");
    scene.press("20#").until("transfer_confirm").press("2").until("transfer_cancelled");
    assert_eq!(audited(&scene, "transfer_ordered"), 0);
}

#[test]
fn a_card_is_blocked_after_a_yes_only_and_a_new_one_is_ordered() {
    let mut scene = proved("3");
    scene.until("card_menu").press("1").until("card_confirm_block").press("2").until("card_kept");
    assert_eq!(audited(&scene, "card_blocked"), 0);
    let mut scene = proved("3");
    scene.until("card_menu").press("1").until("card_confirm_block").press("1").until("card_blocked");
    assert_eq!(audited(&scene, "card_blocked"), 1);
    let mut scene = proved("3");
    scene.until("card_menu").press("2").until("card_ordered");
    assert_eq!(audited(&scene, "card_ordered"), 1);
}

#[test]
fn the_star_leads_back_from_the_cards_and_silence_asks_for_what_is_missing() {
    let mut scene = proved("3");
    scene.until("card_menu").press("*").until("main_menu");
    let mut silent = call(World::default(), NUMBER);
    silent.until("choose_language").press("1").until("main_menu").press("3");
    silent
        .until("pin_please")
        .until("pin_silent")
        .press("80421537#")
        .until("totp_please")
        .until("totp_silent");
}

#[test]
fn three_wrong_pins_end_with_a_person_who_knows_that_nothing_is_proved() {
    let mut scene = call(World::default(), NUMBER);
    scene.until("choose_language").press("1").until("main_menu").press("1").until("pin_please");
    for _ in 0..3 {
        scene.wait(3_000).press("11111111#");
    }
    scene.until("queue_wait").wait(5_000);
    let Some(HandOffRequest::Queue { queue, pass, .. }) = &scene.hand_off else {
        panic!("no queue:\n{}", scene.script());
    };
    assert_eq!(queue, "general");
    assert!(pass.values.contains(&(String::from("auth.level"), String::from("none"))));
    assert!(scene.granted.is_empty());
}

#[test]
fn a_locked_subject_is_told_nothing_but_that() {
    let mut scene = call(World { enrolled: Err(Refused::Locked), ..World::default() }, NUMBER);
    scene.until("choose_language").press("1").until("main_menu").press("1").until("locked_for_now").settle();
    assert!(scene.finished);
}

#[test]
fn an_unknown_account_sounds_and_takes_as_long_as_a_known_one_with_a_wrong_pin() {
    let typed = |identified: fn(countersign::auth::SubjectRef) -> Identified| {
        let mut scene = call(World { identified, ..World::default() }, None);
        scene.until("choose_language").press("1").until("account_number").press("44110021#");
        scene.until("account_heard").press("1").until("main_menu").press("1").until("pin_please");
        for _ in 0..3 {
            scene.wait(3_000).press("11111111#");
        }
        scene.until("queue_wait").settle();
        scene.script().replace("identify: one", "identify:").replace("identify: none", "identify:")
    };
    assert_eq!(typed(Identified::One), typed(Identified::None));
}

#[test]
fn a_silent_caller_reaches_a_person() {
    let mut scene = call(World::default(), None);
    scene.settle();
    let heard = scene.prompts();
    assert!(
        heard.contains(&String::from("account_silent_2")) && heard.contains(&String::from("queue_wait")),
        "{heard:?}"
    );
    assert!(heard.contains(&String::from("leave_message")), "{heard:?}");
    assert!(heard.ends_with(&[String::from("goodbye")]), "{heard:?}");
}

#[test]
fn the_chosen_language_is_spoken_to_the_end() {
    let mut scene = call(World::default(), NUMBER);
    scene.until("choose_language").press("2").until("main_menu").press("1");
    scene.until("pin_please").press("80421537#").until("your_balance");
    assert!(
        scene.script().contains("es-ES/your_balance-1 es-ES/numbers/thousand es-ES/numbers/200-f es-ES/numbers/4 es-ES/money/pounds"),
        "{}",
        scene.script()
    );
}

#[test]
fn a_hang_up_at_any_moment_is_tidied_up() {
    for ms in (0..40_000).step_by(250) {
        let mut scene = call(World::default(), NUMBER);
        scene.wait(ms / 4).press("1").wait(ms / 4).press("1").wait(ms / 4).press("80421537#").wait(ms / 4);
        scene.hang_up().settle();
        assert!(scene.finished && !scene.secure, "{ms}");
        let ended = scene.asked.iter().filter(|asked| asked.contains("call_ended")).count();
        assert_eq!(ended, 1, "{ms}\n{}", scene.script());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_laws_hold_at_the_bank_in_any_order_of_inputs(acts in acts()) {
        let mut watched = Watched::new(&BANK, |service, call| service == "accounts" && call == "balance");
        for act in &acts {
            watched.act(act);
        }
        watched.end();
    }
}
