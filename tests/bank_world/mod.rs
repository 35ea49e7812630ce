//! The shipped bank for worlds in virtual time: its flow, its recordings, and one customer in a real vault.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use countersign::audio::{Clip, decode_file, resample};
use countersign::call::ClipSource;
use countersign::driver::vault::{NewSubject, Profile, Vault};
use countersign::flow::document::Application;
use countersign::flow::run::{Answer, LookupReply, MessageReply, Question};
use countersign::flow::{ClipKey, load};
use countersign::secret::Secret;
use countersign::units::{SampleRate, UnixTime};

use super::folder::Folder;

pub(crate) const ACCOUNT: &str = "44110021";
pub(crate) const PIN: &str = "80421537";

/// The recordings of the source tree, read when they are played.
pub(crate) struct Recordings;

impl ClipSource for Recordings {
    fn clip(&self, key: &ClipKey) -> Option<Arc<Clip>> {
        let bytes = fs::read(root().join("audio").join(format!("{}.wav", key.as_str()))).ok()?;
        let pcm = decode_file(&bytes, "wav").ok()?;
        Some(Arc::new(Clip::from_pcm(&resample(&pcm.samples, pcm.rate, SampleRate::TELEPHONE))))
    }
}

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn bank() -> Arc<Application> {
    let (application, _) = load(&Folder(root().join("flows/bank"))).expect("the bank loads");
    Arc::new(application)
}

/// A vault with one customer, in a folder that goes with it.
pub(crate) struct Customer {
    pub(crate) vault: Arc<Vault>,
    pub(crate) folder: PathBuf,
    /// What their authenticator app shows.
    pub(crate) code: Box<dyn Fn(UnixTime) -> String>,
}

impl Customer {
    pub(crate) fn new(name: &str, now: UnixTime, application: &Application) -> Self {
        let folder = std::env::temp_dir().join(format!("countersign-bank-{name}-{}", std::process::id()));
        let vault = Vault::open_data(&folder).expect("a new vault");
        vault.set_policy(Arc::clone(&application.policy));
        let text = |text: &str| text.to_owned();
        let profile = Profile {
            id: text("C1001"),
            account: text(ACCOUNT),
            phone: text("+442079460001"),
            name: text("Ann Example"),
            language: text("en-GB"),
            email: String::new(),
            declined: Vec::new(),
        };
        let new = NewSubject { profile, pin: Some(Secret::new(text(PIN))), pin_hash: None };
        vault.add_subjects(now, &[new]).expect("a customer");
        let (parameters, seed) = vault.enrol_totp(now, "C1001").expect("an authenticator app");
        let code = move |at| parameters.code(&seed, parameters.step_at(at)).expose().clone();
        Self { vault: Arc::new(vault), folder, code: Box::new(code) }
    }

    /// What the driver's workers do.
    pub(crate) fn answers(&self) -> Box<dyn FnMut(UnixTime, Question) -> Answer> {
        let vault = Arc::clone(&self.vault);
        Box::new(move |now, question| match question {
            Question::Auth(question) => Answer::Auth(vault.answer(now, question)),
            Question::Message(_) => Answer::Message(MessageReply::Saved),
            Question::Notify(_) => Answer::Notified(false),
            Question::Lookup(lookup) => {
                assert!(lookup.grant.is_some(), "a balance is asked for with a grant only");
                let balance = ("balance".to_owned(), "1204.50 GBP".to_owned());
                Answer::Lookup(LookupReply::Found(vec![balance]))
            }
        })
    }
}

impl Drop for Customer {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
