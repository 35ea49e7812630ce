//! Messages that callers leave, the whole way: from a telephone to a file that nobody can read without the key,
//! and out of it again by the command line.

mod site;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use countersign::audio::correlate::correlate;
use countersign::audio::{Clip, Law, decode_file};
use countersign::driver::keys::Keys;
use countersign::driver::messages::{Head, MessageError, Messages};
use countersign::driver::os;
use countersign::flow::run::Message;
use countersign::units::{CallId, UnixTime};
use site::{Folder, Handset, SOON, Site, Stage, glide, secret};

const NUMBER: &str = "+441632960177";

/// An application that takes a message and says what became of it.
fn application(folder: &Folder) {
    let flow = "callflow: 1
id: voicemail
entry: start
blocks:
  start:
    - take_message: please
      max: 20s
      silence: 2s
      mailbox: reception
      outcome: {saved: {say: saved}, empty: {say: empty}, failed: {say: failed}}
    - hangup: normal
";
    let prompts = "language: en-GB
prompts:
  please: {file: goodbye, text: \"Speak.\"}
  saved: {file: goodbye, text: \"Saved.\"}
  empty: {file: goodbye, text: \"Empty.\"}
  failed: {file: goodbye, text: \"Failed.\"}
";
    fs::create_dir_all(folder.file("prompts")).expect("a folder");
    fs::write(folder.file("voicemail.flow.yaml"), flow).expect("written");
    fs::write(folder.file("prompts/en-GB.yaml"), prompts).expect("written");
}

fn messages(data: &Path) -> Messages {
    Messages::open(data, &Keys::open(data).expect("the keys")).expect("the folder")
}

fn heads(data: &Path) -> Vec<Head> {
    messages(data).list().expect("a list")
}

/// A caller who has heard the beep.
fn after_the_beep(site: &Site) -> Stage {
    let mut stage = Stage::new(vec![Handset::new(NUMBER)]);
    stage.handsets[0].dial(&site.uri());
    let listening = |all: &[Handset]| all[0].traced("fact", "value").iter().any(|value| value == "listening");
    assert!(stage.until(site::IN_TIME, listening), "the beep is over: {:?}", stage.handsets[0].prompts());
    stage
}

#[test]
#[expect(clippy::print_stdout, reason = "the figures are of interest")]
fn what_a_caller_says_after_the_beep_is_kept_sealed_and_can_be_heard() {
    let folder = Folder::new("voicemail-app");
    application(&folder);
    let site = Site::of("voicemail", folder.path(), 1, &[]);
    let data = site.folder.path().to_owned();
    let said = glide(3);

    // One ends it by the key, the other hangs up in the middle, the third says nothing.
    let mut stage = after_the_beep(&site);
    stage.handsets[0].say(&Arc::new(Clip::from_pcm(&said)));
    assert!(stage.until(SOON, |all| all[0].plays_finished == 1), "it was said");
    stage.handsets[0].press("#");
    stage.hear(0, "saved");
    assert!(stage.until(SOON, |all| all[0].ended.is_some()));

    let mut stage = after_the_beep(&site);
    stage.handsets[0].say(&Arc::new(Clip::from_pcm(&said)));
    let heard = stage.handsets[0].heard.len();
    assert!(stage.until(SOON, move |all| all[0].heard.len() > heard + 12_000), "a second and a half");
    stage.hang_up(0);
    assert!(stage.until(SOON, |_| site.deployment.ended() == 2));

    let mut stage = after_the_beep(&site);
    stage.hear(0, "empty");
    assert!(stage.until(SOON, |_| site.deployment.ended() == 3));

    let kept = heads(&data);
    assert_eq!(kept.len(), 2, "two spoke");
    assert!(kept.iter().all(|head| head.mailbox == "reception" && head.caller.as_deref() == Some(NUMBER)));
    assert!((2_800..6_000).contains(&kept[0].millis), "{}", kept[0].millis);
    assert!((1_000..3_000).contains(&kept[1].millis), "{}", kept[1].millis);
    for head in &kept {
        let (_, audio) = messages(&data).read(&head.id).expect("opens");
        let mut samples = Vec::new();
        Law::Mu.decode(audio.expose(), &mut samples);
        let spoken = &said[..said.len().min(samples.len() / 2)];
        let found = correlate(spoken, &samples).expect("not silence");
        println!("{} ms: {:.4}", head.millis, found.score);
        assert!(found.score > 0.9, "{found:?}");
        // The file holds neither the number nor the audio.
        let path = data.join("messages").join(format!("{}.message", head.id));
        let bytes = fs::read(path).expect("the file");
        let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
        assert!(!holds(b"1632960177") && !holds(b"reception") && !holds(&audio.expose()[8_000..8_064]));
    }

    // The same by the command line.
    let (data_text, wav) = (data.display().to_string(), folder.file("one.wav"));
    let list = site::run(&["messages", "list", "--data", &data_text]);
    let listed = String::from_utf8_lossy(&list.stdout).into_owned();
    assert_eq!(listed.lines().count(), 2, "{listed}");
    assert!(listed.contains(&kept[0].id) && listed.contains(NUMBER), "{listed}");
    let wav_text = wav.display().to_string();
    let play = site::run(&["messages", "play", &kept[0].id, &wav_text, "--data", &data_text]);
    assert!(play.status.success(), "{}", String::from_utf8_lossy(&play.stderr));
    let samples = decode_file(&fs::read(&wav).expect("a file"), "wav").expect("a WAV file").samples;
    assert!(correlate(&said[..8_000], &samples).expect("not silence").score > 0.9);
    let again = site::run(&["messages", "play", &kept[0].id, &wav_text, "--data", &data_text]);
    assert!(!again.status.success(), "nothing is overwritten");
    assert!(site::run(&["messages", "delete", &kept[0].id, "--data", &data_text]).status.success());
    let gone = site::run(&["messages", "delete", &kept[0].id, "--data", &data_text]);
    assert!(String::from_utf8_lossy(&gone.stderr).contains("there is no message"));
    assert_eq!(heads(&data).len(), 1);

    // A disk that takes nothing: the caller is told, and the call goes on.
    fs::remove_dir_all(data.join("messages")).expect("removed");
    fs::write(data.join("messages"), b"no folder").expect("in its place");
    let mut stage = after_the_beep(&site);
    stage.handsets[0].say(&Arc::new(Clip::from_pcm(&said)));
    stage.hear(0, "failed");
    assert!(stage.until(SOON, |_| site.deployment.ended() == 4));
    site.deployment.stop();
}

fn spoken(text: &str) -> Message {
    let audio = countersign::secret::Secret::new(text.as_bytes().to_vec());
    Message { mailbox: String::from("general"), caller: Some(secret(NUMBER)), audio }
}

#[test]
fn what_is_cut_short_moved_or_changed_is_no_message() {
    let folder = Folder::new("messages");
    let data = folder.path();
    let all = messages(data);
    let one = all.keep(UnixTime(1_000), CallId(1), &spoken("the first")).expect("kept");
    let two = all.keep(UnixTime(2_000), CallId(2), &spoken("the second")).expect("kept");
    assert!(all.keep(UnixTime(1_000), CallId(1), &spoken("x")).is_ok(), "the same name: the last one stands");
    let path = |id: &str| data.join("messages").join(format!("{id}.message"));
    assert_eq!(
        all.list().expect("a list").iter().map(|head| head.id.as_str()).collect::<Vec<_>>(),
        [&one, &two]
    );
    assert_eq!(all.read(&two).expect("opens").1.expose(), b"the second");

    let whole = fs::read(path(&two)).expect("the file");
    for length in [0, 5, 11, 12, 40, whole.len() - 1] {
        fs::write(path(&two), &whole[..length]).expect("cut short");
        assert!(all.read(&two).is_err(), "{length} bytes");
        assert!(all.list().expect("a list").len() <= 2);
    }
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        fs::write(path(&two), &changed).expect("changed");
        assert!(all.read(&two).is_err(), "byte {at}");
    }
    fs::write(path(&two), &whole).expect("as it was");
    fs::copy(path(&two), path("000000000bb8-0000000000000003")).expect("moved");
    assert!(all.read("000000000bb8-0000000000000003").is_err(), "sealed for its own name");
    for name in ["../store", "", "a/b", "nobody"] {
        assert!(matches!(all.read(name), Err(MessageError::Unknown(_))), "{name}");
    }
    // What a crash left half written is nobody's message, and goes when the next server starts.
    let part = data.join("messages").join("000000000fff-0000000000000009.part");
    fs::write(&part, b"half").expect("written");
    assert!(all.list().expect("a list").iter().all(|head| head.at < 4_000));
    let (keeper, thread) =
        countersign::driver::messages::Keeper::start(Arc::new(messages(data))).expect("starts");
    drop(keeper);
    assert!(thread.join().is_ok() && !part.exists());
    assert!(os::unix_now() > UnixTime(0));
}
