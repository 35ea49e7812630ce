//! What recording servers are told, read back: a document as a tree of elements, and who is in which stream by it.

use std::collections::BTreeMap;

/// An element of a document, with what is in it.
#[derive(Debug, Default)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) text: String,
    children: Vec<Element>,
}

impl Element {
    /// Reads a document; panics when it is not well-formed.
    pub(crate) fn read(text: &str) -> Self {
        let text = text.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>").expect("a declaration");
        let mut open = vec![Self::default()];
        let mut rest = text.trim();
        while let Some(at) = rest.find('<') {
            open.last_mut().expect("the root").text.push_str(&rest[..at]);
            let end = rest[at..].find('>').expect("a tag ends") + at;
            let tag = &rest[at + 1..end];
            assert!(!tag.contains('<'), "{tag}");
            rest = &rest[end + 1..];
            if let Some(name) = tag.strip_prefix('/') {
                let closed = open.pop().expect("it was open");
                assert_eq!(closed.name, name, "elements close in their order");
                open.last_mut().expect("one around it").children.push(closed);
            } else {
                let (name, list) = tag.split_once(' ').unwrap_or((tag, ""));
                let mut element = Self { name: name.to_owned(), ..Self::default() };
                for attribute in list.split("\" ").filter(|attribute| !attribute.is_empty()) {
                    let (name, value) = attribute.split_once("=\"").expect("a value in quotes");
                    element.attributes.insert(name.to_owned(), value.trim_end_matches('"').to_owned());
                }
                open.push(element);
            }
        }
        assert!(rest.is_empty() && open.len() == 1 && open[0].children.len() == 1, "one root");
        open.remove(0).children.remove(0)
    }

    pub(crate) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Self> + use<'a> {
        let name = name.to_owned();
        self.children.iter().filter(move |child| child.name == name)
    }

    pub(crate) fn one(&self, name: &str) -> &Self {
        let mut all = self.all(name);
        let first = all.next().unwrap_or_else(|| panic!("no {name} in {self:?}"));
        assert!(all.next().is_none(), "one {name}");
        first
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }
}

/// Whose voice is in the stream with this label, and who hears it, by the metadata.
pub(crate) fn parties(metadata: &Element, label: &str) -> [String; 2] {
    let stream = metadata.all("stream").find(|stream| stream.one("label").text == label).expect("the stream");
    let stream = &stream.attributes["stream_id"];
    ["send", "recv"].map(|way| {
        let mut of = metadata
            .all("participantstreamassoc")
            .filter(|assoc| assoc.all(way).any(|id| id.text == *stream))
            .map(|assoc| &assoc.attributes["participant_id"]);
        let id = of.next().expect("somebody");
        assert!(of.next().is_none(), "one at a time");
        let participant = metadata.all("participant").find(|p| &p.attributes["participant_id"] == id);
        participant.expect("who is named").one("nameID").one("name").text.clone()
    })
}
