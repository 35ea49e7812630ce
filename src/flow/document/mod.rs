//! Documents of the flow language: from YAML files to a checked [`Application`].
//!
//! A file is read into a tree that keeps the place and the raw spelling of every scalar, because an
//! admin's typical mistakes (`0042`, `no`, an unquoted `*`) are gone once YAML has made values of them.

mod ast;
pub mod services;
mod step_kind;

pub use ast::{
    Always, AlwaysKey, Application, Arm, Block, BlockId, Class, Flow, FlowId, Format, Input, Interrupt,
    Language, LanguageId, LevelRef, MenuOption, OutcomeId, Piece, Prompt, Return, VarId, Variable,
};
pub use services::{ReplyField, Service, ServiceCall, Services, Table};
pub use step_kind::{
    Ask, Audit, Authenticate, Cause, Check, ChooseLanguage, Confirm, Decide, Digits, Hangup, Identify,
    IdentifyBy, Lookup, Menu, Notice, Passed, Play, Queue, Readback, Require, Run, Say, Step, StepKind,
    Transfer,
};
