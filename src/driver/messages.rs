//! Messages that callers left: one sealed file each, in `messages/` below the data folder.
//!
//! A file is written beside its place, brought to the disk and then renamed: what has its name is whole, and a
//! crash leaves nothing but a `.part`, which the next start removes. Head and audio are sealed apart, so that a
//! list opens heads only.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::dated::{self, DatedFolder, PART};
use super::keys::Keys;
use super::os;
use super::seal::{self, Key, Label};
use super::vault::TENANT;
use crate::flow::run::{Message, MessageReply};
use crate::secret::Secret;
use crate::units::{CallId, UnixTime};

/// Takes the answer, on the keeper's thread.
pub type Reply = Box<dyn FnOnce(MessageReply) + Send>;

/// The folder of messages.
pub struct Messages {
    folder: DatedFolder,
    key: Key,
}

/// What a list says of a message. Personal data: no `Debug`.
#[derive(Serialize, Deserialize)]
pub struct Head {
    /// Its name.
    #[serde(skip)]
    pub id: String,
    /// When it was left, in milliseconds since 1970.
    pub at: i64,
    /// Whose it is.
    pub mailbox: String,
    /// In which call.
    pub call: String,
    /// The number it came from.
    pub caller: Option<String>,
    /// How long it is, in milliseconds.
    pub millis: u64,
}

/// Why a message is not kept or read.
#[derive(Debug, Error)]
pub enum MessageError {
    /// No such message.
    #[error("there is no message `{0}`\n  help: `countersign messages list` shows them")]
    Unknown(String),
    /// The file can't be written, read or removed.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It does not open.
    #[error("{path} was changed, or sealed with another key")]
    Seal {
        /// The file.
        path: PathBuf,
    },
}

/// The first bytes of a file.
const MAGIC: &[u8; 8] = b"CSMSG\x00\x01\n";
const WHOLE: &str = "message";
/// A head is shorter, whatever it says.
const LONGEST_HEAD: usize = 8 * 1024;

impl Messages {
    /// The folder's name in the data folder.
    pub const FOLDER: &str = "messages";

    /// The messages of a data folder, which is made when there is none.
    ///
    /// # Errors
    /// When the folder can't be made or read.
    pub fn open(data: &Path, keys: &Keys) -> Result<Self, MessageError> {
        let folder = DatedFolder::new(data.join(Self::FOLDER), WHOLE);
        folder.make().map_err(|source| MessageError::Io { path: folder.path().to_owned(), source })?;
        Ok(Self { key: keys.derive("messages"), folder })
    }

    /// Removes what a crash left half written. Only whoever writes may do so.
    fn tidy(&self) -> Result<(), MessageError> {
        for path in self.folder.files(PART).map_err(|source| self.unreadable(source))? {
            fs::remove_file(&path).map_err(|source| MessageError::Io { path, source })?;
        }
        Ok(())
    }

    fn unreadable(&self, source: io::Error) -> MessageError {
        MessageError::Io { path: self.folder.path().to_owned(), source }
    }

    /// Keeps a message: it is on the disk, whole, when this returns.
    ///
    /// # Errors
    /// When the disk does not take it; nothing is left of it then.
    pub fn keep(&self, at: UnixTime, call: CallId, message: &Message) -> Result<String, MessageError> {
        let id = DatedFolder::name(at, call);
        let (whole, part) = (self.folder.whole_path(&id), self.folder.part_path(&id));
        let samples = u64::try_from(message.audio.expose().len()).unwrap_or(u64::MAX);
        let head = Head {
            id: id.clone(),
            at: at.0,
            mailbox: message.mailbox.clone(),
            call: call.to_string(),
            caller: message.caller.as_ref().map(|number| number.expose().clone()),
            millis: samples / 8,
        };
        let sealed = || -> Option<Vec<u8>> {
            let json = Secret::new(serde_json::to_vec(&head).ok()?);
            let head = seal::seal(&self.key, label(&id, "head"), json.expose()).ok()?;
            let audio = seal::seal(&self.key, label(&id, "audio"), message.audio.expose()).ok()?;
            let length = u32::try_from(head.len()).ok()?.to_be_bytes();
            Some([MAGIC.as_slice(), &length, &head, &audio].concat())
        };
        let bytes = sealed().ok_or_else(|| MessageError::Seal { path: whole.clone() })?;
        let written = write(&part, &bytes).and_then(|()| self.folder.finish(&id));
        written.map(|()| id).map_err(|source| {
            let _ = fs::remove_file(&part);
            MessageError::Io { path: part, source }
        })
    }

    /// All messages, the oldest first. One that does not open is told and left out.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub fn list(&self) -> Result<Vec<Head>, MessageError> {
        let mut out = Vec::new();
        for path in self.folder.whole().map_err(|source| self.unreadable(source))? {
            match self.head(&path) {
                Ok((head, _)) => out.push(head),
                Err(error) => tracing::error!(%error, "a message can't be read"),
            }
        }
        Ok(out)
    }

    /// One message: what a list says of it, and its audio, µ-law at 8,000 octets a second.
    ///
    /// # Errors
    /// When there is none of that name, or it does not open.
    pub fn read(&self, id: &str) -> Result<(Head, Secret<Vec<u8>>), MessageError> {
        let path = self.found(id)?;
        let (head, mut file) = self.head(&path)?;
        let mut sealed = Vec::new();
        file.read_to_end(&mut sealed).map_err(|source| MessageError::Io { path: path.clone(), source })?;
        let audio = seal::open(&self.key, label(id, "audio"), &sealed);
        audio.map(|audio| (head, audio)).map_err(|_| MessageError::Seal { path })
    }

    /// Removes a message.
    ///
    /// # Errors
    /// When there is none of that name, or it can't be removed.
    pub fn delete(&self, id: &str) -> Result<(), MessageError> {
        let path = self.found(id)?;
        fs::remove_file(&path).map_err(|source| MessageError::Io { path, source })
    }

    /// Removes messages of before a time, by the time in their names; with `dry` only counts them.
    ///
    /// # Errors
    /// When the folder can't be read or a file not be removed.
    pub fn sweep(&self, before: UnixTime, dry: bool) -> Result<u64, MessageError> {
        let past = self.folder.past(before).map_err(|source| self.unreadable(source))?;
        let removed = u64::try_from(past.len()).unwrap_or(u64::MAX);
        for path in past.into_iter().filter(|_| !dry) {
            fs::remove_file(&path).map_err(|source| MessageError::Io { path, source })?;
        }
        Ok(removed)
    }

    fn found(&self, id: &str) -> Result<PathBuf, MessageError> {
        self.folder.found(id).ok_or_else(|| MessageError::Unknown(id.to_owned()))
    }

    /// The head of a file, and the file where its audio begins.
    fn head(&self, path: &Path) -> Result<(Head, File), MessageError> {
        let io = |source| MessageError::Io { path: path.to_owned(), source };
        let wrong = || MessageError::Seal { path: path.to_owned() };
        let mut file = File::open(path).map_err(io)?;
        let mut start = [0; 12];
        file.read_exact(&mut start).map_err(io)?;
        let (magic, length) = start.split_at(MAGIC.len());
        let length =
            length.try_into().map(u32::from_be_bytes).ok().and_then(|length| usize::try_from(length).ok());
        let length = length.filter(|length| magic == MAGIC && *length <= LONGEST_HEAD).ok_or_else(wrong)?;
        let mut sealed = vec![0; length];
        file.read_exact(&mut sealed).map_err(io)?;
        let id = dated::stem(path).ok_or_else(wrong)?;
        let json = seal::open(&self.key, label(id, "head"), &sealed).map_err(|_| wrong())?;
        let head: Head = serde_json::from_slice(json.expose()).map_err(|_| wrong())?;
        Ok((Head { id: id.to_owned(), ..head }, file))
    }
}

fn label<'a>(id: &'a str, kind: &'a str) -> Label<'a> {
    Label { tenant: TENANT, owner: id.as_bytes(), kind }
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = DatedFolder::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// A message on its way to the disk.
struct Job {
    call: CallId,
    message: Message,
    reply: Reply,
}

/// Hands messages to the thread that writes them.
#[derive(Clone)]
pub struct Keeper(SyncSender<Job>);

/// The most messages that may wait: a few megabytes each at most.
const PLACES: usize = 16;

impl Keeper {
    /// Starts the thread; it ends, everything written, when the last keeper is gone.
    ///
    /// # Errors
    /// When the system gives no thread.
    #[expect(clippy::disallowed_methods, reason = "messages are written by a thread of their own")]
    pub fn start(messages: Arc<Messages>) -> io::Result<(Self, JoinHandle<()>)> {
        let (sender, receiver) = sync_channel(PLACES);
        let thread = std::thread::Builder::new()
            .name("messages".to_owned())
            .spawn(move || work(&messages, &receiver))?;
        Ok((Self(sender), thread))
    }

    /// Has a message kept. `reply` is called once, here when too many wait.
    pub fn submit(&self, call: CallId, message: Message, reply: Reply) {
        if let Err(refused) = self.0.try_send(Job { call, message, reply }) {
            let (std::sync::mpsc::TrySendError::Full(job) | std::sync::mpsc::TrySendError::Disconnected(job)) =
                refused;
            tracing::error!(%call, "a message is lost: the disk does not keep up");
            (job.reply)(MessageReply::Failed);
        }
    }
}

fn work(messages: &Messages, jobs: &Receiver<Job>) {
    if let Err(error) = messages.tidy() {
        tracing::error!(%error, "what a crash left of messages can't be removed");
    }
    while let Ok(Job { call, message, reply }) = jobs.recv() {
        let kept = messages.keep(os::unix_now(), call, &message);
        reply(match kept {
            Ok(_) => MessageReply::Saved,
            Err(error) => {
                tracing::error!(%call, %error, "a message can't be kept");
                MessageReply::Failed
            }
        });
    }
}
