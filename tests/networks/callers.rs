//! People who call the bank and say digits: one of them is enrolled in a call, known in the next one, and refused where a
//! recording speaks in their place; somebody else with the right digits is refused too. Time is virtual; packets, recordings,
//! the vault and the networks are real.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign::audio::Clip;
use countersign::call::{CallLimits, ClipSource};
use countersign::driver::models::{CAM_PLUS_PLUS, Models, WHISPER};
use countersign::driver::recognition::Whisper;
use countersign::driver::voices::{self, Voices};
use countersign::engine::Input;
use countersign::flow::ClipKey;
use countersign::voice::Ear;
use countersign::voice::print::Model;
use countersign::voice::print::calibration::{Calibration, Speaker};

use super::bank_world::{ACCOUNT, Customer, PIN, Recordings, bank};
use super::networks_world::{corpus, networks};
use super::person::{ENROLLED_WITH, Person, people};
use super::world::World;

/// Who is the customer, and who is not.
const CUSTOMER: &str = "george";
const OTHER: &str = "lucas";
/// How many speakers scores are learnt from, and how many utterances of each: the fewest that tell of one in a hundred.
const SPEAKERS: usize = 20;
const UTTERANCES: usize = 3;

#[test]
fn callers_are_known_by_their_voice_and_recordings_are_not() {
    let Some(data) = networks(&[&WHISPER, &CAM_PLUS_PLUS]) else { return };
    let model = voices::installed(&data).expect("the network");
    let calibration = calibration(&model, &corpus().join("speakers"));
    let ear = Whisper::load(&Models::of(&data)).expect("the network");
    let people = people(&corpus().join("digits6"));
    let (customer, other) = (&people[CUSTOMER], &people[OTHER]);
    let mut bank = Bank::new(Voices::new(Arc::new(model), calibration).expect("its calibration"), ear);

    bank.enrols(customer);
    // The digits that are asked for, in their own voice.
    let known = bank.verified(|asked| customer.says(asked));
    // What was right then, to digits that are others now.
    let answer = bank.said.clone();
    let replayed = bank.verified(|_| answer.clone());
    // What they were enrolled with, softer and a little later.
    let copied = bank.verified(|_| near_copy(&customer.strings[0]));
    // Somebody else, who says the right digits.
    let stranger = bank.verified(|asked| other.says(asked));
    // And nothing of that keeps the customer out.
    let again = bank.verified(|asked| customer.says(asked));
    eprintln!(
        "known {known:?}, then {again:?}; replayed {replayed:?}; copied {copied:?}; stranger {stranger:?}"
    );
    for known in [&known, &again] {
        assert_eq!(last(known), "same");
    }
    for recorded in [&replayed, &copied] {
        assert_eq!(last(recorded), "replay");
    }
    assert_eq!(last(&stranger), "different");
}

/// What was found in the end.
fn last(found: &[String]) -> &str {
    found.last().map_or("nothing", String::as_str)
}

/// The same recording, 6 dB softer and a tenth of a second later.
fn near_copy(samples: &[i16]) -> Vec<i16> {
    std::iter::repeat_n(0, 800).chain(samples.iter().map(|sample| sample / 2)).collect()
}

/// Learns what scores mean from people who do not call.
fn calibration(model: &Model, folder: &Path) -> Calibration {
    let heard = |file: String| voices::voice(model, &folder.join(file)).expect("a voice");
    let mut names: Vec<String> = fs::read_dir(folder.join("enrol"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().replace(".wav", ""))
        .collect();
    names.sort();
    let speaker = |name: &String| Speaker {
        enrolled: heard(format!("enrol/{name}.wav")),
        heard: (0..UTTERANCES).map(|take| heard(format!("test/{name}_{take}.wav"))).collect(),
    };
    let speakers: Vec<Speaker> = names.iter().take(SPEAKERS).map(speaker).collect();
    Calibration::learn(model.identity(), &speakers).expect("speakers enough")
}

/// The recordings of the source tree; which of them were played, in order.
struct Played(Mutex<Vec<String>>);

impl ClipSource for Played {
    fn clip(&self, key: &ClipKey) -> Option<Arc<Clip>> {
        self.0.lock().expect("nobody panics here").push(key.as_str().to_owned());
        Recordings.clip(key)
    }
}

/// The bank of the source tree with one customer, and a telephone that calls it.
struct Bank {
    world: World,
    caller: usize,
    customer: Customer,
    ear: Whisper,
    played: Arc<Played>,
    /// How much of that was dealt with.
    read: usize,
    /// What was said last to a question for digits.
    said: Vec<i16>,
}

impl Bank {
    fn new(voices: Voices, ear: Whisper) -> Self {
        let application = bank();
        let played = Arc::new(Played(Mutex::default()));
        let limits =
            CallLimits { hears: Arc::from([Box::from("en-GB")]), voices: true, ..CallLimits::default() };
        let clips = Arc::clone(&played);
        let mut world = World::with_clips(Arc::clone(&application), clips, 11, limits, Default::default());
        let customer = Customer::new("voice", world.unix(), &application);
        customer.vault.set_voices(Some(voices));
        world.vault = customer.answers();
        let caller = world.caller();
        Self { world, caller, customer, ear, played, read: 0, said: Vec::new() }
    }

    /// From dialling to the main menu.
    fn dials(&mut self) {
        self.world.dial(self.caller);
        self.presses("choose_language", "1");
        self.presses("account_number", &format!("{ACCOUNT}#"));
        self.presses("account_heard", "1");
    }

    /// Waits for a prompt and answers it by keys, into the middle of it.
    fn presses(&mut self, prompt: &str, keys: &str) {
        self.next(&[prompt]);
        self.world.run_for(Duration::from_millis(300));
        self.world.press(self.caller, keys);
    }

    /// The first of these prompts that comes from now on.
    fn next<'a>(&mut self, among: &[&'a str]) -> &'a str {
        for _ in 0..1_200 {
            let played = self.played.0.lock().expect("nobody panics here").clone();
            for (at, key) in played.iter().enumerate().skip(self.read) {
                let is = |prompt: &&&str| prompt_of(key) == Some(**prompt);
                if let Some(found) = among.iter().find(is) {
                    self.read = at + 1;
                    return found;
                }
            }
            self.world.run_for(Duration::from_millis(100));
            self.hears();
        }
        panic!("waited for {among:?}: {:?}", &self.played.0.lock().expect("nobody panics here")[self.read..]);
    }

    /// What workers do: understands what was said.
    fn hears(&mut self) {
        for (call, id, sound, hearing) in std::mem::take(&mut self.world.sounds) {
            let answer = self.ear.hear(&sound, &hearing);
            self.world.tell_engine(Input::Heard { call, id, answer });
        }
    }

    /// Says something once the prompt is over.
    fn says(&mut self, samples: &[i16]) {
        self.world.until_pause(self.caller);
        let clip = Arc::new(Clip::from_pcm(samples));
        self.world.with_phone(self.caller, |phone, now| phone.play(now, &clip));
    }

    fn hangs_up(&mut self) {
        self.world.hang_up(self.caller);
        // Of what was refused today nobody knows any more.
        self.world.run_for(Duration::from_secs(25 * 3_600));
    }

    /// Has the caller's voice enrolled, as the bank does it: proved by PIN and app, agreed to, and said until it is enough.
    fn enrols(&mut self, customer: &Person) {
        self.dials();
        self.presses("main_menu", "5");
        self.presses("settings_menu", "5");
        self.presses("more_menu", "1");
        self.presses("pin_please", &format!("{PIN}#"));
        self.next(&["totp_please"]);
        let code = (self.customer.code)(self.world.unix());
        self.world.press(self.caller, &code);
        self.presses("voice_consent", "1");
        self.next(&["voice_sentence"]);
        for string in customer.strings.iter().take(ENROLLED_WITH) {
            self.says(string);
            if self.next(&["voice_more", "voice_kept"]) == "voice_kept" {
                return self.hangs_up();
            }
        }
        panic!("enough was said");
    }

    /// Calls and says something where digits are asked for, until it is decided. What was found each time.
    fn verified(&mut self, answer: impl Fn(&str) -> Vec<i16>) -> Vec<String> {
        let before = self.findings().len();
        self.dials();
        self.presses("main_menu", "3");
        loop {
            self.next(&["voice_digits"]);
            self.said = answer(&self.asked());
            self.says(&self.said.clone());
            // What is in doubt is asked for once more.
            let told = ["totp_please", "pin_please", "not_quite_more", "not_quite_one", "voice_unsure"];
            if self.next(&told) != "voice_unsure" {
                self.hangs_up();
                return self.findings().split_off(before);
            }
        }
    }

    /// The digits that were asked for last.
    fn asked(&self) -> String {
        let played = self.played.0.lock().expect("nobody panics here");
        let from = played.iter().rposition(|key| key == "en-GB/voice_digits-1").expect("it was asked");
        played[from..].iter().filter_map(|key| key.strip_prefix("en-GB/digits/")).collect()
    }

    /// What the audit log says of each comparison.
    fn findings(&self) -> Vec<String> {
        let files = fs::read_dir(&self.customer.folder)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").path());
        let files = files.filter(|path| path.is_file() && path.to_string_lossy().contains("audit"));
        let text: String = files
            .map(|path| String::from_utf8_lossy(&fs::read(path).expect("readable")).into_owned())
            .collect();
        let found = text.split("\"finding\":\"").skip(1);
        found.map(|rest| rest.split('"').next().unwrap_or_default().to_owned()).collect()
    }
}

/// The prompt that a recording is of, or the first part of.
fn prompt_of(key: &str) -> Option<&str> {
    let key = key.strip_prefix("en-GB/")?;
    let key = key.strip_suffix("-1").unwrap_or(key);
    Some(key.strip_suffix("-heard").unwrap_or(key))
}
