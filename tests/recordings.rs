//! The files of recordings: what is written is read, what was cut says so, what was changed does not open, who is
//! erased is not heard again, and a disk that is full or an engine that is killed loses no more than it must.

mod again;
mod vault_world;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use again::again;
use countersign::auth::SubjectKey;
use countersign::call::{Recorded, RecordedPart, RecordingName};
use countersign::driver::backup::{Codes, backup, restore};
use countersign::driver::recordings::{
    Ending, Failed, Keeper, Part, RecordingConfig, RecordingError, Recordings, State,
};
use countersign::driver::vault::Vault;
use countersign::media::recorder::{KEPT, Piece, RATE, Sound};
use countersign::secret::Secret;
use countersign::units::{CallId, Entropy, UnixTime};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use vault_world::{ACCOUNT, Folder, NOON, add_customer, subject};

const CALL: CallId = CallId(0xC0FFEE);

fn name(number: usize) -> RecordingName {
    RecordingName::new(NOON, CALL, number)
}

/// Octets of one side: like no other second of it, and never those of silence.
fn octets(seed: u8, length: usize) -> Vec<u8> {
    let mut entropy = Entropy::from_seed([seed; 32]);
    (0..length).map(|_| u8::try_from(entropy.below(200)).expect("small")).collect()
}

fn audio(at: u64, seed: u8, length: usize) -> Piece {
    let [left, right] = [seed, seed + 100].map(|seed| Secret::new(octets(seed, length)));
    Piece { at, sound: Sound::Audio { left, right } }
}

/// A recording of as many short pieces, with a pause of a second after the first; what a reader must find.
fn written(recordings: &Recordings, name: &RecordingName, pieces: u8, whole: bool) -> [Vec<i16>; 2] {
    let mut writer = recordings.begin(name, CALL, NOON).expect("begins");
    let mut at = 0;
    let mut sides = [Vec::new(), Vec::new()];
    for seed in 0..pieces {
        let piece = audio(at, seed, 80);
        at = piece.end();
        writer.piece(&piece).expect("written");
        for (side, seed) in sides.iter_mut().zip([seed, seed + 100]) {
            KEPT.decode(&octets(seed, 80), side);
        }
        if seed == 0 {
            let pause = Piece { at, sound: Sound::Silence(RATE) };
            at = pause.end();
            writer.piece(&pause).expect("written");
            sides.iter_mut().for_each(|side| side.resize(side.len() + 8000, 0));
        }
    }
    if whole {
        writer.finish().expect("ends")
    } else {
        writer.leave().expect("left")
    }
    sides
}

fn path(folder: &Folder, name: &RecordingName) -> PathBuf {
    folder.file(Recordings::FOLDER).join(format!("{name}.recording"))
}

fn read(recordings: &Recordings, name: &RecordingName) -> Result<([Vec<i16>; 2], Ending), RecordingError> {
    recordings.read(name.as_str())?.sides()
}

#[test]
fn what_was_recorded_is_read_and_lies_on_the_disk_sealed() {
    let folder = Folder::new();
    let vault = folder.vault();
    let recordings = vault.recordings();
    assert!(recordings.list().expect("no folder is no error").is_empty());
    let said = written(recordings, &name(0), 5, true);
    assert_eq!(read(recordings, &name(0)).expect("opens"), (said, Ending::Whole));
    let listed = recordings.list().expect("a list");
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].state, State::Whole { millis: 1050 });
    assert_eq!((listed[0].head.call.as_str(), listed[0].head.started), ("0000000000c0ffee", NOON.0));
    assert_eq!(recordings.of_call("0000000000c0ffee").expect("a list"), listed);
    assert!(recordings.of_call("0000000000c0ffe").expect("a list").is_empty());
    let bytes = fs::read(path(&folder, &name(0))).expect("the file");
    assert!(!bytes.windows(40).any(|window| window == &octets(3, 80)[..40]), "nothing in clear");
    for wrong in ["", "..", "../countersign", "x/y", "nonsense"] {
        assert!(matches!(recordings.read(wrong), Err(RecordingError::Unknown(_))), "{wrong}");
    }
    // A part of it as a WAV file.
    let mut file = std::io::Cursor::new(Vec::new());
    let ending = recordings.read(name(0).as_str()).expect("opens").wav(Part::seconds(0, 1), &mut file);
    assert_eq!(ending.expect("written"), None, "it goes on");
    file.set_position(0);
    let mut wav = hound::WavReader::new(file).expect("a WAV file");
    assert_eq!((wav.spec().channels, wav.spec().sample_rate, wav.duration()), (2, 8000, 8000));
    let left = KEPT.decode_sample(octets(0, 80)[0]);
    assert_eq!(wav.samples::<i16>().next().expect("a sample").expect("read"), left);
}

#[test]
fn a_file_that_is_cut_at_any_byte_gives_what_is_whole_and_says_so() {
    let folder = Folder::new();
    let vault = folder.vault();
    let recordings = vault.recordings();
    let [said, _] = written(recordings, &name(0), 4, true);
    let bytes = fs::read(path(&folder, &name(0))).expect("the file");
    let mut longest = 0;
    for length in 0..bytes.len() {
        fs::write(path(&folder, &name(0)), &bytes[..length]).expect("cut");
        match read(recordings, &name(0)) {
            Ok(([left, _], ending)) => {
                assert_eq!(ending, Ending::CutShort, "{length} of {}", bytes.len());
                assert_eq!(left, said[..left.len()], "{length}");
                assert!(left.len() >= longest, "more of the file is more of the recording");
                longest = left.len();
            }
            Err(error) => {
                assert!(length < 1024, "{length}: {error}");
                assert!(matches!(error, RecordingError::Changed(_)), "{error}");
            }
        }
        let state = recordings.list().expect("a list").first().map(|listed| listed.state);
        assert_eq!(state, (length >= 1024).then_some(State::CutShort), "{length}");
    }
    assert_eq!(longest, said.len(), "all but its end");
    fs::write(path(&folder, &name(0)), [bytes.as_slice(), &[0]].concat()).expect("longer");
    assert!(matches!(read(recordings, &name(0)), Err(RecordingError::Changed(_))), "nothing follows the end");
}

#[test]
fn no_bit_of_a_file_can_be_another() {
    let folder = Folder::new();
    let vault = folder.vault();
    let recordings = vault.recordings();
    let [said, _] = written(recordings, &name(0), 3, true);
    let bytes = fs::read(path(&folder, &name(0))).expect("the file");
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        fs::write(path(&folder, &name(0)), &changed).expect("changed");
        // What fills the sector behind the wrapped key means nothing.
        let filling = (512 + 1 + 72..1024).contains(&at);
        let mut left = Vec::new();
        let told = recordings.read(name(0).as_str()).and_then(|mut reader| {
            reader.samples(Part::ALL, |sample, _| {
                left.push(sample);
                Ok::<(), RecordingError>(())
            })
        });
        assert_eq!(left, said[..left.len()], "what was given before the change was recorded so: byte {at}");
        match told {
            Ok(Some(Ending::Whole)) => assert!(filling, "byte {at}"),
            // A length that is too long looks like a file that was cut.
            Ok(Some(Ending::CutShort)) => assert!(at >= 1024, "byte {at}"),
            Ok(None) => panic!("all of it was asked for"),
            Err(error) => {
                assert!(matches!(error, RecordingError::Changed(_) | RecordingError::Erased(_)), "{error}")
            }
        }
    }
}

/// The chunks of a file, each with its length and number.
fn chunks(bytes: &[u8]) -> Vec<&[u8]> {
    let mut rest = &bytes[1024..];
    let mut out = Vec::new();
    while let Some(length) = rest.first_chunk::<4>() {
        let length = 8 + usize::try_from(u32::from_be_bytes(*length)).expect("small");
        let (chunk, after) = rest.split_at(length);
        out.push(chunk);
        rest = after;
    }
    out
}

#[test]
fn chunks_that_are_moved_left_out_doubled_or_of_another_file_do_not_open() {
    let folder = Folder::new();
    let vault = folder.vault();
    let recordings = vault.recordings();
    written(recordings, &name(0), 6, true);
    written(recordings, &name(1), 6, true);
    let [one, other] = [name(0), name(1)].map(|name| fs::read(path(&folder, &name)).expect("the file"));
    let (head, own) = (&one[..1024], chunks(&one));
    assert_eq!(own.len(), 8, "six pieces, a pause, the end");
    let renumbered = |chunk: &[u8], number: u32| {
        let mut chunk = chunk.to_vec();
        chunk[4..8].copy_from_slice(&number.to_be_bytes());
        chunk
    };
    let mut cases: Vec<(&str, Vec<u8>)> = Vec::new();
    let joined = |chunks: Vec<Vec<u8>>| [head.to_vec(), chunks.concat()].concat();
    let owned: Vec<Vec<u8>> = own.iter().map(|chunk| chunk.to_vec()).collect();
    let mut swapped = owned.clone();
    swapped.swap(2, 3);
    cases.push(("swapped", joined(swapped)));
    let mut swapped = owned.clone();
    (swapped[2], swapped[3]) = (renumbered(own[3], 2), renumbered(own[2], 3));
    cases.push(("swapped and renumbered", joined(swapped)));
    let mut without = owned.clone();
    without.remove(3);
    cases.push(("one left out", joined(without)));
    let mut without = owned.clone();
    without.remove(6);
    without[6] = renumbered(own[7], 6);
    cases.push(("the last second left out", joined(without)));
    let mut doubled = owned.clone();
    doubled.insert(2, owned[2].clone());
    cases.push(("one doubled", joined(doubled)));
    let mut foreign = owned.clone();
    foreign[2] = chunks(&other)[2].to_vec();
    cases.push(("one of another file", joined(foreign)));
    cases.push(("the beginning of another file", [&other[..1024], &one[1024..]].concat()));
    cases.push(("the key of another file", [&one[..512], &other[512..1024], &one[1024..]].concat()));
    cases.push(("another file under this name", other.clone()));
    for (what, bytes) in cases {
        fs::write(path(&folder, &name(0)), bytes).expect("changed");
        assert!(matches!(read(recordings, &name(0)), Err(RecordingError::Changed(_))), "{what}");
    }
    fs::write(path(&folder, &name(0)), &one).expect("put back");
    assert!(read(recordings, &name(0)).is_ok(), "the control");
    // And another deployment's keys open nothing.
    let stranger = Folder::new();
    let strange = stranger.vault();
    written(strange.recordings(), &name(0), 1, true);
    fs::write(path(&stranger, &name(0)), &one).expect("moved");
    assert!(matches!(read(strange.recordings(), &name(0)), Err(RecordingError::Changed(_))));
}

fn tied(recordings: &Recordings, name: &RecordingName, subjects: &[SubjectKey]) {
    let mut writer = recordings.begin(name, CALL, NOON).expect("begins");
    writer.piece(&audio(0, 1, 800)).expect("written");
    for subject in subjects {
        writer.tie(*subject).expect("tied");
    }
    writer.finish().expect("ends");
}

#[test]
fn whoever_is_erased_is_not_heard_again_not_even_from_a_backup() {
    let folder = Folder::new();
    let vault = folder.vault();
    add_customer(&vault);
    assert!(vault.add_subjects(NOON, &[vault_world::customer("C2", "55230189")]).is_ok());
    let [one, other] = [ACCOUNT, "55230189"].map(|account| subject(&vault, account).key());
    let ghost = subject(&vault, "99999999").key();
    let recordings = vault.recordings();
    tied(recordings, &name(0), &[one]);
    tied(recordings, &name(1), &[other, ghost]);
    tied(recordings, &name(2), &[other, one]);
    tied(recordings, &name(3), &[]);
    for number in 0..4 {
        assert!(read(recordings, &name(number)).is_ok(), "{number}");
    }
    let saved = Folder::new();
    fs::remove_dir(saved.path()).expect("an empty folder");
    backup(folder.path(), saved.path()).expect("a backup");
    let copies: Vec<Vec<u8>> = (0..4).map(|n| fs::read(path(&folder, &name(n))).expect("read")).collect();
    assert!(saved.file(Recordings::FOLDER).join(format!("{}.recording", name(2))).exists(), "in the backup");

    vault.erase(NOON, "C1").expect("erased");
    for (number, there) in [(0, false), (1, true), (2, false), (3, true)] {
        assert_eq!(path(&folder, &name(number)).exists(), there, "{number}");
        fs::write(path(&folder, &name(number)), &copies[number]).expect("put back");
        let again = read(recordings, &name(number));
        assert_eq!(again.is_ok(), there, "{number}");
        assert!(there || matches!(again, Err(RecordingError::Erased(_))), "{number}");
    }
    let erased =
        recordings.list().expect("a list").iter().filter(|listed| listed.state == State::Erased).count();
    assert_eq!(erased, 2);
    assert_eq!(recordings.remove_erased().expect("removed"), 2);

    // The whole backup, beside the keys of today.
    let back = Folder::new();
    for key in ["master.key", "pepper.key", "subjects.key", "audit.key", "token.key"] {
        fs::copy(folder.file(key), back.file(key)).expect("copied");
    }
    restore(saved.path(), back.path(), Codes::Void).expect("restored");
    let names: Vec<String> = back
        .vault()
        .recordings()
        .list()
        .expect("a list")
        .into_iter()
        .map(|listed| listed.head.name)
        .collect();
    assert_eq!(names, [name(1).to_string(), name(3).to_string()]);
}

#[test]
fn a_new_master_key_opens_recordings_and_what_is_past_its_time_goes() {
    let folder = Folder::new();
    let vault = folder.vault();
    written(vault.recordings(), &name(0), 2, true);
    let rotated = vault.rotate_master(NOON).expect("rotated");
    vault.retire_key(NOON, &rotated.before).expect("retired");
    drop(vault);
    let vault = folder.vault();
    let recordings = vault.recordings();
    assert!(read(recordings, &name(0)).is_ok());
    let late = RecordingName::new(UnixTime(NOON.0 + 1000), CALL, 0);
    written(recordings, &late, 2, true);
    assert_eq!(recordings.sweep(UnixTime(NOON.0 + 1), true).expect("counted"), 1);
    assert_eq!(recordings.list().expect("a list").len(), 2);
    assert_eq!(recordings.sweep(UnixTime(NOON.0 + 1), false).expect("removed"), 1);
    assert_eq!(recordings.list().expect("a list").len(), 1);
    assert!(read(recordings, &late).is_ok());
}

/// Whoever is told that a recording failed.
fn telling() -> (Failed, Receiver<(CallId, RecordingName)>) {
    let (to, told) = sync_channel(1000);
    (Arc::new(move |call, name| drop(to.try_send((call, name)))), told)
}

fn part(name: &RecordingName, part: RecordedPart) -> Recorded {
    Recorded { name: name.clone(), part }
}

const ANY_ROOM: RecordingConfig =
    RecordingConfig { enabled: true, keep_free_mb: 0, to: None, servers: Vec::new() };

#[test]
fn sixty_four_calls_at_once_are_kept_each_for_itself() {
    let folder = Folder::new();
    let vault = folder.vault();
    let (way, thread) = Keeper::start(vault.recordings().clone(), &ANY_ROOM).expect("a thread");
    let (failed, told) = telling();
    let mut keeper = way.keeper(failed);
    drop(way);
    let names: Vec<RecordingName> = (0..64).map(|call| RecordingName::new(NOON, CallId(call), 0)).collect();
    for (call, name) in (0..).zip(&names) {
        keeper.keep(CallId(call), part(name, RecordedPart::Begun { call: CallId(call), at: NOON }));
    }
    for second in 0..5_u8 {
        for (call, name) in (0..).zip(&names) {
            let seed = second * 10 + u8::try_from(call % 10).expect("small");
            let piece = audio(u64::from(second) * RATE, seed, 8000);
            keeper.keep(CallId(call), part(name, RecordedPart::Piece(piece)));
        }
    }
    for (call, name) in (0..).zip(&names) {
        keeper.keep(CallId(call), part(name, RecordedPart::Ended));
    }
    drop(keeper);
    thread.join().expect("it ends by itself");
    assert!(told.try_recv().is_err(), "none failed");
    for (call, name) in (0_u64..).zip(&names) {
        let ([left, right], ending) = read(vault.recordings(), name).expect("opens");
        assert_eq!((ending, left.len(), right.len()), (Ending::Whole, 40_000, 40_000));
        for second in 0..5_u8 {
            let seed = second * 10 + u8::try_from(call % 10).expect("small");
            let mut said = Vec::new();
            KEPT.decode(&octets(seed, 8000), &mut said);
            let from = usize::from(second) * 8000;
            assert_eq!(left[from..from + 8000], said, "{name}, second {second}");
        }
    }
}

#[test]
fn a_mailbox_that_is_full_ends_the_recording_and_nothing_waits() {
    let folder = Folder::new();
    let vault = folder.vault();
    let (failed, told) = telling();
    // Nobody writes as fast as this is handed over.
    let (way, thread) = Keeper::start_with(vault.recordings().clone(), &ANY_ROOM, 2).expect("a thread");
    let mut keeper = way.keeper(failed);
    drop(way);
    keeper.keep(CALL, part(&name(0), RecordedPart::Begun { call: CALL, at: NOON }));
    let (mut lost, sides) = (None, [1, 101].map(|seed| octets(seed, 8000)));
    for second in 0..10_000_u64 {
        // Copied, for making a second of it takes longer than writing it down.
        let [left, right] = sides.clone().map(Secret::new);
        let piece = Piece { at: second * 8000, sound: Sound::Audio { left, right } };
        keeper.keep(CALL, part(&name(0), RecordedPart::Piece(piece)));
        if let Ok(told) = told.try_recv() {
            lost = Some(told);
            break;
        }
    }
    assert_eq!(lost, Some((CALL, name(0))), "its call is told");
    drop(keeper);
    thread.join().expect("it ends by itself");
    let ([left, _], ending) = read(vault.recordings(), &name(0)).expect("what was kept opens");
    assert_eq!(ending, Ending::CutShort);
    assert_eq!(left.len() % 8000, 0);
}

#[test]
fn nothing_is_recorded_where_the_disk_must_stay_free() {
    let folder = Folder::new();
    let vault = folder.vault();
    let all = RecordingConfig { keep_free_mb: u64::MAX, ..RecordingConfig::default() };
    let (way, thread) = Keeper::start(vault.recordings().clone(), &all).expect("a thread");
    let (failed, told) = telling();
    let mut keeper = way.keeper(failed);
    drop(way);
    keeper.keep(CALL, part(&name(0), RecordedPart::Begun { call: CALL, at: NOON }));
    drop(keeper);
    thread.join().expect("it ends by itself");
    assert_eq!(told.try_recv(), Ok((CALL, name(0))));
    assert!(vault.recordings().list().expect("a list").is_empty());
}

const FULL: &str = "COUNTERSIGN_RECORDING_FULL_DISK";
const KILLED: &str = "COUNTERSIGN_RECORDING_KILLED";

#[test]
fn a_full_disk_ends_the_recording_and_leaves_what_was_written() {
    // A write beyond the limit is a signal that ends a process unless it is ignored, which a shell can say.
    let output = again("full_disk", Some("trap '' XFSZ")).env(FULL, "1").output().expect("ran");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && text.contains("held"), "{text}\n{errors}");
}

/// Works under a limit on the size of files; does nothing unless it is told to.
#[test]
#[expect(clippy::print_stdout, reason = "a process tells the one that started it")]
fn full_disk() {
    if std::env::var(FULL).is_err() {
        return;
    }
    let folder = Folder::new();
    let vault = folder.vault();
    let maximum = getrlimit(Resource::Fsize).maximum;
    setrlimit(Resource::Fsize, Rlimit { current: Some(50_000), maximum }).expect("set");
    let (way, thread) = Keeper::start(vault.recordings().clone(), &ANY_ROOM).expect("a thread");
    let (failed, told) = telling();
    let mut keeper = way.keeper(failed);
    drop(way);
    keeper.keep(CALL, part(&name(0), RecordedPart::Begun { call: CALL, at: NOON }));
    for second in 0..5_u8 {
        keeper.keep(CALL, part(&name(0), RecordedPart::Piece(audio(u64::from(second) * 8000, second, 8000))));
    }
    drop(keeper);
    thread.join().expect("it ends by itself");
    assert_eq!(told.try_recv(), Ok((CALL, name(0))), "its call is told");
    let ([left, _], ending) = read(vault.recordings(), &name(0)).expect("opens");
    assert_eq!((left.len(), ending), (24_000, Ending::CutShort), "three seconds had room");
    println!("held");
}

#[test]
fn what_was_written_before_a_kill_is_read_after_it() {
    for _ in 0..3 {
        let folder = Folder::new();
        drop(folder.vault());
        let mut child =
            again("killed", None).env(KILLED, folder.path()).stdout(Stdio::piped()).spawn().expect("starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let written =
            lines.by_ref().map_while(Result::ok).filter(|line| line.contains("written")).take(20).count();
        child.kill().expect("killed");
        child.wait().expect("gone");
        assert_eq!(written, 20);
        let vault = folder.vault();
        assert!(vault.recordings().list().expect("a list").is_empty(), "it has no name yet");
        vault.recordings().tidy().expect("the next start names it");
        assert_eq!(vault.recordings().list().expect("a list")[0].state, State::CutShort);
        let ([left, _], ending) = read(vault.recordings(), &name(0)).expect("opens");
        assert_eq!(ending, Ending::CutShort);
        assert!(left.len() >= 20 * 8000, "all that was written: {}", left.len());
        let mut said = Vec::new();
        KEPT.decode(&octets(7, 8000), &mut said);
        assert!(left.chunks_exact(8000).all(|second| second == said));
    }
}

/// Writes until it is killed; does nothing unless it is told to.
#[test]
#[expect(clippy::print_stdout, reason = "a process tells the one that started it")]
fn killed() {
    let Ok(folder) = std::env::var(KILLED) else { return };
    let vault = Vault::open_data(Path::new(&folder)).expect("opens");
    let mut writer = vault.recordings().begin(&name(0), CALL, NOON).expect("begins");
    for second in 0_u64.. {
        writer.piece(&audio(second * 8000, 7, 8000)).expect("written");
        println!("written {second}.");
    }
}
