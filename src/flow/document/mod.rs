//! Documents of the flow language: from YAML files to a checked [`Application`].
//!
//! A file is read into a tree that keeps the place and the raw spelling of every scalar, because an
//! admin's typical mistakes (`0042`, `no`, an unquoted `*`) are gone once YAML has made values of them.

mod ast;
pub(crate) mod build;
mod calendar;
mod calendar_file;
pub(crate) mod calling;
mod catalogue;
mod declare;
pub(crate) mod fields;
mod files;
pub(crate) mod findings;
mod handlers;
mod imports;
mod literal_secret;
mod load;
mod lockout_file;
mod names;
mod pieces;
pub(crate) mod policy_file;
mod policy_sent;
mod policy_voice;
mod recording;
pub mod risk;
pub(crate) mod scalar;
pub mod services;
pub(crate) mod services_file;
mod services_http;
mod services_request;
mod services_sql;
mod services_table;
pub(crate) mod travels;
mod uses;
mod words;
pub(crate) mod yaml;

pub use crate::flow::step::{
    Answer, Ask, Audit, Authenticate, Cause, Check, ChooseLanguage, Confirm, Days, Decide, Digits, Goto,
    Hangup, Identify, IdentifyBy, Lookup, Menu, Notice, Play, Queue, Readback, Require, Run, Say, Set,
    StepKind, SubjectService, Transfer, WholeMoney,
};
pub use crate::flow::step::{Brand, Card, CardField, Pay, RiskStep};
pub use crate::flow::step::{
    Callback, Consent, Hold, Notify, OncePer, Recording, Remember, SkillPart, Split, TakeMessage, Update, Way,
};
pub use crate::flow::step::{Enquiry, Enrol, Enrolling, Reset, Twice, Verify, Ways, YesNo};
pub use ast::RecordingRule;
pub use ast::{
    Always, AlwaysKey, Application, Arm, Block, BlockId, Class, ClipText, Flow, FlowId, Format, Input,
    Interrupt, Joint, Language, LanguageId, LevelRef, MenuOption, OutcomeId, Passed, Piece, Prompt, Return,
    Step, VarId, Variable, Words,
};
pub use calendar::{Calendar, Calendars, Hours};
pub use files::{Files, Unread};
pub(crate) use findings::{nearest, suggestion};
pub use load::load;
pub(crate) use scalar::{digit_name, duration};
pub use services::{
    Argument, Auth, Base, Body, Breaker, Does, HttpService, JsonTemplate, Method, Part, ReplyField, Request,
    Retry, SecretRef, Service, ServiceCall, ServiceKind, Services, SqlService, Statement, Table, Template,
};
