//! A call in the virtual world that a person makes, key by key: what `countersign run --text` is built on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::auth::FactorId;
use crate::flow::document::Application;
use crate::units::UnixTime;

use super::coverage::Coverage;
use super::document::{AgentAct, CallScript, Fixture, Keys};
use super::leaks::Leaks;
use super::read::KEY_TIME;
use super::seen::Seen;
use super::stage::{Stage, keys_of};
use super::transcript::Line;
use super::world::{House, Sounds, World};

/// A telephone booth: step in, call, hang up.
pub struct Booth {
    house: House,
    leaks: Leaks,
    coverage: Coverage,
}

impl Booth {
    /// One in a world made of a fixture.
    #[must_use]
    pub fn new(app: &Arc<Application>, fixture: &Fixture, start: Instant, clock: UnixTime) -> Self {
        Self {
            house: House::new(app, fixture, start, clock),
            leaks: Leaks::default(),
            coverage: Coverage::of(app),
        }
    }

    /// Picks up the telephone and calls.
    pub fn call<'b>(&'b mut self, sounds: &'b dyn Sounds, call: &CallScript) -> Visit<'b> {
        let world = World::new(&mut self.house, sounds, &mut self.leaks, &mut self.coverage, call);
        Visit { world, shown: 0, turn: false, heard: 0, over: false }
    }
}

/// A call under way.
pub struct Visit<'b> {
    world: World<'b>,
    shown: usize,
    /// The caller was asked for something, and the question is over.
    turn: bool,
    /// How many prompts there were.
    heard: u64,
    over: bool,
}

impl Visit<'_> {
    /// What happened since this was last called.
    pub fn lines(&mut self) -> Vec<Line> {
        self.listen();
        let lines = self.world.transcript.lines.get(self.shown..).unwrap_or_default().to_vec();
        self.shown += lines.len();
        lines
    }

    /// Whether the call is over.
    pub fn over(&mut self) -> bool {
        self.listen();
        self.over
    }

    /// Whether it is the caller's turn: they were asked for something, to the end; or somebody else has to do
    /// something.
    pub fn waits(&mut self) -> bool {
        self.listen();
        self.turn || (self.world.handed_off() && !self.world.busy())
    }

    /// Says nothing until something happens: a question comes, or the call goes elsewhere.
    pub fn keep_silent(&mut self) {
        self.turn = false;
        let before = self.heard;
        while !self.over() && self.heard == before && self.go_on() {}
    }

    /// What would prove that the caller is who they claim to be, by factor.
    pub fn codes(&mut self) -> Vec<String> {
        let factors = FactorId::ALL.iter();
        let response = |factor: &FactorId| {
            let response = self.world.response(*factor, None, false)?;
            Some(format!("{factor}: {}", response.expose()))
        };
        factors.filter_map(response).collect()
    }

    /// How long until something happens by itself.
    #[must_use]
    pub fn next_in(&self) -> Option<Duration> {
        self.world.next_in()
    }

    /// Lets the next thing happen.
    pub fn go_on(&mut self) -> bool {
        self.world.go_on()
    }

    /// Lets so much time pass.
    pub fn pass(&mut self, time: Duration) {
        self.world.pass(time);
    }

    /// Presses keys; whether all of these are keys.
    pub fn press(&mut self, text: &str) -> bool {
        let keys = keys_of(text);
        if keys.is_empty() || keys.len() != text.chars().count() {
            return false;
        }
        self.turn = false;
        self.world.press(&Keys { keys, at_once: true, gap: KEY_TIME }, false);
        true
    }

    /// Says words.
    ///
    /// # Errors
    /// When nobody would hear them.
    pub fn say(&mut self, words: &str) -> Result<(), String> {
        self.turn = false;
        self.world.say(words, 95)
    }

    /// An agent does something.
    ///
    /// # Errors
    /// When there is nobody whom they could do it to.
    pub fn agent(&mut self, act: &AgentAct) -> Result<(), String> {
        self.world.agent(act)
    }

    /// Hangs up.
    pub fn hang_up(&mut self) {
        self.world.hang_up();
    }

    fn listen(&mut self) {
        for seen in self.world.news() {
            match seen {
                Seen::Waits => self.turn = true,
                Seen::Outcome { .. } | Seen::Block(_) | Seen::Step { .. } | Seen::Asks(_) => {
                    self.turn = false
                }
                Seen::Prompt(_) => self.heard += 1,
                Seen::Finished(_) => {
                    self.turn = false;
                    self.over = true;
                }
                _ => {}
            }
        }
    }
}
