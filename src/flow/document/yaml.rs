//! A YAML file as a tree that keeps places and spelling.
//!
//! YAML makes values of what is written before a program sees it: `0042` becomes 42 or 34, `no` becomes
//! false, an unquoted `*` an alias, an unquoted `#` a comment. Here every scalar keeps its text as
//! written, and what YAML readers disagree on is a finding. Anchors, aliases, merge keys and tags are
//! refused: a flow needs none, and expanding them is how a small file becomes a big one.
//!
//! The work is bounded by counting: bytes, nodes, depth, findings.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use serde_saphyr::granit_parser::{Event, Options, Parser, ScalarStyle};

use super::fields;
use super::findings::Findings;
use crate::diagnostic::{Diagnostic, Place, Source};

/// A node of the tree.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Where it is written: a scalar's text with its quotes, the first byte to the last child of a
    /// collection.
    pub(crate) place: Place,
    /// What it is.
    pub(crate) data: Data,
}

/// What a node is.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    /// Text.
    Scalar(Scalar),
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values, in the order written; keys are scalars and differ.
    Mapping(Vec<(Node, Node)>),
}

/// A scalar's text.
#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    /// Without quotes and escapes; empty for an empty value.
    pub(crate) text: String,
    /// Whether it was written without quotes (so that other readers guess its type).
    pub(crate) plain: bool,
}

impl Node {
    /// The text of a scalar.
    pub(crate) fn scalar(&self) -> Option<&Scalar> {
        match &self.data {
            Data::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// The pairs of a mapping.
    pub(crate) fn mapping(&self) -> Option<&[(Self, Self)]> {
        match &self.data {
            Data::Mapping(pairs) => Some(pairs),
            _ => None,
        }
    }

    /// Whether nothing is written.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(&self.data, Data::Scalar(scalar) if scalar.plain && scalar.text.is_empty())
    }

    /// The value of a key of a mapping.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.mapping()?.iter().find(|(k, _)| k.text() == key).map(|(_, value)| value)
    }

    /// The text of a scalar, or nothing.
    pub(crate) fn text(&self) -> &str {
        self.scalar().map_or("", |scalar| &scalar.text)
    }
}

/// How much is read of one file.
pub(crate) const MAX_BYTES: usize = 1024 * 1024;
/// Nodes in one file: ten times the largest flow that anybody could oversee.
pub(crate) const MAX_NODES: usize = 50_000;
/// Collections inside each other. The language itself needs about ten.
pub(crate) const MAX_DEPTH: usize = 32;
/// Findings in one file, after which reading stops.
const MAX_FINDINGS: usize = 100;

/// Reads a file into a tree. `None` when it can't be read as YAML at all; findings say why.
pub(crate) fn read(path: &str, text: &str, findings: &mut Findings) -> Option<Node> {
    if text.len() > MAX_BYTES {
        let message = format!("{path} is too big: {} bytes, at most {MAX_BYTES} are read", text.len());
        findings
            .push(Diagnostic::error("E106", None, message).help("split the application into sub-flow files"));
        return None;
    }
    let source = Arc::new(Source { path: path.to_owned(), text: text.to_owned() });
    let mut options = Options::default();
    options.emit_unresolved_aliases = true;
    options.flow_nesting_limit = MAX_DEPTH + 8;
    options.block_nesting_limit = MAX_DEPTH + 8;
    let mut tree = Tree {
        source: &source,
        stack: Vec::new(),
        root: None,
        nodes: 0,
        found: Vec::new(),
        documents: 0,
        aliased: false,
    };
    for event in Parser::new_from_str_with_options(text, options) {
        let stop = match event {
            Ok((event, span)) => tree.event(&event, span.byte_range().unwrap_or(0..0)),
            Err(error) => {
                let at = error.marker().byte_offset().unwrap_or(0);
                tree.unreadable(at, &error.to_string());
                true
            }
        };
        if stop {
            tree.root = None;
            break;
        }
    }
    let broken = !tree.found.is_empty();
    let root = tree.root.take();
    findings.extend(tree.found);
    match root {
        None if !broken => {
            let place = Place { source, span: 0..0 };
            findings.push(
                Diagnostic::error("E100", Some(place), "the file is empty")
                    .help("start with the example of the manual, or remove the file"),
            );
            None
        }
        root => root,
    }
}

/// What is being built.
struct Tree<'a> {
    source: &'a Arc<Source>,
    stack: Vec<Open>,
    root: Option<Node>,
    nodes: usize,
    found: Vec<Diagnostic>,
    documents: usize,
    aliased: bool,
}

/// A collection that is not closed yet.
struct Open {
    start: usize,
    kind: OpenKind,
}

enum OpenKind {
    Sequence(Vec<Node>),
    Mapping { pairs: Vec<(Node, Node)>, key: Option<Node>, seen: HashMap<String, Range<usize>> },
}

impl Tree<'_> {
    /// Takes one event; true when reading must stop.
    fn event(&mut self, event: &Event<'_>, span: Range<usize>) -> bool {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.properties(*anchor, tag.is_some(), &span);
                let plain = *style == ScalarStyle::Plain;
                // An empty value comes as `~` with nothing written.
                let text = if plain && span.is_empty() { String::new() } else { text.to_string() };
                if plain {
                    self.plain_word(&text, &span);
                }
                self.node(span, Data::Scalar(Scalar { text, plain }))
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.properties(*anchor, tag.is_some(), &span);
                self.open(span.start, OpenKind::Sequence(Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                self.properties(*anchor, tag.is_some(), &span);
                self.open(
                    span.start,
                    OpenKind::Mapping { pairs: Vec::new(), key: None, seen: HashMap::new() },
                )
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span.end),
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                self.alias(span.clone());
                self.node(span, Data::Scalar(Scalar { text: String::new(), plain: false }))
            }
            Event::Comment(text, _) => {
                self.comment(text, &span);
                self.too_much()
            }
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.find("E100", span, "a file holds one document")
                        .help("remove the `---` between the two");
                }
                self.documents > 1
            }
            _ => false,
        }
    }

    fn find(&mut self, code: &'static str, span: Range<usize>, message: impl Into<String>) -> Finding<'_> {
        let place = Place { source: Arc::clone(self.source), span };
        self.found.push(Diagnostic::error(code, Some(place), message));
        Finding(self.found.last_mut())
    }

    fn too_much(&mut self) -> bool {
        self.found.len() >= MAX_FINDINGS
    }

    fn unreadable(&mut self, at: usize, message: &str) {
        let rest = self.source.text.get(at..).unwrap_or("");
        if rest.starts_with('*') {
            self.star(at..at + 1);
        } else if message.contains("recursion limit") {
            self.too_deep(at);
        } else if self.found.is_empty() {
            // Whatever else the parser stumbled over usually comes from what was found already.
            let what = message.split(" at char ").next().unwrap_or(message);
            let message = format!("this is not YAML: {what}");
            let help = self
                .unspaced(at)
                .unwrap_or_else(|| "look at the quotes, brackets and indentation here and above".to_owned());
            self.find("E100", at..at + 1, message).help(help);
        }
    }

    /// What to do when the line or the one above is like `key:value`, which is no key.
    fn unspaced(&self, at: usize) -> Option<String> {
        let line_end = self.source.text.get(at..)?.find('\n').map_or(self.source.text.len(), |end| at + end);
        let lines = self.source.text.get(..line_end)?.lines().rev();
        let written = |line: &str| fields::unspaced(line.trim().trim_start_matches("- "));
        lines.filter(|line| !line.trim().is_empty()).take(2).find_map(written)
    }

    fn star(&mut self, span: Range<usize>) {
        self.find("E102", span, "an unquoted `*` is an alias in YAML").help("write `star`");
    }

    fn too_deep(&mut self, at: usize) {
        let message = format!("nested more than {MAX_DEPTH} deep");
        self.find("E106", at..at + 1, message).help("no flow needs this; name a block and `goto` it");
    }

    fn alias(&mut self, span: Range<usize>) {
        let name = self.source.text.get(span.clone()).unwrap_or("").trim_start_matches('*');
        if name.starts_with(|c: char| c.is_alphanumeric()) {
            // One is enough: a file made of aliases would bury everything else.
            if std::mem::replace(&mut self.aliased, true) {
                return;
            }
            self.find("E105", span, "aliases are not part of the flow language")
                .help("write the value again, or put the steps into a block or a sub-flow");
        } else {
            self.star(span.start..span.start + 1);
        }
    }

    fn properties(&mut self, anchor: usize, tag: bool, span: &Range<usize>) {
        if anchor != 0 {
            let before = self.source.text.get(..span.start).unwrap_or("");
            let start = before.rfind('&').unwrap_or(span.start);
            let end =
                self.source.text[start..].find(char::is_whitespace).map_or(span.end, |length| start + length);
            self.find("E105", start..end, "anchors are not part of the flow language")
                .help("put what is used twice into a block or a sub-flow");
        }
        if tag {
            self.find("E105", span.clone(), "tags are not part of the flow language")
                .help("remove what begins with `!`");
        }
    }

    /// `{star: repeat, #: x}` and `end: #`: somebody meant the key, YAML reads a comment.
    fn comment(&mut self, text: &str, span: &Range<usize>) {
        let line_start = self.source.text[..span.start].rfind('\n').map_or(0, |newline| newline + 1);
        let before = self.source.text[line_start..span.start].trim_end();
        let key = text.starts_with(':') && (text.len() == 1 || text[1..].starts_with([' ', '\t']));
        let value = text.trim().is_empty() && before.ends_with(':');
        let listed = text.starts_with([',', ']', '}']) && before.ends_with([':', ',', '[', '{']);
        if key || value || listed {
            self.find("E102", span.start..span.start + 1, "an unquoted `#` begins a comment in YAML")
                .help("write `hash`");
        }
    }

    /// Words that YAML 1.1 reads as true or false: other tools that read the file would change them.
    fn plain_word(&mut self, text: &str, span: &Range<usize>) {
        if matches!(text.to_ascii_lowercase().as_str(), "y" | "n" | "yes" | "no" | "on" | "off") {
            let message = format!("`{text}` is true or false for some readers of YAML");
            self.find("E103", span.clone(), message).help(format!("write it in quotes: \"{text}\""));
        }
    }

    fn open(&mut self, start: usize, kind: OpenKind) -> bool {
        if self.stack.len() >= MAX_DEPTH {
            self.too_deep(start);
            return true;
        }
        self.stack.push(Open { start, kind });
        self.count(start)
    }

    fn count(&mut self, at: usize) -> bool {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            let message = format!("more than {MAX_NODES} values in one file");
            self.find("E106", at..at + 1, message).help("split the application into sub-flow files");
            return true;
        }
        self.too_much()
    }

    fn close(&mut self, end: usize) -> bool {
        let Some(Open { start, kind }) = self.stack.pop() else { return false };
        let (data, last) = match kind {
            OpenKind::Sequence(items) => {
                let last = items.last().map(|item| item.place.span.end);
                (Data::Sequence(items), last)
            }
            OpenKind::Mapping { pairs, .. } => {
                let last = pairs.last().map(|(key, value)| value.place.span.end.max(key.place.span.end));
                (Data::Mapping(pairs), last)
            }
        };
        // The end of a block collection is where the next thing begins; of use is where its last child ends.
        let closed = self.source.text.get(..end).is_some_and(|text| text.ends_with([']', '}']));
        let end = if closed { end } else { last.unwrap_or(end) };
        self.put(start..end.max(start), data)
    }

    fn node(&mut self, span: Range<usize>, data: Data) -> bool {
        let start = span.start;
        self.put(span, data) || self.count(start)
    }

    fn put(&mut self, span: Range<usize>, data: Data) -> bool {
        let node = Node { place: Place { source: Arc::clone(self.source), span }, data };
        match self.stack.last_mut().map(|open| &mut open.kind) {
            None => self.root = Some(node),
            Some(OpenKind::Sequence(items)) => items.push(node),
            Some(OpenKind::Mapping { pairs, key, .. }) if key.is_some() => {
                if let Some(key) = key.take() {
                    pairs.push((key, node));
                }
            }
            Some(OpenKind::Mapping { key, .. }) => {
                *key = Some(node.clone());
                self.key(&node);
            }
        }
        false
    }

    /// Looks at a key as it comes.
    fn key(&mut self, node: &Node) {
        let span = node.place.span.clone();
        let Some(scalar) = node.scalar() else {
            self.find("E113", span, "a key is a word, not a list or a mapping")
                .help("a `{` or `[` may need quotes");
            return;
        };
        if scalar.text == "<<" && scalar.plain {
            self.find("E105", span, "merge keys are not part of the flow language")
                .help("write the keys out");
            return;
        }
        let Some(OpenKind::Mapping { seen, .. }) = self.stack.last_mut().map(|open| &mut open.kind) else {
            return;
        };
        let text = scalar.text.clone();
        match seen.get(&text).cloned() {
            Some(first) => {
                let first = Place { source: Arc::clone(self.source), span: first };
                self.find("E104", span, format!("`{text}` is written twice"))
                    .help("keep one of the two: most readers of YAML would silently drop the other")
                    .related(first, "first here");
            }
            None => {
                seen.insert(text, span);
            }
        }
    }
}

/// The finding just made, to say more about it.
struct Finding<'a>(Option<&'a mut Diagnostic>);

impl Finding<'_> {
    fn help(mut self, help: impl Into<String>) -> Self {
        if let Some(diagnostic) = &mut self.0 {
            diagnostic.help = Some(help.into());
        }
        self
    }

    fn related(mut self, place: Place, label: &str) {
        if let Some(diagnostic) = &mut self.0 {
            diagnostic.related.push((place, label.to_owned()));
        }
    }
}
