//! The vault of a world, and its services.

use countersign::auth;
use countersign::flow::run::{Answer, LookupReply, MessageReply, Question};

use super::PIN;

/// A vault with one customer, who has every factor and whose PIN is [`PIN`]; a service that always knows.
pub(super) fn answer(question: Question) -> Answer {
    let subject = || auth::SubjectRef::new(auth::SubjectKey([1; 16]), "customer");
    match question {
        Question::Auth(auth::Question::Identify { .. }) => {
            Answer::Auth(auth::Answer::Identified(auth::Identified::One(subject())))
        }
        Question::Auth(auth::Question::Enrolled { .. }) => {
            Answer::Auth(auth::Answer::Enrolled(Ok(vec![auth::FactorId::Pin, auth::FactorId::Totp])))
        }
        Question::Auth(auth::Question::Prepare { .. }) => {
            Answer::Auth(auth::Answer::Prepared(auth::Prepared::Unavailable))
        }
        Question::Auth(auth::Question::Verify { response, .. }) => {
            let right = response.keyed().is_some_and(|keyed| keyed.expose() == PIN);
            let verdict = if right { auth::Verdict::Accept } else { auth::Verdict::Reject };
            Answer::Auth(auth::Answer::Verdict { verdict, locked: false, expired: false, left: None })
        }
        Question::Auth(auth::Question::Enrol { .. } | auth::Question::Amend { .. }) => {
            Answer::Auth(auth::Answer::Enrolment(auth::Enrolment::Done))
        }
        Question::Auth(auth::Question::Suspect { .. }) => Answer::Auth(auth::Answer::Suspected(false)),
        Question::Auth(auth::Question::Remember { .. }) => Answer::Auth(auth::Answer::Remembered),
        Question::Auth(auth::Question::Recall { .. }) => Answer::Auth(auth::Answer::Recalled(None)),
        Question::Auth(auth::Question::Velocity) => Answer::Auth(auth::Answer::Velocity(None)),
        Question::Auth(auth::Question::Audit(_)) => Answer::Auth(auth::Answer::Audited(true)),
        Question::Message(_) => Answer::Message(MessageReply::Saved),
        Question::Notify(_) => Answer::Notified(false),
        Question::Lookup(_) => {
            Answer::Lookup(LookupReply::Found(vec![("balance".to_owned(), "120.50".to_owned())]))
        }
    }
}
