//! A program that speaks: text in, WAV out.
//!
//! It is started without a shell, in a process group of its own that is ended as a whole when it takes too long or
//! says too much, so that nothing of it outlives the load.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::driver::os;

/// The program and its arguments.
#[derive(Clone, Debug)]
pub(super) struct Command {
    words: Vec<String>,
    /// Where `{out}` may lie: a folder that nobody else writes to.
    folder: PathBuf,
    /// Variables of the environment that hold secrets of this site.
    hidden: Vec<String>,
}

/// Why a program gave no speech.
#[derive(Debug, Error)]
pub enum CommandError {
    /// It can't be started.
    #[error("it can't be started: {0}")]
    Start(std::io::Error),
    /// It took too long.
    #[error("it did not end within {0:?}")]
    Slow(Duration),
    /// It said it failed.
    #[error("it ended with {status}{}", said(.stderr))]
    Failed {
        /// How it ended.
        status: ExitStatus,
        /// The end of what it wrote to standard error.
        stderr: String,
    },
    /// It wrote more than any prompt is.
    #[error("it wrote more than {} MB", MOST_AUDIO >> 20)]
    TooMuch,
    /// It wrote nothing.
    #[error("it wrote no audio{}", said(.0))]
    Nothing(String),
}

/// Five minutes at 48,000 Hz in sixteen bits.
const MOST_AUDIO: usize = 30 << 20;
/// How long words on standard error may come after the end.
const AFTERWARDS: Duration = Duration::from_millis(500);
/// What is kept of standard error.
const MOST_WORDS: usize = 2_000;

fn said(stderr: &str) -> String {
    let line = stderr.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
    if line.is_empty() { String::new() } else { format!(": {line}") }
}

impl Command {
    pub(super) const fn new(words: Vec<String>, folder: PathBuf, hidden: Vec<String>) -> Self {
        Self { words, folder, hidden }
    }

    pub(super) fn identity(&self) -> String {
        self.words.join("\0")
    }

    pub(super) fn title(&self) -> String {
        format!("`{}`", self.words.first().map(String::as_str).unwrap_or_default())
    }

    /// The bytes of a WAV file.
    pub(super) fn run(&self, text: &str, voice: &str, timeout: Duration) -> Result<Vec<u8>, CommandError> {
        let has = |hole: &str| self.words.iter().any(|word| word.contains(hole));
        let out =
            has("{out}").then(|| OutFile::below(&self.folder)).transpose().map_err(CommandError::Start)?;
        let filled = |word: &String| {
            let path = out.as_ref().map(|out| out.0.display().to_string()).unwrap_or_default();
            fill(word, &[("{text}", text), ("{voice}", voice), ("{out}", &path)])
        };
        let words: Vec<String> = self.words.iter().map(filled).collect();
        let input = if has("{text}") { "" } else { text };
        let bytes = finish(start(&words, &self.hidden)?, input, timeout)?;
        match &out {
            None if bytes.0.is_empty() => Err(CommandError::Nothing(bytes.1)),
            None => Ok(bytes.0),
            Some(out) => match out.read() {
                Ok(Some(audio)) => Ok(audio),
                Ok(None) => Err(CommandError::TooMuch),
                Err(_) => Err(CommandError::Nothing(bytes.1)),
            },
        }
    }
}

/// Fills every hole in one pass: what stands in for one is not looked at again.
pub(super) fn fill(word: &str, with: &[(&str, &str)]) -> String {
    let mut out = String::new();
    let mut rest = word;
    loop {
        let next = with.iter().filter_map(|(hole, value)| rest.find(hole).map(|at| (at, hole, value))).min();
        let Some((at, hole, value)) = next else {
            out.push_str(rest);
            return out;
        };
        out.push_str(rest.get(..at).unwrap_or_default());
        out.push_str(value);
        rest = rest.get(at + hole.len()..).unwrap_or_default();
    }
}

fn start(words: &[String], hidden: &[String]) -> Result<Child, CommandError> {
    let (program, arguments) =
        words.split_first().map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
    let mut process = Process::new(program);
    for name in hidden {
        process.env_remove(name);
    }
    process
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(CommandError::Start)
}

/// Waits for the end of a program; what it wrote, and what it said beside it.
fn finish(mut child: Child, input: &str, timeout: Duration) -> Result<(Vec<u8>, String), CommandError> {
    let deadline = os::now() + timeout;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let text = input.as_bytes().to_vec();
    // A program that reads nothing closes the pipe: that is its own affair.
    beside(move || stdin.map(|mut stdin| stdin.write_all(&text)));
    let audio = beside(move || stdout.map(|from| read(from, MOST_AUDIO + 1)));
    let words = beside(move || stderr.map(|from| read_on(from, MOST_WORDS)));
    let left = || deadline.saturating_duration_since(os::now());
    let Ok(audio) = audio.recv_timeout(left()) else {
        end(&mut child);
        return Err(CommandError::Slow(timeout));
    };
    let audio = audio.unwrap_or_default();
    if audio.len() > MOST_AUDIO {
        end(&mut child);
        return Err(CommandError::TooMuch);
    }
    let Some(status) = ended(&mut child, deadline) else {
        end(&mut child);
        return Err(CommandError::Slow(timeout));
    };
    // What it started and left behind may hold the pipe open: nobody waits for that.
    let words = words.recv_timeout(AFTERWARDS).ok().flatten().unwrap_or_default();
    let stderr = String::from_utf8_lossy(&words).into_owned();
    if status.success() { Ok((audio, stderr)) } else { Err(CommandError::Failed { status, stderr }) }
}

/// Does something that may block in a thread of its own, which nobody has to wait for.
#[expect(clippy::disallowed_methods, reason = "a pipe may block for as long as a program likes")]
fn beside<T: Send + 'static>(what: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
    let (to, from) = sync_channel(1);
    std::thread::spawn(move || drop(to.send(what())));
    from
}

/// How it ended, if it did in time.
fn ended(child: &mut Child, deadline: Instant) -> Option<ExitStatus> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if os::now() < deadline => std::thread::park_timeout(Duration::from_millis(2)),
            _ => return None,
        }
    }
}

/// Ends the program with everything that it started.
fn end(child: &mut Child) {
    let group = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(group) = group {
        _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    drop(child.kill());
    drop(child.wait());
}

/// As much as there is, up to a bound.
fn read(from: impl Read, most: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What came before an error is judged like any other.
    drop(from.take(u64::try_from(most).unwrap_or(u64::MAX)).read_to_end(&mut bytes));
    bytes
}

/// The last of what there is, so that a program that says much is not held up.
fn read_on(mut from: impl Read, most: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4_096];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return bytes,
            Ok(length) => {
                bytes.extend_from_slice(buffer.get(..length).unwrap_or_default());
                let over = bytes.len().saturating_sub(most);
                bytes.drain(..over);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return bytes,
        }
    }
}

/// A file that goes away with its value.
struct OutFile(PathBuf);

impl OutFile {
    fn below(folder: &Path) -> std::io::Result<Self> {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        fs::create_dir_all(folder)?;
        Ok(Self(folder.join(format!("out-{}-{number}.wav", std::process::id()))))
    }

    /// `None` when it is too long.
    fn read(&self) -> std::io::Result<Option<Vec<u8>>> {
        let bytes = read(fs::File::open(&self.0)?, MOST_AUDIO + 1);
        Ok(Some(bytes).filter(|bytes| bytes.len() <= MOST_AUDIO))
    }
}

impl Drop for OutFile {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(words: Vec<String>) -> Command {
        let folder = std::env::temp_dir().join(format!("countersign-command-{}", std::process::id()));
        Command::new(words, folder, vec!["PATH".to_owned()])
    }

    #[test]
    fn the_program_does_not_see_the_sites_secrets() {
        // The shell puts a PATH of its own where it was given none.
        let words = ["/usr/bin/env"].map(str::to_owned);
        let said = command(words.into()).run("x", "y", Duration::from_secs(20)).expect("it prints");
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(!said.lines().any(|line| line.starts_with("PATH=")), "{said}");
        assert!(said.contains("CARGO_MANIFEST_DIR="), "{said}");
    }

    fn run(script: &str, text: &str, millis: u64) -> Result<Vec<u8>, CommandError> {
        let words = ["/bin/sh", "-c", script, "speaker", "{voice}"].map(str::to_owned);
        command(words.into()).run(text, "amy", Duration::from_millis(millis))
    }

    #[test]
    fn text_comes_by_standard_input_and_audio_by_standard_output() {
        let said = run("printf '%s says ' \"$1\"; cat", "a `b` $(c) \"d\"", 20_000).expect("it speaks");
        assert_eq!(String::from_utf8_lossy(&said), "amy says a `b` $(c) \"d\"");
    }

    #[test]
    fn text_and_output_may_be_arguments() {
        let words =
            ["/bin/sh", "-c", "printf '%s' \"$1\" > \"$2\"", "x", "{text}", "{out}"].map(str::to_owned);
        let said = command(words.into()).run("{out} {voice}", "amy", Duration::from_secs(20));
        assert_eq!(said.expect("it speaks"), b"{out} {voice}");
    }

    #[test]
    fn a_program_that_hangs_is_ended_with_all_it_started() {
        let started = os::now();
        let hung = run("sleep 600 & sleep 600", "x", 200);
        assert!(matches!(hung, Err(CommandError::Slow(_))), "{hung:?}");
        let quiet = run("exec >&-; sleep 600", "x", 200);
        assert!(matches!(quiet, Err(CommandError::Slow(_))), "{quiet:?}");
        assert!(os::now() - started < Duration::from_secs(60));
    }

    #[test]
    fn a_program_that_fails_tells_why() {
        let failed = run("echo 'no such voice' >&2; exit 3", "x", 20_000).expect_err("it fails");
        assert_eq!(failed.to_string(), "it ended with exit status: 3: no such voice");
        let silent = run("echo hm >&2", "x", 20_000).expect_err("it says nothing");
        assert_eq!(silent.to_string(), "it wrote no audio: hm");
        let absent = command(vec!["/nowhere/speaker".into()]).run("x", "y", Duration::from_secs(9));
        assert!(matches!(absent, Err(CommandError::Start(_))));
    }

    #[test]
    fn a_program_that_never_stops_writing_is_ended() {
        let much = run("head -c 104857600 /dev/zero", "x", 60_000);
        assert!(matches!(much, Err(CommandError::TooMuch)), "{:?}", much.map(|bytes| bytes.len()));
        let loud = run("head -c 104857600 /dev/zero >&2; echo ok", "x", 60_000);
        assert_eq!(loud.expect("it speaks"), b"ok\n");
    }
}
