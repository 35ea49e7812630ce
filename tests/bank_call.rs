//! The bank, called by a phone that hears and presses, in virtual time: real flow, real recordings, real
//! vault. What a caller of `countersign serve flows/bank` would meet, without a socket.

mod bank_world;
mod folder;
mod world;

use std::sync::Arc;
use std::time::Duration;

use bank_world::{ACCOUNT, Customer, PIN, Recordings, bank};
use countersign::call::EndCause;
use world::{Manner, World};

const SECOND: Duration = Duration::from_secs(1);

/// A world with the bank, a caller's phone, and an agent of `queue` who hangs up after ten seconds.
fn at_the_bank(name: &str, queue: &str) -> (World, Customer, usize, usize) {
    let application = bank();
    let seed = u8::try_from(name.len()).expect("a short name");
    let clips = Arc::new(Recordings);
    let mut world =
        World::with_clips(Arc::clone(&application), clips, seed, Default::default(), Default::default());
    let customer = Customer::new(name, world.unix(), &application);
    world.vault = customer.answers();
    let agent = Manner::Answers { after: SECOND, hangs_up_after: Some(SECOND * 40) };
    let agent = world.agents_of(queue, &[agent])[0];
    let caller = world.caller();
    (world, customer, caller, agent)
}

/// Listens to the end of what is said, then presses.
fn press(world: &mut World, phone: usize, keys: &str) {
    world.until_pause(phone);
    world.press(phone, keys);
}

fn settle(world: &mut World) {
    world.run_for(Duration::from_secs(200));
    assert_eq!(world.engine.active(), countersign::engine::Active::default());
    assert_eq!((world.open_ports(), world.records.len()), (0, 1));
}

#[test]
fn a_customer_proves_who_they_are_and_talks_to_an_agent() {
    let (mut world, customer, caller, agent) = at_the_bank("strong", "general");
    world.dial(caller);
    press(&mut world, caller, "1"); // English
    press(&mut world, caller, &format!("{ACCOUNT}#"));
    press(&mut world, caller, "1"); // that is right
    press(&mut world, caller, "1"); // balance
    press(&mut world, caller, PIN);
    press(&mut world, caller, "1"); // something else
    press(&mut world, caller, "3"); // cards
    world.until_pause(caller);
    let code = (customer.code)(world.unix());
    world.press(caller, &code);
    press(&mut world, caller, "0"); // a person
    assert!(world.run_until(SECOND * 60, World::is_joined), "{}", world.what_happened());
    world.run_for(SECOND * 90);
    world.hang_up(caller);
    settle(&mut world);

    let record = &world.records[0];
    assert_eq!(
        (record.level.as_str(), record.cause),
        ("strong", EndCause::FlowDone),
        "{}",
        world.what_happened()
    );
    assert_eq!(record.factors, ["pin", "totp"]);
    assert_eq!(record.agents, ["agent0"]);
    let happened = world.what_happened();
    assert!(!happened.contains("clip_missing"), "every word of the bank is recorded: {happened}");
    for secret in [ACCOUNT, PIN, code.as_str(), "15550100"] {
        assert!(!happened.contains(secret), "a secret is in the record");
    }
    let line = &world.phones[agent].lines[0];
    assert!(line.keys.is_empty(), "no key of the caller's reached the agent");
    let headers = line.headers.as_ref().expect("the agent was called");
    let level = headers.text("X-Countersign-Level").unwrap_or_default().into_owned();
    let token = headers.text("X-Countersign-Token").unwrap_or_default().into_owned();
    assert_eq!((level.as_str(), token.split('.').count()), ("strong", 3));
}

#[test]
fn three_wrong_pins_end_the_attempt() {
    let (mut world, _customer, caller, _) = at_the_bank("wrong", "general");
    world.dial(caller);
    press(&mut world, caller, "1");
    press(&mut world, caller, &format!("{ACCOUNT}#"));
    press(&mut world, caller, "1");
    press(&mut world, caller, "1");
    for wrong in ["11223344", "55667788", "99001122"] {
        press(&mut world, caller, wrong);
    }
    assert!(world.run_until(SECOND * 60, World::is_joined), "an agent takes over: {}", world.what_happened());
    world.run_for(SECOND * 5);
    world.hang_up(caller);
    settle(&mut world);
    assert_eq!(world.records[0].level, "none");
    assert_eq!(world.records[0].factors, Vec::<String>::new());
}
