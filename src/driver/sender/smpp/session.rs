//! The connection to a carrier: bound, kept up, bound again when it is lost. One thread owns it.

use std::collections::{HashMap, VecDeque};
use std::io::{ErrorKind, Read as _, Write as _};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError};
use std::time::{Duration, Instant};

use super::super::Tools;
use super::super::letter::LetterId;
use super::super::outcome::{Accepted, Code, NotTaken, Report, Status};
use super::Settings;
use super::pdu::{self, Address, Pdu, State, Submit, command};
use super::text::Parts;
use crate::driver::os;
use crate::driver::wire::{self, Wire};

/// A letter to be submitted.
pub(super) struct Order {
    pub(super) letter: LetterId,
    pub(super) from: Address,
    pub(super) to: Arc<Address>,
    pub(super) parts: Arc<Parts>,
    pub(super) valid: Duration,
    pub(super) deadline: Instant,
    pub(super) answer: SyncSender<Result<Accepted, NotTaken>>,
}

/// Owns the connection.
pub(super) struct Session {
    settings: Settings,
    tools: Tools,
    orders: Receiver<Order>,
    /// Not before this is it bound again.
    again: Instant,
    pause: Duration,
    /// Why it was not bound the last time.
    why: NotTaken,
    messages: Messages,
}

/// The carrier's names of messages whose receipts are waited for.
#[derive(Default)]
struct Messages {
    letters: HashMap<String, LetterId>,
    order: VecDeque<String>,
    /// Parts of a letter that have not arrived yet.
    left: HashMap<LetterId, usize>,
}

/// A bound connection.
struct Bound {
    wire: Wire,
    received: Vec<u8>,
    number: u32,
    /// Orders that are not answered yet.
    running: HashMap<LetterId, Running>,
    /// Parts to be written.
    parts: VecDeque<(LetterId, usize)>,
    /// Parts that the carrier has not answered, by their number.
    asked: HashMap<u32, LetterId>,
    /// When the next part may be written.
    next: Instant,
    heard: Instant,
    /// An enquiry that is not answered.
    enquired: Option<Instant>,
}

struct Running {
    order: Order,
    answered: usize,
    last: Option<String>,
}

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Binding takes no longer.
const BINDING: Duration = Duration::from_secs(10);
/// §7.2: how long an answer to an enquiry may take.
const ENQUIRY: Duration = Duration::from_secs(10);
/// Between two looks for something to write.
const LOOK: Duration = Duration::from_millis(20);
const IDLE_LOOK: Duration = Duration::from_millis(100);
/// Receipts come within days, and not all do.
const MOST_MESSAGES: usize = 10_000;

/// Why a connection ends.
enum End {
    /// The sender is gone.
    Closed,
    Lost(NotTaken),
}

impl Session {
    pub(super) fn new(settings: Settings, tools: Tools, orders: Receiver<Order>) -> Self {
        let messages = Messages::default();
        Self {
            settings,
            tools,
            orders,
            again: os::now(),
            pause: FIRST_PAUSE,
            why: NotTaken::Connect,
            messages,
        }
    }

    /// Until the sender is gone. Bound without being asked: receipts come at any time.
    pub(super) fn run(mut self) {
        loop {
            let wait = self.again.saturating_duration_since(os::now());
            if wait.is_zero() {
                match self.serve() {
                    End::Closed => return,
                    End::Lost(why) => self.lost(why),
                }
                continue;
            }
            match self.orders.recv_timeout(wait) {
                // Nobody waits for a carrier that is not there: another sender is tried.
                Ok(order) => drop(order.answer.try_send(Err(self.why))),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    fn lost(&mut self, why: NotTaken) {
        self.why = why;
        self.again = os::now() + self.pause;
        tracing::warn!(sender = %self.tools.name, %why, pause_s = self.pause.as_secs(), "no connection by SMPP");
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    fn serve(&mut self) -> End {
        let mut bound = match self.bind() {
            Ok(bound) => bound,
            Err(why) => return End::Lost(why),
        };
        tracing::info!(sender = %self.tools.name, "bound by SMPP");
        self.pause = FIRST_PAUSE;
        let end = self.converse(&mut bound);
        let why = match end {
            End::Closed => {
                let _ = bound.write(&Pdu::new(command::UNBIND, 0, 0, Vec::new()));
                NotTaken::Lost
            }
            End::Lost(why) => why,
        };
        for (_, running) in bound.running.drain() {
            let _ = running.order.answer.try_send(Err(why));
        }
        end
    }

    fn bind(&self) -> Result<Bound, NotTaken> {
        let deadline = os::now() + BINDING;
        let settings = &self.settings;
        let port = settings.port.unwrap_or(if settings.tls { 3550 } else { 2775 });
        let password = self.tools.secrets.find(&settings.password).map_err(|error| {
            tracing::error!(sender = %self.tools.name, %error, "a sender's secret can't be had");
            NotTaken::Secret
        })?;
        // §4.1.1: 8 characters at most. A longer one that was cut would be another one.
        if password.expose().len() > 8 {
            tracing::error!(sender = %self.tools.name, "the password of SMPP has more than 8 characters");
            return Err(NotTaken::Secret);
        }
        let stream = wire::connect(&settings.server, port, !settings.tls, deadline)?;
        let wire = match settings.tls {
            true => Wire::secure(stream, &settings.server, wire::trust(settings.ca.as_deref())?, deadline)?,
            false => Wire::open(stream),
        };
        let now = os::now();
        let mut bound = Bound {
            wire,
            received: Vec::new(),
            number: 1,
            running: HashMap::new(),
            parts: VecDeque::new(),
            asked: HashMap::new(),
            next: now,
            heard: now,
            enquired: None,
        };
        let body = pdu::bind_body(&settings.system_id, &password, &settings.system_type);
        bound.write(&Pdu::new(command::BIND_TRANSCEIVER, 0, 1, body))?;
        loop {
            let left = deadline.saturating_duration_since(os::now());
            if left.is_zero() {
                return Err(NotTaken::Timeout);
            }
            match bound.read(left)? {
                Some(unit)
                    if unit.command == command::BIND_TRANSCEIVER | command::REPLY && unit.status == 0 =>
                {
                    return Ok(bound);
                }
                // §5.1.3: ESME_RALYBND and ESME_RBINDFAIL, ESME_RINVPASWD, ESME_RINVSYSID.
                Some(unit) if unit.command == command::BIND_TRANSCEIVER | command::REPLY => {
                    let code = Code::Smpp(unit.status);
                    return Err(match unit.status {
                        0x0D..=0x0F => NotTaken::Credentials(code),
                        _ => NotTaken::Provider(code),
                    });
                }
                _ => {}
            }
        }
    }

    fn converse(&mut self, bound: &mut Bound) -> End {
        loop {
            match self.accept(bound) {
                Ok(true) => {}
                Ok(false) => return End::Closed,
                Err(why) => return End::Lost(why),
            }
            let look = if bound.running.is_empty() { IDLE_LOOK } else { LOOK };
            let told = match bound.read(look) {
                Ok(Some(unit)) => self.told(bound, &unit),
                Ok(None) => Ok(()),
                Err(why) => Err(why),
            };
            if let Err(why) = told.and_then(|()| self.keep_up(bound)) {
                return End::Lost(why);
            }
        }
    }

    /// Takes orders and writes what the window and the pace allow; `false` when there will be no more.
    fn accept(&self, bound: &mut Bound) -> Result<bool, NotTaken> {
        let now = os::now();
        let late: Vec<LetterId> = bound
            .running
            .iter()
            .filter(|(_, running)| running.order.deadline <= now)
            .map(|(id, _)| *id)
            .collect();
        late.into_iter().for_each(|id| bound.answer(id, Err(NotTaken::Timeout)));
        while bound.parts.len() < usize::from(self.settings.window) {
            match self.orders.try_recv() {
                // Whoever gave it has gone on to another sender.
                Ok(order) if order.deadline <= now => {}
                Ok(order) => {
                    let id = order.letter;
                    bound.parts.extend((0..order.parts.parts.len()).map(|part| (id, part)));
                    bound.running.insert(id, Running { order, answered: 0, last: None });
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Ok(false),
            }
        }
        let gap = Duration::from_secs(1) / u32::from(self.settings.per_second.max(1));
        while bound.asked.len() < usize::from(self.settings.window) && bound.next <= os::now() {
            let Some((id, part)) = bound.parts.pop_front() else { break };
            if bound.submit(id, part, &self.settings.service_type)? {
                bound.next = os::now().max(bound.next + gap);
            }
        }
        Ok(true)
    }

    fn keep_up(&self, bound: &mut Bound) -> Result<(), NotTaken> {
        let now = os::now();
        if bound.enquired.is_some_and(|since| now.saturating_duration_since(since) > ENQUIRY) {
            return Err(NotTaken::Lost);
        }
        let quiet = now.saturating_duration_since(bound.heard);
        if bound.enquired.is_none() && quiet >= Duration::from_secs(self.settings.enquire_seconds) {
            bound.enquired = Some(now);
            let number = bound.next_number();
            bound.write(&Pdu::new(command::ENQUIRE_LINK, 0, number, Vec::new()))?;
        }
        Ok(())
    }

    fn told(&mut self, bound: &mut Bound, unit: &Pdu) -> Result<(), NotTaken> {
        const SUBMITTED: u32 = command::SUBMIT_SM | command::REPLY;
        const REFUSED: u32 = command::GENERIC_NACK;
        match unit.command {
            SUBMITTED | REFUSED => {
                let Some(id) = bound.asked.remove(&unit.number) else { return Ok(()) };
                self.submitted(bound, id, unit);
                Ok(())
            }
            command::DELIVER_SM => {
                match pdu::receipt(unit.body.expose()) {
                    Ok(Some(receipt)) => self.receipt(&receipt),
                    // A message of somebody: nothing here reads them.
                    Ok(None) => {}
                    Err(pdu::Broken) => return bound.reply(unit, INVALID_LENGTH),
                }
                bound.reply(unit, 0)
            }
            command::ENQUIRE_LINK => bound.reply(unit, 0),
            command::UNBIND => {
                bound.reply(unit, 0)?;
                Err(NotTaken::Lost)
            }
            other if other & command::REPLY == 0 => {
                bound.write(&Pdu::new(command::GENERIC_NACK, INVALID_COMMAND, unit.number, Vec::new()))
            }
            _ => Ok(()),
        }
    }

    /// The carrier answered a part.
    fn submitted(&mut self, bound: &mut Bound, id: LetterId, unit: &Pdu) {
        let Some(running) = bound.running.get_mut(&id) else { return };
        if unit.status != 0 || unit.command == command::GENERIC_NACK {
            return bound.answer(id, Err(refused(unit.status)));
        }
        let name = pdu::Reader(unit.body.expose()).text(65).unwrap_or_default();
        running.answered += 1;
        if !name.is_empty() && name.chars().all(|c| c.is_ascii_graphic()) {
            let parts = running.order.parts.parts.len();
            self.messages.keep(&name, id, parts);
            running.last = Some(name);
        }
        if running.answered == running.order.parts.parts.len() {
            let reference = running.last.take();
            bound.answer(id, Ok(Accepted { reference, delivered: false }));
        }
    }

    fn receipt(&mut self, receipt: &pdu::Receipt) {
        let status = match receipt.state {
            State::UnderWay => return,
            State::Delivered => Status::Delivered,
            State::Failed => Status::Failed,
        };
        let letter = self.messages.take(&receipt.message);
        // The letter has arrived when its last part has; it has failed with the first that did.
        if let Some(letter) = letter
            && !self.messages.settled(letter, status)
        {
            return;
        }
        let code = receipt.code.filter(|_| status == Status::Failed);
        (self.tools.reports)(Report { reference: receipt.message.clone(), letter, status, code, why: None });
    }
}

/// §5.1.3: ESME_RINVCMDID and ESME_RINVCMDLEN.
const INVALID_COMMAND: u32 = 0x03;
const INVALID_LENGTH: u32 = 0x02;

/// §5.1.3.
const fn refused(status: u32) -> NotTaken {
    let code = Code::Smpp(status);
    match status {
        // ESME_RINVDSTADR, ESME_RINVDSTTON, ESME_RINVDSTNPI.
        0x0B | 0x50 | 0x51 => NotTaken::Address(code),
        // ESME_RMSGQFUL, ESME_RTHROTTLED.
        0x14 | 0x58 => NotTaken::Throttled(code),
        _ => NotTaken::Provider(code),
    }
}

impl Messages {
    /// A part of a letter of so many parts was taken. Its receipt may come before the next part is taken.
    fn keep(&mut self, name: &str, letter: LetterId, parts: usize) {
        while self.order.len() >= MOST_MESSAGES {
            let Some(oldest) = self.order.pop_front() else { break };
            if let Some(letter) = self.letters.remove(&oldest) {
                self.left.remove(&letter);
            }
        }
        self.order.push_back(name.to_owned());
        self.letters.insert(name.to_owned(), letter);
        self.left.entry(letter).or_insert(parts);
    }

    /// The letter of a message. Some carriers say in hexadecimal digits what they said in decimal ones, or the
    /// other way.
    fn take(&mut self, name: &str) -> Option<LetterId> {
        let decimal = u64::from_str_radix(name, 16).ok().map(|number| number.to_string());
        let hexadecimal = name.parse::<u64>().ok().map(|number| format!("{number:x}"));
        let names = std::iter::once(name.to_owned()).chain(decimal).chain(hexadecimal);
        names.into_iter().find_map(|name| self.letters.remove(&name))
    }

    /// A part of a letter has come to an end: whether the letter has.
    fn settled(&mut self, letter: LetterId, status: Status) -> bool {
        let Some(left) = self.left.get_mut(&letter) else { return false };
        *left = left.saturating_sub(1);
        let over = *left == 0 || status == Status::Failed;
        if over {
            self.left.remove(&letter);
        }
        over
    }
}

impl Bound {
    fn next_number(&mut self) -> u32 {
        // §5.1.4: 1 to 0x7FFFFFFF.
        self.number = if self.number >= 0x7FFF_FFFF { 1 } else { self.number + 1 };
        self.number
    }

    fn answer(&mut self, id: LetterId, answer: Result<Accepted, NotTaken>) {
        if let Some(running) = self.running.remove(&id) {
            self.parts.retain(|(other, _)| *other != id);
            // Whoever waited no longer is answered in vain.
            let _ = running.order.answer.try_send(answer);
        }
    }

    /// Whether there was something to submit.
    fn submit(&mut self, id: LetterId, part: usize, service: &str) -> Result<bool, NotTaken> {
        let number = self.next_number();
        let Some(running) = self.running.get(&id) else { return Ok(false) };
        let order = &running.order;
        let Some(message) = order.parts.parts.get(part) else { return Ok(false) };
        let submit = Submit {
            service,
            from: &order.from,
            to: &order.to,
            headed: order.parts.headed,
            valid_seconds: order.valid.as_secs(),
            coding: order.parts.coding,
            message: message.expose(),
        };
        let unit = Pdu::new(command::SUBMIT_SM, 0, number, submit.body());
        self.asked.insert(number, id);
        self.write(&unit)?;
        Ok(true)
    }

    fn reply(&mut self, to: &Pdu, status: u32) -> Result<(), NotTaken> {
        // §4.6.2: the message's name is there and empty.
        let body = if to.command == command::DELIVER_SM { vec![0] } else { Vec::new() };
        self.write(&Pdu::new(to.command | command::REPLY, status, to.number, body))
    }

    fn write(&mut self, unit: &Pdu) -> Result<(), NotTaken> {
        let mut bytes = zeroize::Zeroizing::new(Vec::new());
        unit.write(&mut bytes);
        self.wire.wait(BINDING)?;
        self.wire
            .write_all(&bytes)
            .and_then(|()| self.wire.flush())
            .map_err(|error| wire::lost(&error).into())
    }

    /// The next unit, if one comes within the time.
    fn read(&mut self, wait: Duration) -> Result<Option<Pdu>, NotTaken> {
        if let Some(unit) = self.first()? {
            return Ok(Some(unit));
        }
        self.wire.wait(wait)?;
        let mut buffer = [0_u8; 4096];
        match self.wire.read(&mut buffer) {
            Ok(0) => Err(NotTaken::Lost),
            Ok(count) => {
                self.received.extend_from_slice(buffer.get(..count).unwrap_or_default());
                self.heard = os::now();
                self.enquired = None;
                self.first()
            }
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(wire::lost(&error).into()),
        }
    }

    fn first(&mut self) -> Result<Option<Pdu>, NotTaken> {
        Pdu::take(&mut self.received).map_err(|pdu::Broken| NotTaken::Garbage)
    }
}
