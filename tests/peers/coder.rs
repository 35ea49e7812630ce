//! Codecs and SRTP made by others: FFmpeg and libsrtp, in the Python of `target/peers`.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use countersign::audio::Codec;

fn python() -> PathBuf {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers");
    std::env::var_os("COUNTERSIGN_PEERS_TOOLS").map_or(beside, PathBuf::from).join("bin/python3")
}

/// What FFmpeg makes of sound at 8,000 Hz: the payloads of packets of 20 ms.
pub(crate) fn encode(codec: Codec, samples: &[i16]) -> Vec<Vec<u8>> {
    let frames = samples.chunks_exact(160);
    let frames: Vec<Vec<u8>> =
        frames.map(|frame| frame.iter().flat_map(|sample| sample.to_le_bytes()).collect()).collect();
    run(&["encode", codec.name()], &frames)
}

/// What FFmpeg hears in payloads.
pub(crate) fn decode(codec: Codec, payloads: &[Vec<u8>]) -> Vec<i16> {
    let frames = run(&["decode", codec.name()], payloads);
    let octets = frames.concat();
    octets.as_chunks().0.iter().map(|&pair| i16::from_le_bytes(pair)).collect()
}

/// What libsrtp makes of packets: `what` is `protect`, `unprotect` or `unprotect_rtcp`. A packet that is not genuine fails.
pub(crate) fn srtp(what: &str, suite: &str, key: &str, packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let made = run(&[what, suite, key], packets);
    assert_eq!(made.len(), packets.len(), "{what}: a packet each");
    made
}

fn run(arguments: &[&str], input: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut command = Command::new(python());
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/coder.py")).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut stdin = child.stdin.take().expect("piped");
    let mut asked = Vec::new();
    for chunk in input {
        asked.extend(u16::try_from(chunk.len()).expect("a packet").to_be_bytes());
        asked.extend(chunk);
    }
    let writer = std::thread::spawn(move || stdin.write_all(&asked));
    let mut given = Vec::new();
    child.stdout.take().expect("piped").read_to_end(&mut given).expect("its answers");
    let status = child.wait().expect("its end");
    assert!(status.success(), "{arguments:?}: {status}");
    writer.join().expect("a writer").expect("it reads to the end");
    let mut rest = given.as_slice();
    let mut chunks = Vec::new();
    while let Some((head, after)) = rest.split_first_chunk() {
        let (chunk, after) = after.split_at(usize::from(u16::from_be_bytes(*head)));
        chunks.push(chunk.to_vec());
        rest = after;
    }
    chunks
}
