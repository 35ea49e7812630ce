//! The steps of the language, one file each: what it is for, its fields and outcomes, how it is read, what it
//! does.
//!
//! To add a step: a file here with its [`Spec`], its struct, its `Node` and its `read`, and a line in
//! `steps!`. The checks, the JSON Schema, the manual and the runtime ask nothing but the [`Spec`] and the `Node`.

mod enquiry;
mod enrol_voice;
mod manual;
mod node;
mod reader;
mod spec;
mod ways;
mod yes_no;

use std::borrow::Cow;

use crate::flow::document::findings::suggestion;
use crate::flow::document::{Arm, Prompt};

pub use enquiry::Enquiry;
pub use manual::manual;
pub(crate) use node::{Arms, Node, Sink, Use};
pub(crate) use reader::{Reader, next, read};
pub use spec::{COMMON_FIELDS, FieldSpec, INPUT_FIELDS, Shape, Spec};
pub use ways::Ways;
pub use yes_no::YesNo;

macro_rules! steps {
    ($($module:ident::$name:ident,)+) => {
        $(mod $module; pub use $module::$name;)+

        /// All steps.
        pub const STEPS: &[&Spec] = &[$(&$module::SPEC,)+];

        /// What a step does. Its verb is [`StepKind::verb`].
        #[derive(Debug)]
        pub enum StepKind {
            $(#[doc = concat!("See [`", stringify!($name), "`].")] $name($name),)+
        }

        impl StepKind {
            pub(crate) fn node(&self) -> &dyn Node {
                match self {
                    $(Self::$name(step) => step,)+
                }
            }
        }
    };
}

steps! {
    answer::Answer,
    say::Say,
    play::Play,
    choose_language::ChooseLanguage,
    notice::Notice,
    consent::Consent,
    withdraw::Withdraw,
    recording::Recording,
    hold::Hold,
    notify::Notify,
    ask::Ask,
    menu::Menu,
    confirm::Confirm,
    set::Set,
    decide::Decide,
    goto::Goto,
    hours::Hours,
    split::Split,
    run::Run,
    leave::Return,
    identify::Identify,
    authenticate::Authenticate,
    verify::Verify,
    enrol::Enrol,
    reset::Reset,
    change_address::ChangeAddress,
    opt_out::OptOut,
    require::Require,
    risk::RiskStep,
    card::Card,
    pay::Pay,
    lookup::Lookup,
    update::Update,
    queue::Queue,
    transfer::Transfer,
    take_message::TakeMessage,
    audit::Audit,
    hangup::Hangup,
}

pub use ask::{Check, Days, Digits, Readback, WholeMoney};
pub(crate) use authenticate::Proving;
pub use card::{Brand, CardField};
pub use change_address::Address;
pub use choose_language::Remember;
pub use enrol::{Enrolling, Twice};
pub use enrol_voice::Speaking;
pub use hangup::Cause;
pub use identify::{IdentifyBy, SubjectService};
pub use notice::OncePer;
pub use queue::{Callback, SkillPart};
pub use split::Way;

impl StepKind {
    /// The verb it is written with.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        self.node().spec().verb
    }

    /// Its outcomes by name, each with its arm.
    #[must_use]
    pub fn arms(&self) -> Vec<(Cow<'static, str>, &Arm)> {
        self.node().arms()
    }

    /// Every prompt of it that is said in the call's language or, before a hand-off, to the other side.
    #[must_use]
    pub fn prompts(&self) -> Vec<&Prompt> {
        let node = self.node();
        let ladders = node.input().into_iter().flat_map(|input| input.no_input.iter().chain(&input.no_match));
        node.prompts().into_iter().chain(node.whispers()).chain(ladders).collect()
    }
}

/// A step by its verb.
#[must_use]
pub fn spec(verb: &str) -> Option<&'static Spec> {
    STEPS.iter().copied().find(|spec| spec.verb == verb)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_documents_its_fields_once() {
        for spec in STEPS {
            assert!(spec.summary.ends_with('.'), "{}", spec.verb);
            let mut names: Vec<&str> = spec.fields.iter().map(|field| field.name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), spec.fields.len(), "{}", spec.verb);
            assert!(spec.fields.iter().all(|field| !field.doc.is_empty()), "{}", spec.verb);
        }
    }
}
