//! What a recording server is told of a call (RFC 7865): who takes part, and whose voice is in which stream. Always the
//! whole of it, so that a server that missed one of these knows everything by the next.

use std::fmt::Write as _;

use bytes::Bytes;
use data_encoding::BASE64;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::secret::masked_number;
use crate::units::{CallId, UnixTime};

/// The label of the stream with what the caller says.
pub(crate) const SAID: &str = "1";
/// The label of the stream with what the caller hears.
pub(crate) const HEARD: &str = "2";

/// Somebody in the call.
#[derive(Clone)]
pub(crate) struct Party {
    /// The address of record, as a URI.
    pub(crate) aor: String,
    /// The name to show.
    pub(crate) name: String,
}

/// Somebody whom the caller talked to.
#[derive(Clone)]
pub(crate) struct Guest {
    pub(crate) party: Party,
    pub(crate) joined: UnixTime,
    /// When they parted.
    pub(crate) parted: Option<UnixTime>,
}

impl Party {
    /// Whom nobody is to know: a name to tell them from others at most.
    pub(crate) fn nobody(name: String) -> Self {
        Self { aor: NOBODY.to_owned(), name }
    }

    /// The same for servers that are told no telephone numbers: an agent's name stays, a number has its last digits.
    pub(crate) fn masked(&self) -> Self {
        let (scheme, rest) = self.aor.split_once(':').unwrap_or_default();
        let who = if scheme == "tel" { rest } else { rest.split_once('@').map_or("", |(user, _)| user) };
        let user = who.split(';').next().unwrap_or_default();
        let digits = user.bytes().filter(u8::is_ascii_digit).count();
        let is_number = digits > 5 && user.bytes().all(|b| b.is_ascii_digit() || b"+-.()".contains(&b));
        if is_number { Self::nobody(masked_number(user)) } else { self.clone() }
    }
}

/// RFC 3323 §4.1.1.3: who is not told.
const NOBODY: &str = "sip:anonymous@anonymous.invalid";

/// A call as a recording server sees it.
pub(crate) struct Snapshot<'a> {
    pub(crate) call: CallId,
    /// When the call began.
    pub(crate) began: UnixTime,
    /// When its recording began.
    pub(crate) recorded: UnixTime,
    /// When the recording ended.
    pub(crate) ended: Option<UnixTime>,
    pub(crate) caller: &'a Party,
    /// The engine: its prompts are what the caller hears when nobody is there.
    pub(crate) engine: &'a Party,
    pub(crate) guests: &'a [Guest],
}

impl Snapshot<'_> {
    /// As XML.
    pub(crate) fn write(&self) -> Bytes {
        let mut xml = Xml::new();
        xml.open("recording", &[("xmlns", "urn:ietf:params:xml:ns:recording:1")]);
        xml.leaf("datamode", &[], "complete");
        self.session(&mut xml);
        let (caller, engine) = (self.id("caller"), self.id("engine"));
        let guests: Vec<String> =
            (0..self.guests.len()).map(|number| self.id(&format!("guest {number}"))).collect();
        participant(&mut xml, &caller, self.caller);
        participant(&mut xml, &engine, self.engine);
        for (guest, id) in self.guests.iter().zip(&guests) {
            participant(&mut xml, id, &guest.party);
        }
        let session = self.id("session");
        for (id, label) in [(self.id("said"), SAID), (self.id("heard"), HEARD)] {
            xml.open("stream", &[("stream_id", &id), ("session_id", &session)]);
            xml.leaf("label", &[], label);
            xml.close("stream");
        }
        xml.open("sessionrecordingassoc", &[("session_id", &session)]);
        times(&mut xml, self.recorded, self.ended);
        xml.close("sessionrecordingassoc");
        for id in [&caller, &engine] {
            self.in_session(&mut xml, id, self.began, self.ended);
        }
        for (guest, id) in self.guests.iter().zip(&guests) {
            self.in_session(&mut xml, id, guest.joined, guest.parted.or(self.ended));
        }
        self.in_streams(&mut xml, &caller, &engine, &guests);
        xml.close("recording");
        xml.text.into()
    }

    fn session(&self, xml: &mut Xml) {
        let (group, session) = (self.id("group"), self.id("session"));
        xml.open("group", &[("group_id", &group)]);
        times(xml, self.began, self.ended);
        xml.close("group");
        xml.open("session", &[("session_id", &session)]);
        xml.leaf("group-ref", &[], &group);
        xml.leaf("start-time", &[], &time(self.began));
        if let Some(ended) = self.ended {
            xml.leaf("stop-time", &[], &time(ended));
        }
        xml.close("session");
    }

    fn in_session(&self, xml: &mut Xml, id: &str, from: UnixTime, to: Option<UnixTime>) {
        xml.open("participantsessionassoc", &[("participant_id", id), ("session_id", &self.id("session"))]);
        times(xml, from, to);
        xml.close("participantsessionassoc");
    }

    /// The caller hears whoever talks to them now: a guest, else the engine.
    fn in_streams(&self, xml: &mut Xml, caller: &str, engine: &str, guests: &[String]) {
        let (said, heard) = (self.id("said"), self.id("heard"));
        let here = self.guests.iter().zip(guests).find(|(guest, _)| guest.parted.is_none());
        let other = here.map_or(engine, |(_, id)| id);
        for (id, sends, receives) in [(caller, &said, &heard), (other, &heard, &said)] {
            xml.open("participantstreamassoc", &[("participant_id", id)]);
            xml.leaf("send", &[], sends);
            xml.leaf("recv", &[], receives);
            xml.close("participantstreamassoc");
        }
    }

    /// A name that stays the same in all recordings of the call: 16 octets (RFC 7865 §6.10), as RFC 9562 §5.8 has them.
    fn id(&self, of: &str) -> String {
        let digest = Sha256::new().chain_update(self.call.0.to_be_bytes()).chain_update(of).finalize();
        let mut octets: [u8; 16] = digest.first_chunk().copied().unwrap_or_default();
        octets[6] = octets[6] & 0x0F | 0x80;
        octets[8] = octets[8] & 0x3F | 0x80;
        BASE64.encode(&octets)
    }
}

fn participant(xml: &mut Xml, id: &str, party: &Party) {
    xml.open("participant", &[("participant_id", id)]);
    xml.open("nameID", &[("aor", &party.aor)]);
    xml.leaf("name", &[("xml:lang", "en")], &party.name);
    xml.close("nameID");
    xml.close("participant");
}

fn times(xml: &mut Xml, from: UnixTime, to: Option<UnixTime>) {
    xml.leaf("associate-time", &[], &time(from));
    if let Some(to) = to {
        xml.leaf("disassociate-time", &[], &time(to));
    }
}

/// RFC 3339, in UTC.
fn time(at: UnixTime) -> String {
    Timestamp::from_millisecond(at.0).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}

/// Writes XML. Whatever it is given stands between tags and quotes as text: no value can end them.
struct Xml {
    text: String,
}

impl Xml {
    fn new() -> Self {
        Self { text: String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n") }
    }

    fn open(&mut self, name: &str, attributes: &[(&str, &str)]) {
        let _ = write!(self.text, "<{name}");
        for (attribute, value) in attributes {
            let _ = write!(self.text, " {attribute}=\"");
            self.escaped(value);
            self.text.push('"');
        }
        self.text.push('>');
    }

    fn close(&mut self, name: &str) {
        // Writing to a String cannot fail.
        let _ = write!(self.text, "</{name}>");
    }

    fn leaf(&mut self, name: &str, attributes: &[(&str, &str)], text: &str) {
        self.open(name, attributes);
        self.escaped(text);
        self.close(name);
    }

    /// XML 1.0 §2.2: control characters can't be written at all; §2.4: these five have names.
    fn escaped(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                '"' => self.text.push_str("&quot;"),
                '\'' => self.text.push_str("&apos;"),
                '\u{FFFE}' | '\u{FFFF}' => {}
                c if c.is_control() => {}
                c => self.text.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: UnixTime = UnixTime(1_700_000_000_123);

    fn party(name: &str) -> Party {
        Party { aor: format!("sip:{name}@192.0.2.1"), name: name.to_owned() }
    }

    fn written(guests: &[Guest], ended: Option<UnixTime>) -> String {
        let (caller, engine) = (party("caller"), party("engine"));
        let (call, began, recorded) = (CallId(7), AT, AT);
        let snapshot = Snapshot { call, began, recorded, ended, caller: &caller, engine: &engine, guests };
        String::from_utf8(snapshot.write().to_vec()).expect("UTF-8")
    }

    #[test]
    fn a_number_is_masked_whoever_has_it_and_a_name_stays() {
        let masked = |aor: &str| Party { aor: aor.to_owned(), name: "target".to_owned() }.masked();
        for number in
            ["sip:+441632960123@192.0.2.7", "tel:+44-1632-960123", "sips:441632960123;phone-context=x@h"]
        {
            let party = masked(number);
            assert!(
                party.aor == NOBODY && party.name.ends_with("·123") && !party.name.contains('4'),
                "{}",
                party.name
            );
        }
        for name in ["sip:ana@192.0.2.7", "sip:desk1@192.0.2.7:5070;transport=tcp", "sip:192.0.2.7"] {
            assert_eq!((masked(name).aor.as_str(), masked(name).name.as_str()), (name, "target"));
        }
    }

    #[test]
    fn no_name_can_end_its_element_or_its_quotes() {
        let nasty = "a\"><recording>'&amp;\r\n\u{0}]]>\u{FFFF}ü";
        let guest = Guest { party: party(nasty), joined: AT, parted: None };
        let text = written(&[guest], None);
        let plain = "a&quot;&gt;&lt;recording&gt;&apos;&amp;amp;]]&gt;ü";
        assert!(text.contains(&format!("<name xml:lang=\"en\">{plain}</name>")), "{text}");
        assert!(text.contains(&format!("aor=\"sip:{plain}@192.0.2.1\"")), "{text}");
        assert_eq!(text.matches("<recording").count(), 1);
    }

    #[test]
    fn times_are_those_of_the_calendar_and_names_those_of_the_call() {
        let text = written(&[], Some(UnixTime(1_700_000_060_000)));
        assert!(text.contains("<start-time>2023-11-14T22:13:20.123Z</start-time>"), "{text}");
        assert!(text.contains("<stop-time>2023-11-14T22:14:20Z</stop-time>"), "{text}");
        assert_eq!(text.matches("<disassociate-time>2023-11-14T22:14:20Z<").count(), 4, "{text}");
        let names = |text: &str| -> Vec<String> {
            text.split("_id=\"")
                .skip(1)
                .map(|rest| rest.split('"').next().unwrap_or_default().to_owned())
                .collect()
        };
        assert_eq!(names(&text), names(&written(&[], None)), "an update is of the same call");
        assert!(
            names(&text).iter().all(|name| BASE64.decode(name.as_bytes()).is_ok_and(|id| id.len() == 16))
        );
    }
}
