//! Callers of the small application, all on one telephone.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use countersign::driver::os;
use countersign::driver::serve::Deployment;
use countersign::phone::{Phone, PhoneConfig, PhoneEvent};
use countersign::sip::SessionId;
use countersign::units::Digit;

use crate::site::{IN_TIME, SOON};

/// The version that new calls get.
pub(crate) fn hash(deployment: &Deployment) -> String {
    deployment.application().hash.to_string()
}

/// Callers on one telephone, each with the version that they must be served by.
pub(crate) struct Callers {
    pub(crate) phone: Phone,
    pub(crate) open: HashMap<SessionId, (String, String)>,
    pub(crate) answered: BTreeSet<SessionId>,
    /// Calls that ended though their callers did not hang up.
    pub(crate) dropped: Vec<String>,
    pub(crate) leaving: bool,
}

impl Callers {
    pub(crate) fn new() -> Self {
        let config = PhoneConfig { wants_trace: false, ..PhoneConfig::loopback("callers", 58_000..=59_999) };
        let phone = Phone::new(config).expect("a phone");
        Self { phone, open: HashMap::new(), answered: BTreeSet::new(), dropped: Vec::new(), leaving: false }
    }

    pub(crate) fn dial(&mut self, deployment: &Deployment, number: usize) {
        let name = format!("caller{number}");
        // Read before the call is on its way: a reload may be done before it arrives, never undone.
        let version = hash(deployment);
        let session = self.phone.dial(&format!("sip:{name}@{}", deployment.sip)).expect("dialled");
        self.open.insert(session, (name, version));
    }

    /// Lets things happen until `done`; says whether it came to that in time.
    pub(crate) fn until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let deadline = os::now() + limit;
        while !done(self) {
            if os::now() >= deadline {
                return false;
            }
            let slice = os::now() + Duration::from_millis(5);
            while let Some(event) = self.phone.next(slice) {
                self.happened(&event);
            }
        }
        true
    }

    fn happened(&mut self, event: &PhoneEvent) {
        match *event {
            PhoneEvent::Answered(session) => {
                self.phone.listen(session, false);
                self.answered.insert(session);
            }
            PhoneEvent::Failed(session, _) => self.dropped.push(self.open[&session].0.clone()),
            PhoneEvent::Ended(session, _) => {
                if let Some((name, _)) = self.open.get(&session).filter(|_| !self.leaving) {
                    self.dropped.push(name.clone());
                }
                self.answered.remove(&session);
            }
            _ => {}
        }
    }

    pub(crate) fn all_answered(&mut self) {
        let all = self.until(IN_TIME * 2, |this| this.answered.len() == this.open.len());
        assert!(
            all,
            "{} of {} are answered, {:?} are not",
            self.answered.len(),
            self.open.len(),
            self.dropped
        );
    }

    pub(crate) fn press(&mut self, session: SessionId, key: char) {
        self.phone.press(session, &[Digit::from_char(key).expect("a key")]);
    }

    /// All hang up; returns the version that each must have been served by.
    pub(crate) fn leave(&mut self) -> BTreeMap<String, String> {
        self.leaving = true;
        for session in self.open.keys().copied().collect::<Vec<_>>() {
            self.phone.hang_up(session);
        }
        assert!(self.until(SOON, |this| this.answered.is_empty()), "all calls end");
        self.open.drain().map(|(_, expected)| expected).collect()
    }
}
