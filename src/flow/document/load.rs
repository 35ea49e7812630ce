//! From the files of a folder to a checked application.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ast::{Application, Block, BlockId, Flow, FlowId, Language, LanguageId};
use super::build::Build;
use super::catalogue::{self, Catalogue};
use super::declare::Shared;
use super::fields::{self, Fields};
use super::files::Files;
use super::findings::{Findings, suggestion};
use super::handlers::{always, first_block, handler, unused_prompts};
use super::travels::Travels;
use super::yaml::{self, Node};
use super::{literal_secret, risk};
use crate::diagnostic::Diagnostic;
use crate::flow::check;
use crate::flow::schema::files::{FLOW, MAIN};

/// Loads an application, with the warnings that were found.
///
/// # Errors
/// Everything that is wrong with it, in the order of the files, warnings included.
pub fn load(files: &dyn Files) -> Result<(Application, Vec<Diagnostic>), Vec<Diagnostic>> {
    let mut findings = Findings::default();
    let application = Loader { files, findings: &mut findings, unreadable: false }.load();
    let broken = findings.errors() > 0;
    let found = findings.into_sorted();
    match application {
        Some(application) if !broken => Ok((application, found)),
        _ if broken => Err(found),
        _ => Err(vec![Diagnostic::error("E100", None, "the application can't be read")]),
    }
}

/// A target whose address the site's settings have, under `transfers:`.
const FROM_SETTINGS: &str = "from_settings";
/// Sub-flow files in one application: a bound, not a goal.
pub(super) const MAX_FILES: usize = 64;

pub(super) struct Loader<'f> {
    pub(super) files: &'f dyn Files,
    pub(super) findings: &'f mut Findings,
    /// A file that is there can't be read: nothing is certain of the rest.
    pub(super) unreadable: bool,
}

/// One flow file.
pub(super) struct FlowFile {
    path: String,
    pub(super) root: Node,
}

impl Loader<'_> {
    fn load(&mut self) -> Option<Application> {
        let flow_files = self.flow_files()?;
        let main = self.main_file(&flow_files)?;
        let fields = Fields::of(&main.root, "a flow", self.findings)?;
        self.only_known(&fields, true);
        let imports = self.imports(&fields);
        let others = || flow_files.iter().filter(|file| !std::ptr::eq(*file, main));
        others().for_each(|file| self.same_imports(&fields, file));
        if self.unreadable {
            return None;
        }
        let policy = self.policy(&imports);
        // The part on risk can be read once everything has a name.
        let risk = imports.policy.as_ref().and_then(|root| root.get("risk").cloned());
        let bands = risk::bands(risk.as_ref(), self.findings);
        let raises = risk::raises(risk.as_ref(), &policy, self.findings);
        let services = self.services(&imports, &policy);
        let calendars = self.calendars(&imports);
        let catalogues = self.catalogues(&imports);
        let (languages, default_language) = self.languages(&fields, &catalogues);
        let mut by_tag: BTreeMap<String, Catalogue> =
            catalogues.into_iter().map(|catalogue| (catalogue.language.clone(), catalogue)).collect();
        let catalogues: Vec<Catalogue> = languages.iter().filter_map(|tag| by_tag.remove(tag)).collect();
        catalogue::compare(&catalogues, self.findings);
        let defaults = self.defaults(&fields);
        let targets = self.targets(&fields);
        let mut shared = Shared {
            languages,
            default_language,
            catalogues,
            policy,
            risk,
            bands,
            raises,
            services,
            calendars,
            flows: Vec::new(),
            blocks: Vec::new(),
            vars: Vec::new(),
            targets,
            defaults,
            consents: BTreeMap::new(),
        };
        self.declare(&mut shared, main, &flow_files);
        shared.declare_results(self.findings);
        shared.declare_consents();
        let mut travels = Travels::default();
        let application = self.build(&shared, &fields, &mut travels)?;
        check::run(&application, &travels, self.findings);
        if imports.policy.is_none() {
            self.built_in_policy(&application);
        }
        self.recordings(&application);
        Some(application)
    }

    /// Reads every `*.flow.yaml`.
    fn flow_files(&mut self) -> Option<Vec<FlowFile>> {
        self.misnamed("", ".flow.yaml");
        let mut paths: Vec<String> =
            self.files.list("").into_iter().filter(|path| path.ends_with(".flow.yaml")).collect();
        paths.sort();
        if paths.is_empty() {
            let message = "this folder has no flow";
            self.findings.push(
                Diagnostic::error("E107", None, message).help("a flow is a file such as `bank.flow.yaml`"),
            );
            return None;
        }
        if paths.len() > MAX_FILES {
            let message = format!("more than {MAX_FILES} flow files");
            self.findings.push(Diagnostic::error("E106", None, message));
            return None;
        }
        let read: Vec<FlowFile> = paths
            .into_iter()
            .filter_map(|path| {
                let root = self.read(&path)?;
                literal_secret::look(&root, self.findings);
                Some(FlowFile { path, root })
            })
            .collect();
        (!read.is_empty() && !self.unreadable).then_some(read)
    }

    pub(super) fn read(&mut self, path: &str) -> Option<Node> {
        match self.files.read(path) {
            Ok(text) => yaml::read(path, &text, self.findings),
            Err(why) => {
                self.findings.push(why.told(path));
                self.unreadable = true;
                None
            }
        }
    }

    /// The file that a call enters: the only one, or the only one that declares no outcomes.
    fn main_file<'a>(&mut self, files: &'a [FlowFile]) -> Option<&'a FlowFile> {
        let candidates: Vec<&FlowFile> =
            files.iter().filter(|file| file.root.get("outcomes").is_none()).collect();
        match candidates.as_slice() {
            [one] => Some(one),
            [] => {
                let message = "every flow here declares `outcomes`: which one does a call enter?";
                self.findings
                    .push(Diagnostic::error("E107", None, message).help("the main flow has no `outcomes`"));
                None
            }
            [first, second, ..] => {
                let message = format!("{} and {} could both be what a call enters", first.path, second.path);
                let place = Some(second.root.place.clone());
                self.findings.push(
                    Diagnostic::error("E107", place, message).help("a sub-flow declares its `outcomes`"),
                );
                None
            }
        }
    }

    fn only_known(&mut self, fields: &Fields<'_>, main: bool) {
        let mut known: Vec<&str> = FLOW.iter().map(|field| field.name).collect();
        if main {
            known.extend(MAIN.iter().map(|field| field.name));
        } else {
            known.push("subflows");
        }
        fields.only(&known, "a flow", self.findings);
        if let Some(node) = fields.get("secure").filter(|node| main && node.text() == "true") {
            let help = "put what has to be secure into a sub-flow with `secure: true`, and `run` it";
            fields::wrong(node, "the main flow can't be secure as a whole", help, self.findings);
        }
        if let Some(node) = fields.need("callflow", "a flow", self.findings)
            && node.text() != "1"
        {
            fields::wrong(node, "this version reads `callflow: 1`", "write `callflow: 1`", self.findings);
        }
    }

    fn languages(&mut self, main: &Fields<'_>, catalogues: &[Catalogue]) -> (Vec<String>, LanguageId) {
        let all: Vec<String> = catalogues.iter().map(|catalogue| catalogue.language.clone()).collect();
        let Some(node) = main.get("languages") else { return (all, LanguageId(0)) };
        let Some(languages) = Fields::of(node, "`languages`", self.findings) else {
            return (all, LanguageId(0));
        };
        languages.only(&["default", "offer"], "`languages`", self.findings);
        let mut offer = Vec::new();
        for node in languages.get("offer").map(fields::items).unwrap_or_default() {
            let Some(tag) = fields::text(node, "a language", self.findings) else { continue };
            if all.contains(&tag) {
                offer.push(tag);
            } else {
                let message = format!("there is no catalogue of prompts for `{tag}`");
                let help = format!("add prompts/{tag}.yaml");
                self.findings.push(Diagnostic::error("E170", Some(node.place.clone()), message).help(help));
            }
        }
        let offer = if offer.is_empty() { all } else { offer };
        let default = languages.get("default").and_then(|node| {
            let tag = fields::text(node, "a language", self.findings)?;
            let at = offer.iter().position(|language| *language == tag);
            if at.is_none() {
                let help = suggestion(&tag, offer.iter().map(String::as_str), "languages on offer");
                fields::wrong(
                    node,
                    format!("the default language `{tag}` is not on offer"),
                    help,
                    self.findings,
                );
            }
            u8::try_from(at?).ok()
        });
        (offer, LanguageId(default.unwrap_or(0)))
    }

    fn defaults<'n>(&mut self, main: &Fields<'n>) -> Option<&'n Node> {
        let defaults = Fields::of(main.get("defaults")?, "`defaults`", self.findings)?;
        defaults.only(&["input", "recording"], "`defaults`", self.findings);
        let node = defaults.get("input")?;
        let input = Fields::of(node, "`input`", self.findings)?;
        input.only(&["first", "between", "total", "tries", "interrupt"], "`input`", self.findings);
        Some(node)
    }

    fn targets(&mut self, main: &Fields<'_>) -> BTreeMap<String, String> {
        let mut out = BTreeMap::new();
        let Some(node) = main.get("targets") else { return out };
        for (key, value) in
            Fields::of(node, "`targets`", self.findings).map(|fields| fields.pairs).unwrap_or_default()
        {
            let name = fields::name(key, "a target", self.findings);
            let Some(uri) = fields::text(value, "a SIP address", self.findings) else { continue };
            if uri == FROM_SETTINGS {
                // Its address stands in the settings of the site, under this name.
                out.extend(name.map(|name| (name.clone(), name)));
                continue;
            }
            if !(uri.starts_with("sip:") && uri.len() > 4 && uri.bytes().all(|b| b.is_ascii_graphic())) {
                fields::wrong(
                    value,
                    "a target is a SIP address, or `from_settings`",
                    "write \"sip:100@pbx.example\", or `from_settings` and its address under `transfers:` in countersign.yaml",
                    self.findings,
                );
                continue;
            }
            out.extend(name.map(|name| (name, uri)));
        }
        out
    }

    /// Main flow first, then its sub-flows, then the other files that something may run.
    fn declare<'n>(&mut self, shared: &mut Shared<'n>, main: &'n FlowFile, files: &'n [FlowFile]) {
        let mut by_path: BTreeMap<String, FlowId> = BTreeMap::new();
        let mut of_file: Vec<Vec<(String, FlowId)>> = Vec::new();
        let mut owner: Vec<usize> = Vec::new();
        let order = std::iter::once(main).chain(files.iter().filter(|file| !std::ptr::eq(*file, main)));
        for (at, file) in order.enumerate() {
            let Some(fields) = Fields::of(&file.root, "a flow", self.findings) else { continue };
            if at > 0 {
                self.only_known(&fields, false);
            }
            let name = fields
                .need("id", "a flow", self.findings)
                .and_then(|node| fields::name(node, "an id", self.findings));
            let flow =
                shared.declare(Arc::from(name.as_deref().unwrap_or(&file.path)), &fields, self.findings);
            owner.push(of_file.len());
            if at > 0 {
                by_path.insert(file.path.clone(), flow);
            }
            let mut siblings = Vec::new();
            let subflows =
                fields.get("subflows").and_then(|node| Fields::of(node, "`subflows`", self.findings));
            for (key, value) in subflows.map(|fields| fields.pairs).unwrap_or_default() {
                let Some(name) = fields::name(key, "a sub-flow", self.findings) else { continue };
                let Some(sub) = Fields::of(value, "a sub-flow", self.findings) else { continue };
                sub.only(
                    &["takes", "outcomes", "gives", "vars", "entry", "blocks", "secure", "note"],
                    "a sub-flow",
                    self.findings,
                );
                sub.need("outcomes", "a sub-flow", self.findings);
                let sub = Fields { place: key.place.clone(), pairs: sub.pairs };
                siblings.push((name.clone(), shared.declare(Arc::from(name), &sub, self.findings)));
                owner.push(of_file.len());
            }
            of_file.push(siblings);
        }
        for (decl, file) in shared.flows.iter_mut().zip(owner) {
            decl.callable.extend(by_path.iter().map(|(path, flow)| (path.clone(), *flow)));
            decl.callable.extend(of_file.get(file).into_iter().flatten().cloned());
        }
    }

    fn build(
        &mut self,
        shared: &Shared<'_>,
        main: &Fields<'_>,
        travels: &mut Travels,
    ) -> Option<Application> {
        let mut used = BTreeSet::new();
        let mut build =
            Build { shared, findings: self.findings, flow: FlowId::MAIN, travels, used: &mut used };
        let mut blocks = Vec::new();
        for decl in &shared.blocks {
            build.flow = decl.flow;
            let steps = build.steps(decl.steps);
            blocks.push(Block {
                name: Arc::clone(&decl.name),
                flow: decl.flow,
                steps,
                place: decl.place.clone(),
            });
        }
        let mut flows = Vec::new();
        for (index, decl) in shared.flows.iter().enumerate() {
            build.flow = FlowId(u32::try_from(index).ok()?);
            let entry = match decl.entry {
                Some(node) => build.block(node),
                None => first_block(shared, build.flow, &decl.place, build.findings),
            };
            let results: Vec<_> = decl.results.values().copied().collect();
            let gives: Vec<_> = decl.gives.iter().map(|(_, var)| *var).collect();
            let vars = decl
                .scope
                .values()
                .copied()
                .chain(results.iter().copied())
                .chain(gives.iter().copied())
                .collect();
            flows.push(Flow {
                name: Arc::clone(&decl.name),
                entry: entry.unwrap_or(BlockId(u32::MAX)),
                takes: decl.takes.iter().map(|(_, var)| *var).collect(),
                outcomes: decl.outcomes.clone(),
                gives,
                results,
                vars,
                secure: decl.secure,
            });
        }
        build.flow = FlowId::MAIN;
        let risk = shared.risk.as_ref().and_then(|node| build.risk(node));
        let always = always(&mut build, main);
        let when_error =
            main.get("when_error").and_then(|node| handler(&mut build, node, "goto", "when_error"));
        let when_hangup =
            main.get("when_hangup").and_then(|node| handler(&mut build, node, "run", "when_hangup"));
        let id = main.get("id").map_or("", Node::text).to_owned();
        let title = main
            .get("title")
            .and_then(|node| fields::text(node, "a title", build.findings))
            .unwrap_or_default();
        unused_prompts(shared, &used, self.findings);
        let vars = shared.vars.iter().map(|var| super::ast::Variable {
            name: Arc::clone(&var.name),
            ty: var.ty.clone(),
            class: var.class,
        });
        let languages = shared.languages.iter().enumerate().map(|(at, tag)| Language {
            tag: tag.clone(),
            voice: shared.catalogues.get(at).and_then(|catalogue| catalogue.voice.clone()),
        });
        let texts = shared.catalogues.iter().flat_map(|catalogue| catalogue.texts.clone()).collect();
        Some(Application {
            id,
            title,
            flows,
            blocks,
            vars: vars.collect(),
            languages: languages.collect(),
            default_language: shared.default_language,
            policy: Arc::new(shared.policy.clone()),
            risk,
            services: shared.services.clone(),
            calendars: shared.calendars.clone(),
            always,
            when_error,
            when_hangup,
            texts,
            recording: super::recording::rule(main, &shared.consents, self.findings),
            consents: shared.consents.clone(),
            words: super::words::all(&shared.catalogues),
        })
    }

    /// Recordings that the application can play and that are not there.
    fn recordings(&mut self, application: &Application) {
        let Some(there) = self.files.recordings() else { return };
        let mut spoken: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for clip in application.clips() {
            if there.contains(clip.as_str()) {
                continue;
            }
            let (language, name) = clip.as_str().split_once('/').unwrap_or_default();
            if self.files.speaks(language) && application.spoken_text(&clip).is_some() {
                spoken.entry(language.to_owned()).or_default().push(name.to_owned());
                continue;
            }
            let message = format!("there is no recording {}", clip.as_str());
            let text = application.spoken_text(&clip);
            let help = match text {
                Some(text) => format!("record \"{text}\" as audio/{}.wav", clip.as_str()),
                None if self.files.speaks(language) => format!(
                    "write what it says under `vocabulary:` in prompts/{language}.yaml, as `\"{name}\": \"…\"`, or record it as \
                     audio/{}.wav",
                    clip.as_str()
                ),
                None => format!("record it as audio/{}.wav", clip.as_str()),
            };
            let place = application.texts.get(&clip).map(|text| text.place.clone());
            self.findings.push(Diagnostic::error("E173", place, message).help(help));
        }
        for (language, names) in spoken {
            let message = format!("{} in {language} spoken by a synthesiser", recordings(names.len()));
            let shown = names.iter().take(8).map(String::as_str).collect::<Vec<_>>().join(", ");
            let more = if names.len() > 8 { format!(" and {} more", names.len() - 8) } else { String::new() };
            let help = format!("record them to have a person say them: {shown}{more}");
            self.findings.push(Diagnostic::warning("W176", None, message).help(help));
        }
    }
}

fn recordings(count: usize) -> String {
    if count == 1 { "1 recording".to_owned() } else { format!("{count} recordings") }
}
