//! The routes: what can be asked, with which scope, what is read and what is written. What answers, what checks and
//! the API's description are all made from this table.

use super::call::Call;
use super::shape::{Schemas, Shape};
use super::{Scope, audit, calls, engine, enrolments, links, recordings, subjects};
use crate::driver::web::{Problem, Reply};

/// One route.
pub(super) struct Route {
    /// The method.
    pub(super) method: &'static str,
    /// The path; `{name}` stands for one part.
    pub(super) path: &'static str,
    /// What a token needs; `None` when everybody may.
    pub(super) scope: Option<Scope>,
    /// Its name for programs.
    pub(super) name: &'static str,
    /// What it does.
    pub(super) about: &'static str,
    /// The parameters of its query.
    pub(super) query: &'static [Parameter],
    /// What is read.
    pub(super) body: Option<Shaped>,
    /// What is written when it is done.
    pub(super) done: (u16, Option<Shaped>),
    /// What does it.
    pub(super) work: fn(&Call<'_>) -> Result<Reply, Problem>,
}

/// Gives a schema.
pub(super) type Shaped = fn(&mut Schemas) -> serde_json::Value;

/// A parameter of a query or a path.
pub(super) struct Parameter {
    /// Its name.
    pub(super) name: &'static str,
    /// What it means.
    pub(super) about: &'static str,
    /// Whether it is a number.
    pub(super) number: bool,
}

const fn text(name: &'static str, about: &'static str) -> Parameter {
    Parameter { name, about, number: false }
}

const fn number(name: &'static str, about: &'static str) -> Parameter {
    Parameter { name, about, number: true }
}

const LIMIT: Parameter = number("limit", "How many at most: 1 to 200, 50 when absent.");

/// What stands in paths.
pub(super) const IN_PATHS: [Parameter; 5] = [
    text("subject", "The identifier in services, such as C1001; or `~` and the pseudonym of the audit log."),
    text("factor", "The factor, such as pin."),
    text("call", "The call, by its name."),
    text("passkey", "The passkey, by its name in the list of passkeys."),
    text("recording", "The recording, by its name."),
];

/// All routes.
pub(super) const ROUTES: &[Route] = &[
    Route {
        method: "GET",
        path: "/v1/openapi.json",
        scope: None,
        name: "describe",
        about: "This description.",
        query: &[],
        body: None,
        done: (200, Some(serde_json::Value::schema)),
        work: |_| Ok(super::openapi::reply()),
    },
    Route {
        method: "GET",
        path: "/v1/engine",
        scope: Some(Scope::EngineRead),
        name: "engine",
        about: "What is served, and for how many.",
        query: &[],
        body: None,
        done: (200, Some(engine::Engine::schema)),
        work: engine::show,
    },
    Route {
        method: "GET",
        path: "/v1/policy",
        scope: Some(Scope::PolicyRead),
        name: "policy",
        about: "The policy that new calls get: factors, levels, limits.",
        query: &[],
        body: None,
        done: (200, Some(engine::PolicyInUse::schema)),
        work: engine::policy,
    },
    Route {
        method: "GET",
        path: "/v1/subjects",
        scope: Some(Scope::SubjectsRead),
        name: "listSubjects",
        about: "Subjects, masked, in the order of their pseudonyms.",
        query: &[text("after", "The `next` of the page before."), LIMIT],
        body: None,
        done: (200, Some(subjects::SubjectPage::schema)),
        work: subjects::list,
    },
    Route {
        method: "POST",
        path: "/v1/subjects",
        scope: Some(Scope::SubjectsWrite),
        name: "addSubject",
        about: "Adds a subject.",
        query: &[],
        body: Some(subjects::NewSubject::schema),
        done: (201, Some(subjects::Subject::schema)),
        work: subjects::add,
    },
    Route {
        method: "GET",
        path: "/v1/subjects/{subject}",
        scope: Some(Scope::SubjectsRead),
        name: "subject",
        about: "One subject, masked.",
        query: &[],
        body: None,
        done: (200, Some(subjects::Subject::schema)),
        work: subjects::one,
    },
    Route {
        method: "PATCH",
        path: "/v1/subjects/{subject}",
        scope: Some(Scope::SubjectsWrite),
        name: "changeSubject",
        about: "Changes what is on file of a subject. Make sure first that it is the customer who asks.",
        query: &[],
        body: Some(subjects::SubjectChange::schema),
        done: (200, Some(subjects::SubjectChanged::schema)),
        work: subjects::change,
    },
    Route {
        method: "DELETE",
        path: "/v1/subjects/{subject}",
        scope: Some(Scope::SubjectsErase),
        name: "eraseSubject",
        about: "Destroys a subject's key, profile and factors. There is no way back.",
        query: &[],
        body: None,
        done: (204, None),
        work: subjects::erase,
    },
    Route {
        method: "POST",
        path: "/v1/subjects/{subject}/unlock",
        scope: Some(Scope::SubjectsUnlock),
        name: "unlockSubject",
        about: "Lifts a subject's lock and forgets its failures. Make sure first that it is the customer who asks.",
        query: &[],
        body: Some(subjects::Unlock::schema),
        done: (204, None),
        work: subjects::unlock,
    },
    Route {
        method: "GET",
        path: "/v1/subjects/{subject}/enrolments",
        scope: Some(Scope::EnrolmentsRead),
        name: "listEnrolments",
        about: "What a subject has enrolled.",
        query: &[],
        body: None,
        done: (200, Some(enrolments::Enrolments::schema)),
        work: enrolments::list,
    },
    Route {
        method: "PUT",
        path: "/v1/subjects/{subject}/enrolments/{factor}",
        scope: Some(Scope::EnrolmentsWrite),
        name: "enrol",
        about: "Enrols `pin`, `password`, `totp`, `hotp` or `recovery`, replacing what was. What the subject has to be told is shown this once.",
        query: &[],
        body: Some(enrolments::Enrol::schema),
        done: (200, Some(enrolments::Enrolled::schema)),
        work: enrolments::enrol,
    },
    Route {
        method: "DELETE",
        path: "/v1/subjects/{subject}/enrolments/{factor}",
        scope: Some(Scope::EnrolmentsWrite),
        name: "removeEnrolment",
        about: "Takes a factor from a subject.",
        query: &[],
        body: None,
        done: (204, None),
        work: enrolments::remove,
    },
    Route {
        method: "POST",
        path: "/v1/subjects/{subject}/links",
        scope: Some(Scope::EnrolmentsWrite),
        name: "sendLink",
        about: "Has a link to enrol a passkey or an authenticator app by sent to the address on file. It is good once, for half an hour, with the code that is shown here once. Make sure first that it is the customer who asks.",
        query: &[],
        body: Some(links::NewLink::schema),
        done: (201, Some(links::SentLink::schema)),
        work: links::send,
    },
    Route {
        method: "GET",
        path: "/v1/subjects/{subject}/passkeys",
        scope: Some(Scope::EnrolmentsRead),
        name: "listPasskeys",
        about: "A subject's passkeys.",
        query: &[],
        body: None,
        done: (200, Some(links::Passkeys::schema)),
        work: links::list,
    },
    Route {
        method: "DELETE",
        path: "/v1/subjects/{subject}/passkeys/{passkey}",
        scope: Some(Scope::EnrolmentsWrite),
        name: "removePasskey",
        about: "Takes a passkey from a subject, who is told.",
        query: &[],
        body: None,
        done: (204, None),
        work: links::remove,
    },
    Route {
        method: "GET",
        path: "/v1/calls",
        scope: Some(Scope::CallsRead),
        name: "listCalls",
        about: "Records of calls that are over, newest first.",
        query: &[number("before", "The `next` of the page before."), LIMIT],
        body: None,
        done: (200, Some(calls::CallPage::schema)),
        work: calls::list,
    },
    Route {
        method: "GET",
        path: "/v1/calls/{call}",
        scope: Some(Scope::CallsRead),
        name: "call",
        about: "The record of one call.",
        query: &[],
        body: None,
        done: (200, Some(calls::Call::schema)),
        work: calls::one,
    },
    Route {
        method: "GET",
        path: "/v1/calls/{call}/explanation",
        scope: Some(Scope::CallsRead),
        name: "explainCall",
        about: "One call told in words, step by step.",
        query: &[],
        body: None,
        done: (200, Some(calls::Explanation::schema)),
        work: calls::explain,
    },
    Route {
        method: "GET",
        path: "/v1/calls/{call}/recordings",
        scope: Some(Scope::RecordingsRead),
        name: "listRecordings",
        about: "What was recorded of a call.",
        query: &[],
        body: None,
        done: (200, Some(recordings::Recordings::schema)),
        work: recordings::list,
    },
    Route {
        method: "GET",
        path: "/v1/recordings/{recording}/audio",
        scope: Some(Scope::RecordingsListen),
        name: "hearRecording",
        about: "A part of a recording as a WAV file: the caller left, what they heard right. The audit log keeps the reason.",
        query: &[
            text("reason", "Why it is heard: 4 to 200 characters, nothing personal. Needed."),
            number("from", "From which second on; 0 when absent."),
            number("seconds", "How many seconds at most: 1 to 300, 300 when absent."),
        ],
        body: None,
        done: (200, Some(recordings::audio)),
        work: recordings::hear,
    },
    Route {
        method: "GET",
        path: "/v1/audit",
        scope: Some(Scope::AuditRead),
        name: "listAudit",
        about: "Records of the audit log behind a number, in their order.",
        query: &[
            number("after", "The number of the last record that is known already; 0 when absent."),
            LIMIT,
        ],
        body: None,
        done: (200, Some(audit::AuditPage::schema)),
        work: audit::list,
    },
    Route {
        method: "POST",
        path: "/v1/audit/verification",
        scope: Some(Scope::AuditRead),
        name: "verifyAudit",
        about: "Follows the whole audit log and tells of the first record that is wrong.",
        query: &[],
        body: None,
        done: (200, Some(audit::Verification::schema)),
        work: audit::verify,
    },
];

/// What a path asks for: the route's parts with their values, or the methods that there are.
pub(super) enum Found {
    /// A route, and what stands for its parts.
    Route(&'static Route, Vec<(&'static str, String)>),
    /// The path is there, the method is not.
    OtherMethods(Vec<&'static str>),
    /// No such path.
    Nothing,
}

/// Finds the route of a request.
pub(super) fn find(method: &str, segments: &[String]) -> Found {
    let mut others = Vec::new();
    for route in ROUTES {
        let Some(parts) = fits(route.path, segments) else { continue };
        if route.method == method || (method == "HEAD" && route.method == "GET") {
            return Found::Route(route, parts);
        }
        others.push(route.method);
    }
    if others.is_empty() { Found::Nothing } else { Found::OtherMethods(others) }
}

fn fits(path: &'static str, segments: &[String]) -> Option<Vec<(&'static str, String)>> {
    let wanted: Vec<&'static str> = path.split('/').skip(1).collect();
    if wanted.len() != segments.len() {
        return None;
    }
    let mut parts = Vec::new();
    for (wanted, segment) in wanted.into_iter().zip(segments) {
        match wanted.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) => parts.push((name, segment.clone())),
            None if wanted == segment => {}
            None => return None,
        }
    }
    Some(parts)
}
