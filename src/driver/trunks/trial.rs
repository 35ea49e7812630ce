//! `countersign trunk test`: every server of a trunk is asked at once, and what each said is told.

use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::sip::locate::Hop;
use crate::sip::{StatusCode, Uri};

/// What came of one question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// The server as the settings name it.
    pub server: String,
    /// Over what and where; `None` when its name leads nowhere.
    pub at: Option<String>,
    /// `OPTIONS` or `REGISTER`.
    pub method: String,
    /// The status; `None` when nothing came.
    pub status: Option<u16>,
    /// Its usual phrase.
    pub phrase: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// Questions that somebody waits for.
pub(super) struct Trial {
    pub(super) id: u64,
    pub(super) until: Instant,
    since: Instant,
    rows: Vec<Tried>,
    waiting: Vec<usize>,
    to: SyncSender<Option<Vec<Tried>>>,
}

/// A server that said nothing by then says nothing: four transmissions over UDP.
const PATIENCE: Duration = Duration::from_secs(5);

impl Trial {
    pub(super) fn new(id: u64, now: Instant, to: SyncSender<Option<Vec<Tried>>>) -> Self {
        Self { id, until: now + PATIENCE, since: now, rows: Vec::new(), waiting: Vec::new(), to }
    }

    /// A question that will be asked; its number.
    pub(super) fn row(&mut self, server: &Uri, hop: Hop, method: &str) -> usize {
        self.rows.push(Tried {
            server: server.to_string(),
            at: Some(format!("{} {}", hop.transport, hop.remote)),
            method: method.to_owned(),
            status: None,
            phrase: String::new(),
            took_ms: 0,
        });
        self.waiting.push(self.rows.len() - 1);
        self.rows.len() - 1
    }

    /// A server whose name leads nowhere.
    pub(super) fn nowhere(&mut self, server: &Uri) {
        let (server, method, phrase) = (server.to_string(), "OPTIONS".to_owned(), String::new());
        self.rows.push(Tried { server, at: None, method, status: None, phrase, took_ms: 0 });
    }

    pub(super) fn answered(&mut self, now: Instant, row: usize, status: StatusCode) {
        if let Some(tried) = self.rows.get_mut(row) {
            let took = now.saturating_duration_since(self.since).as_millis();
            tried.took_ms = u64::try_from(took).unwrap_or(u64::MAX);
            tried.status = Some(status.code());
            tried.phrase = status.phrase().to_owned();
        }
        self.waiting.retain(|other| *other != row);
    }

    /// Whether all is said, or nothing more will be; it is told then.
    pub(super) fn is_over(&mut self, now: Instant) -> bool {
        let over = self.waiting.is_empty() || self.until <= now;
        if over {
            // Whoever asked and did not wait does not want it any more.
            let _ = self.to.try_send(Some(std::mem::take(&mut self.rows)));
        }
        over
    }
}
