//! A caller whose keys are heard as tones, through the whole bank to an agent: what is secret reaches the agent neither
//! as a tone nor as a key, and what is pressed in conversation reaches them as telephone-events and not as tones.

mod site;

use std::f64::consts::TAU;
use std::fs;
use std::sync::Arc;

use countersign::audio::Clip;
use countersign::audio::correlate::correlate;
use countersign::audio::dtmf::Detector;
use site::{ACCOUNT, Folder, Handset, PIN, SOON, Site, Stage, add_customer, root};

const SETTINGS: &str = "\
trunks: [{name: loopback, addresses: [\"127.0.0.1\"], inband_keys: always, trace: true}]
queues: {general: {}, cards: {}, payments: {}, fraud: {}}
";
const GRID: [&str; 4] = ["123A", "456B", "789C", "*0#D"];
const ROWS: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];

/// The sound of keys, each 100 ms with as long a pause.
fn tones(keys: &str) -> Vec<i16> {
    let mut samples = vec![0; 400];
    for key in keys.chars() {
        let at = |(row, keys): (usize, &&str)| Some((row, keys.chars().position(|one| one == key)?));
        let (row, column) = GRID.iter().enumerate().find_map(at).expect("a key");
        for n in 0..1600_u32 {
            let t = f64::from(n) / 8000.0;
            let wave = (TAU * ROWS[row] * t).sin() + (TAU * COLUMNS[column] * t).sin();
            #[expect(clippy::cast_possible_truncation, reason = "within 8000")]
            samples.push(if n < 800 { (wave * 4000.0) as i16 } else { 0 });
        }
    }
    samples
}

fn keys_in(samples: &[i16]) -> String {
    let (mut detector, mut keys) = (Detector::default(), String::new());
    detector.push(samples, |digit| keys.push(digit.as_char()));
    keys
}

fn presses(stage: &mut Stage, prompt: &str, keys: &str) {
    stage.hear(0, prompt);
    stage.handsets[0].say(&Arc::new(Clip::from_pcm(&tones(keys))));
}

#[test]
fn tones_prove_who_calls_and_the_agent_hears_none_of_them() {
    let agent = Handset::agent();
    let folder = Folder::new("heard-keys");
    fs::write(folder.file("countersign.yaml"), SETTINGS).expect("settings");
    let site = Site::in_folder(folder, &root().join("flows/bank"), 1, &[&agent]);
    let app = add_customer(site.vault());
    let mut stage = Stage::new(vec![Handset::new("+441632960188"), agent]);
    stage.handsets[0].dial(&site.uri());
    presses(&mut stage, "choose_language", "1");
    presses(&mut stage, "account_number", &format!("{ACCOUNT}#"));
    presses(&mut stage, "account_heard", "1");
    presses(&mut stage, "main_menu", "3");
    presses(&mut stage, "pin_please", &format!("{PIN}#"));
    stage.hear(0, "totp_please");
    let code = app.code();
    stage.handsets[0].say(&Arc::new(Clip::from_pcm(&tones(&code))));
    presses(&mut stage, "card_menu", "0");
    stage.joined(0);
    assert_eq!(stage.handsets[0].level(), "strong", "by tones alone");
    let said = stage.handsets[0].plays_finished;
    // Speech goes through, keys do not, and a key that is pressed now is one for the agent.
    let mut sound = site::glide(1);
    sound.extend(tones("159#"));
    sound.extend(site::glide(1));
    stage.handsets[0].say(&Arc::new(Clip::from_pcm(&sound)));
    assert!(stage.until(SOON, |all| all[0].plays_finished > said && all[1].keys.len() >= 4));
    let _ = stage.until(std::time::Duration::from_secs(1), |_| false);
    let agent = &stage.handsets[1];
    let pressed: String = agent.keys.iter().map(|digit| digit.as_char()).collect();
    assert_eq!(pressed, "159#", "these and no key of before");
    assert_eq!(keys_in(&agent.heard), "", "no tone is in what the agent hears");
    // A caller whose packets are late for once is heard with a slip, which no second of a glide survives whole: it is heard by
    // quarters, one of which may have it.
    let quarters = site::glide(1);
    let like = quarters.chunks_exact(2_000).map(|part| correlate(part, &agent.heard).expect("sound").score);
    let like: Vec<f64> = like.collect();
    let whole = like.iter().filter(|score| **score > 0.9).count();
    assert!(whole >= 3, "the agent hears what is beside the tones: {like:?}");
    // The control: they are in what the caller sent, and were heard there.
    assert_eq!(keys_in(&sound), "159#");
    stage.hang_up(0);
    site.deployment.stop();
}
