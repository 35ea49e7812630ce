//! The protocol data units of SMPP 3.4 that a transceiver needs (SMPP v3.4 §4): written and read, with bounds.

use crate::secret::Secret;

/// The largest unit that is read: a `deliver_sm` with every optional parameter stays far below.
pub(super) const LARGEST: usize = 16 * 1024;
/// Length, command, status, number: §3.2.
const HEADER: usize = 16;

/// §5.1.2.1: what a unit is.
pub(super) mod command {
    pub(in super::super) const GENERIC_NACK: u32 = 0x8000_0000;
    pub(in super::super) const BIND_TRANSCEIVER: u32 = 0x0000_0009;
    pub(in super::super) const SUBMIT_SM: u32 = 0x0000_0004;
    pub(in super::super) const DELIVER_SM: u32 = 0x0000_0005;
    pub(in super::super) const UNBIND: u32 = 0x0000_0006;
    pub(in super::super) const ENQUIRE_LINK: u32 = 0x0000_0015;
    /// A reply has the command of its request with this bit.
    pub(in super::super) const REPLY: u32 = 0x8000_0000;
}

/// A unit. What it holds may be a code: no `Debug`.
pub(super) struct Pdu {
    pub(super) command: u32,
    pub(super) status: u32,
    pub(super) number: u32,
    pub(super) body: Secret<Vec<u8>>,
}

impl Pdu {
    pub(super) const fn new(command: u32, status: u32, number: u32, body: Vec<u8>) -> Self {
        Self { command, status, number, body: Secret::new(body) }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let length = u32::try_from(HEADER + self.body.expose().len()).unwrap_or(u32::MAX);
        for word in [length, self.command, self.status, self.number] {
            out.extend(word.to_be_bytes());
        }
        out.extend_from_slice(self.body.expose());
    }

    /// Takes the first whole unit out of what was received; `None` until there is one.
    pub(super) fn take(received: &mut Vec<u8>) -> Result<Option<Self>, Broken> {
        let Some(length) = word(received, 0) else { return Ok(None) };
        let length = usize::try_from(length).map_err(|_| Broken)?;
        if !(HEADER..=LARGEST).contains(&length) {
            return Err(Broken);
        }
        if received.len() < length {
            return Ok(None);
        }
        let rest = received.split_off(length);
        let unit = std::mem::replace(received, rest);
        let at = |place| word(&unit, place).ok_or(Broken);
        let (command, status, number) = (at(4)?, at(8)?, at(12)?);
        let body = unit.get(HEADER..).unwrap_or_default().to_vec();
        Ok(Some(Self::new(command, status, number, body)))
    }
}

fn word(bytes: &[u8], place: usize) -> Option<u32> {
    let bytes = bytes.get(place..place + 4)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

/// What was received is no SMPP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// §3.1: text that ends in a zero octet. What is too long, or has a zero inside, is cut there.
pub(super) fn c_octets(text: &str, most: usize, out: &mut Vec<u8>) {
    let bytes = text.bytes().take_while(|byte| *byte != 0).take(most.saturating_sub(1));
    out.extend(bytes);
    out.push(0);
}

/// Reads a body from its beginning.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn text(&mut self, most: usize) -> Result<String, Broken> {
        let end = self.0.iter().take(most).position(|byte| *byte == 0).ok_or(Broken)?;
        let (text, rest) = self.0.split_at(end);
        self.0 = rest.get(1..).unwrap_or_default();
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    pub(super) fn octet(&mut self) -> Result<u8, Broken> {
        let (first, rest) = self.0.split_first().ok_or(Broken)?;
        self.0 = rest;
        Ok(*first)
    }

    pub(super) fn octets(&mut self, count: usize) -> Result<&'a [u8], Broken> {
        if count > self.0.len() {
            return Err(Broken);
        }
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        Ok(taken)
    }

    fn short(&mut self) -> Result<u16, Broken> {
        let bytes = self.octets(2)?;
        Ok(u16::from_be_bytes(bytes.try_into().map_err(|_| Broken)?))
    }

    /// §3.2.4: the next optional parameter, its tag and value.
    pub(super) fn optional(&mut self) -> Result<Option<(u16, &'a [u8])>, Broken> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let (tag, length) = (self.short()?, self.short()?);
        Ok(Some((tag, self.octets(usize::from(length))?)))
    }
}

/// How an address is numbered: §5.2.5 and §5.2.6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) ton: u8,
    pub(super) npi: u8,
    pub(super) digits: String,
}

impl Address {
    /// A number with + is international in ISDN's plan; a short one is as the network knows it; a name is a name.
    pub(super) fn of(text: &str) -> Self {
        match text.strip_prefix('+') {
            Some(digits) => Self { ton: 1, npi: 1, digits: digits.to_owned() },
            None if text.chars().all(|c| c.is_ascii_digit()) => {
                Self { ton: 0, npi: 1, digits: text.to_owned() }
            }
            None => Self { ton: 5, npi: 0, digits: text.to_owned() },
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend([self.ton, self.npi]);
        c_octets(&self.digits, 21, out);
    }
}

/// One part of a message.
pub(super) struct Submit<'a> {
    pub(super) service: &'a str,
    pub(super) from: &'a Address,
    pub(super) to: &'a Address,
    /// Whether `message` begins with a user data header.
    pub(super) headed: bool,
    /// How long the network may try.
    pub(super) valid_seconds: u64,
    pub(super) coding: u8,
    pub(super) message: &'a [u8],
}

impl Submit<'_> {
    /// §4.4.1. Word of the delivery is asked for.
    pub(super) fn body(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128 + self.message.len());
        c_octets(self.service, 6, &mut out);
        self.from.write(&mut out);
        self.to.write(&mut out);
        // esm_class: the header's bit; protocol_id and priority_flag: as usual.
        out.extend([if self.headed { 0x40 } else { 0 }, 0, 0]);
        // No schedule; §7.1.1.2: a relative time.
        c_octets("", 17, &mut out);
        c_octets(&relative(self.valid_seconds), 17, &mut out);
        // registered_delivery: of the end, good or bad. No replacing, no canned message.
        out.extend([1, 0, self.coding, 0]);
        let length = u8::try_from(self.message.len()).unwrap_or(u8::MAX);
        out.push(length);
        out.extend(self.message.iter().take(usize::from(length)));
        out
    }
}

/// `YYMMDDhhmmss000R`, from now on; a day at most.
fn relative(seconds: u64) -> String {
    let seconds = seconds.clamp(1, 86_399);
    format!("000000{:02}{:02}{:02}000R", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// §4.1.5.
pub(super) fn bind_body(system: &str, password: &Secret<String>, kind: &str) -> Vec<u8> {
    let mut out = Vec::new();
    c_octets(system, 16, &mut out);
    c_octets(password.expose(), 9, &mut out);
    c_octets(kind, 13, &mut out);
    // interface_version 3.4; any address.
    out.extend([0x34, 0, 0, 0]);
    out
}

/// What a `deliver_sm` says of a message of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Receipt {
    pub(super) message: String,
    pub(super) state: State,
    pub(super) code: Option<u32>,
}

/// §5.2.28.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Delivered,
    UnderWay,
    Failed,
}

/// Reads a `deliver_sm` (§4.6.1); none when it is no receipt.
pub(super) fn receipt(body: &[u8]) -> Result<Option<Receipt>, Broken> {
    let mut reader = Reader(body);
    reader.text(6)?;
    for _ in 0..2 {
        reader.octets(2)?;
        reader.text(21)?;
    }
    let class = reader.octet()?;
    reader.octets(2)?;
    reader.text(17)?;
    reader.text(17)?;
    reader.octets(4)?;
    let length = usize::from(reader.octet()?);
    let text = String::from_utf8_lossy(reader.octets(length)?).into_owned();
    // §5.2.12: bits 2 to 5; 0001 is a receipt of the network.
    if class & 0b0011_1100 != 0b0000_0100 {
        return Ok(None);
    }
    let (mut message, mut state) = (field(&text, "id:"), field(&text, "stat:").map(|word| by_word(&word)));
    while let Some((tag, value)) = reader.optional()? {
        match tag {
            // receipted_message_id
            0x001E => {
                let id: Vec<u8> = value.iter().copied().take_while(|byte| *byte != 0).collect();
                message = Some(String::from_utf8_lossy(&id).into_owned());
            }
            // message_state
            0x0427 => state = value.first().map(|number| by_number(*number)),
            _ => {}
        }
    }
    let code = field(&text, "err:").and_then(|code| code.parse().ok());
    Ok(message.zip(state).map(|(message, state)| Receipt { message, state, code }))
}

/// Appendix B: `id:… sub:001 dlvrd:001 submit date:… done date:… stat:DELIVRD err:000 text:…`
fn field(text: &str, name: &str) -> Option<String> {
    let before_text = text.split(" text:").next()?;
    let (_, behind) = before_text.split_once(name)?;
    behind.split_whitespace().next().map(str::to_owned)
}

fn by_word(word: &str) -> State {
    match word {
        "DELIVRD" => State::Delivered,
        "ENROUTE" | "ACCEPTD" => State::UnderWay,
        _ => State::Failed,
    }
}

const fn by_number(number: u8) -> State {
    match number {
        2 => State::Delivered,
        1 | 6 => State::UnderWay,
        _ => State::Failed,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_unit_comes_back_as_it_was_in_any_pieces() {
        let mut bytes = Vec::new();
        Pdu::new(command::SUBMIT_SM, 0, 7, b"body".to_vec()).write(&mut bytes);
        Pdu::new(command::ENQUIRE_LINK, 0, 8, Vec::new()).write(&mut bytes);
        assert_eq!(bytes.get(..4), Some(&[0, 0, 0, 20][..]));
        let mut received = Vec::new();
        let mut units = Vec::new();
        for byte in bytes {
            received.push(byte);
            units.extend(Pdu::take(&mut received).expect("well formed"));
        }
        let seen: Vec<_> =
            units.iter().map(|unit| (unit.command, unit.number, unit.body.expose().len())).collect();
        assert_eq!(seen, [(command::SUBMIT_SM, 7, 4), (command::ENQUIRE_LINK, 8, 0)]);
        for length in [0_u32, 15, 16_385, u32::MAX] {
            assert!(Pdu::take(&mut length.to_be_bytes().to_vec()).is_err(), "{length}");
        }
    }

    fn deliver(class: u8, text: &str, optional: &[u8]) -> Vec<u8> {
        let mut body = Vec::new();
        c_octets("", 6, &mut body);
        Address::of("+447400123456").write(&mut body);
        Address::of("Bank").write(&mut body);
        body.extend([class, 0, 0, 0, 0, 0, 0, 0, 0]);
        body.push(u8::try_from(text.len()).expect("short"));
        body.extend(text.bytes());
        body.extend(optional);
        body
    }

    #[test]
    fn receipts_are_read_from_their_text_and_from_their_parameters() {
        let text = "id:abc1 sub:001 dlvrd:001 submit date:2611221200 done date:2611221201 stat:DELIVRD err:000 \
                    text:stat:UNDELIV id:x";
        let read =
            |class, text, optional: &[u8]| receipt(&deliver(class, text, optional)).expect("well formed");
        let found = read(4, text, &[]).expect("a receipt");
        assert_eq!((found.message.as_str(), found.state, found.code), ("abc1", State::Delivered, Some(0)));
        let found = read(4, "id:9 stat:UNDELIV err:069 text:", &[]).expect("a receipt");
        assert_eq!((found.state, found.code), (State::Failed, Some(69)));
        let optional = [&[0x00, 0x1E, 0, 3][..], b"42\0", &[0x04, 0x27, 0, 1, 2]].concat();
        let found = read(4, "", &optional).expect("a receipt");
        assert_eq!((found.message.as_str(), found.state), ("42", State::Delivered));
        assert_eq!(read(0, text, &[]), None, "a message of somebody");
        assert_eq!(read(4, "hello", &[]), None);
        assert!(receipt(&deliver(4, text, &[0, 0x1E, 0, 9, 1])).is_err());
    }

    #[test]
    fn numbers_and_names_are_told_apart() {
        let kinds = ["+447400123456", "60300", "Bank"].map(|text| {
            let address = Address::of(text);
            (address.ton, address.npi, address.digits)
        });
        let expected = [(1, 1, "447400123456"), (0, 1, "60300"), (5, 0, "Bank")];
        assert_eq!(kinds, expected.map(|(ton, npi, digits)| (ton, npi, digits.to_owned())));
        assert_eq!(relative(600), "000000001000000R");
        assert_eq!(relative(0), "000000000001000R");
    }

    proptest! {
        #[test]
        fn nothing_that_is_received_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = receipt(&bytes);
            let mut received = bytes;
            let _ = Pdu::take(&mut received);
        }
    }
}
