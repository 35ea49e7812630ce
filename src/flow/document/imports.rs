//! The files beside the flows: the policy, the services, the calendars and the catalogues of prompts.
//!
//! Only what has a usual name and is not there may be missing. What is there and can't be read, what is named and
//! is not there, and what looks like a usual name are errors: nobody shall be proved by another policy than the
//! one that was written.

use std::sync::Arc;

use super::ast::{Application, Step};
use super::calendar::Calendars;
use super::catalogue::{self, Catalogue};
use super::fields::{self, Fields};
use super::files::Unread;
use super::findings::{one_typo, suggestion};
use super::load::{FlowFile, Loader, MAX_FILES};
use super::scalar::spoken_duration;
use super::services::Services;
use super::services_file::inside;
use super::yaml::{self, Node};
use super::{calendar_file, literal_secret, policy_file, services_file};
use crate::auth::{LevelPolicy, Policy};
use crate::diagnostic::{Diagnostic, Place, Source};
use crate::flow::policies::{self, BUILTIN};

/// What `imports` names, each with what it is when it is not named.
const USUAL: [(&str, &str); 4] = [
    ("policy", "policy.yaml"),
    ("services", "services.yaml"),
    ("calendars", "calendars.yaml"),
    ("prompts", "prompts/"),
];

/// What was read of them.
pub(super) struct Imports {
    pub(super) policy: Option<Node>,
    pub(super) services: Option<Node>,
    pub(super) calendars: Option<Node>,
    /// The catalogues, each with its path.
    prompts: Vec<(String, Node)>,
}

impl Loader<'_> {
    /// Reads all of them, so that those that can't be read are told together.
    pub(super) fn imports(&mut self, main: &Fields<'_>) -> Imports {
        if let Some(imports) =
            main.get("imports").and_then(|node| Fields::of(node, "`imports`", self.findings))
        {
            imports.only(&USUAL.map(|(name, _)| name), "`imports`", self.findings);
        }
        Imports {
            policy: self.imported(main, "policy"),
            services: self.imported(main, "services"),
            calendars: self.imported(main, "calendars"),
            prompts: self.prompts(main),
        }
    }

    /// The path that `imports` names, or the usual one; `None` when it leads out of the folder.
    fn import(&mut self, main: &Fields<'_>, name: &str) -> Option<String> {
        let named = main.get("imports").and_then(|imports| imports.get(name));
        let Some(node) = named else { return Some(usual(name).to_owned()) };
        let path = fields::text(node, "a path", self.findings);
        match path {
            Some(path) if inside(path.trim_end_matches('/')) => Some(path),
            Some(path) => {
                self.unreadable = true;
                let message = format!("{path} leads out of the application's folder");
                let help = "copy it into the folder, or make a link to it there, and name that";
                self.findings.push(Diagnostic::error("E107", Some(node.place.clone()), message).help(help));
                None
            }
            None => {
                self.unreadable = true;
                None
            }
        }
    }

    /// The file that `imports` names, or the usual one; only a usual one may be missing.
    fn imported(&mut self, main: &Fields<'_>, name: &str) -> Option<Node> {
        let named = main.get("imports").and_then(|node| node.get(name));
        if let Some(node) = named.filter(|node| name == "policy" && node.text().starts_with(BUILTIN)) {
            return self.builtin(node);
        }
        let path = self.import(main, name)?;
        let why = match self.files.read(&path) {
            Ok(text) => return yaml::read(&path, &text, self.findings),
            Err(why) => why,
        };
        match (named, &why) {
            (None, Unread::Absent) => self.alike(name, &path),
            (Some(node), Unread::Absent) => {
                self.unreadable = true;
                let message = format!("there is no {path} in the application's folder");
                let files = self.files.list("");
                let yaml = files.iter().map(String::as_str).filter(|file| file.ends_with(".yaml"));
                let help = suggestion(&path, yaml.collect::<Vec<_>>(), "files in the folder");
                self.findings.push(Diagnostic::error("E107", Some(node.place.clone()), message).help(help));
            }
            (named, why) => {
                self.unreadable = true;
                let told = why.told(&path);
                self.findings.push(match named {
                    Some(node) => told.related(node.place.clone(), "named here"),
                    None => told,
                });
            }
        }
        None
    }

    /// A policy that comes with the program.
    fn builtin(&mut self, node: &Node) -> Option<Node> {
        let name = node.text();
        if let Some(ready) = policies::ready(name) {
            return yaml::read(name, ready.text, self.findings);
        }
        self.unreadable = true;
        let names: Vec<&str> = policies::READY.iter().map(|ready| ready.name).collect();
        let help = suggestion(name.trim_start_matches(BUILTIN), names, "ready policies");
        let message = format!("no policy `{name}` comes with the program");
        self.findings.push(Diagnostic::error("E107", Some(node.place.clone()), message).help(help));
        None
    }

    /// A file that somebody may take for the one of the usual name, and that nothing would read.
    fn alike(&mut self, name: &str, usual: &str) {
        let Some(found) = self.files.list("").into_iter().find(|file| looks_like(file, usual)) else {
            return;
        };
        self.unreadable = true;
        let message = format!("there is {found}, and nothing reads it");
        let help =
            format!("it must be called {usual}, or name it in the main flow: `imports: {{{name}: {found}}}`");
        self.findings.push(Diagnostic::error("E107", Some(whole(&found)), message).help(help));
    }

    /// Files whose names end nearly as `ending` says.
    pub(super) fn misnamed(&mut self, folder: &str, ending: &str) {
        let short = ending.replace(".yaml", ".yml");
        for path in self.files.list(folder) {
            let lower = path.to_lowercase();
            if !path.ends_with(ending) && (lower.ends_with(ending) || lower.ends_with(&short)) {
                self.unreadable = true;
                let message = format!("there is {path}, and nothing reads it");
                let help = format!("make its name end in `{ending}`");
                self.findings.push(Diagnostic::error("E107", Some(whole(&path)), message).help(help));
            }
        }
    }

    /// A sub-flow has no files of its own: what its `imports` names is what the main flow has.
    pub(super) fn same_imports(&mut self, main: &Fields<'_>, file: &FlowFile) {
        let Some(imports) = file.root.get("imports") else { return };
        let Some(imports) = Fields::of(imports, "`imports`", self.findings) else { return };
        imports.only(&USUAL.map(|(name, _)| name), "`imports`", self.findings);
        for (key, value) in &imports.pairs {
            let name = key.text();
            let named = main.get("imports").and_then(|node| node.get(name));
            let read = named.map_or(usual(name), Node::text);
            if read.trim_end_matches('/') != value.text().trim_end_matches('/') && !read.is_empty() {
                let message = format!("a sub-flow has no `{name}` of its own: the application's is {read}");
                let help = "remove it here; what the application imports is named in its main flow";
                self.findings.push(Diagnostic::error("E107", Some(value.place.clone()), message).help(help));
            }
        }
    }

    fn prompts(&mut self, main: &Fields<'_>) -> Vec<(String, Node)> {
        let Some(folder) = self.import(main, "prompts") else { return Vec::new() };
        let folder = folder.trim_end_matches('/').to_owned();
        self.misnamed(&folder, ".yaml");
        let mut paths = self.files.list(&folder);
        paths.sort();
        let paths = paths.into_iter().filter(|path| path.ends_with(".yaml")).take(MAX_FILES);
        let within = |path: String| if path.contains('/') { path } else { format!("{folder}/{path}") };
        paths.map(within).filter_map(|path| Some((path.clone(), self.read(&path)?))).collect()
    }

    pub(super) fn policy(&mut self, imports: &Imports) -> Policy {
        imports.policy.as_ref().map(|root| policy_file::read(root, self.findings)).unwrap_or_default()
    }

    pub(super) fn services(&mut self, imports: &Imports, policy: &Policy) -> Services {
        let Some(root) = &imports.services else { return Services::default() };
        literal_secret::look_at_services(root, self.findings);
        services_file::read(root, policy, self.files, self.findings)
    }

    pub(super) fn calendars(&mut self, imports: &Imports) -> Calendars {
        let root = imports.calendars.as_ref();
        root.map(|root| calendar_file::read(root, self.findings)).unwrap_or_default()
    }

    pub(super) fn catalogues(&mut self, imports: &Imports) -> Vec<Catalogue> {
        let mut out = Vec::new();
        for (path, root) in &imports.prompts {
            let Some(catalogue) = catalogue::read(root, self.findings) else { continue };
            let stem = path.rsplit('/').next().and_then(|name| name.strip_suffix(".yaml")).unwrap_or(path);
            if stem != catalogue.language {
                let message = format!("this catalogue says it is {}", catalogue.language);
                let help = format!("name the file {}.yaml, or write `language: {stem}`", catalogue.language);
                let place = root.get("language").map(|node| node.place.clone());
                self.findings.push(Diagnostic::error("E107", place, message).help(help));
            }
            out.push(catalogue);
        }
        out
    }
}

impl Loader<'_> {
    /// Nobody wrote a policy, and there are steps that go by one.
    pub(super) fn built_in_policy(&mut self, app: &Application) {
        let goes_by_it = |step: &&Step| {
            let verb = step.kind.verb();
            ["authenticate", "require", "verify", "enrol", "reset"].contains(&verb)
                || step.kind.node().protected().is_some()
        };
        let places = app.all_steps().into_iter().filter(goes_by_it).map(|step| &step.place);
        let Some(first) = places.min_by_key(|place| (place.source.path.clone(), place.span.start)) else {
            return;
        };
        let levels: Vec<String> = app.policy.levels.iter().map(in_words).collect();
        let message =
            format!("there is no policy.yaml: the built-in policy is in force, {}", levels.join(", "));
        let help = "write policy.yaml beside the main flow and say there what has to be proved; the manual has the \
                    built-in one as its example";
        self.findings.push(Diagnostic::warning("W289", Some(first.clone()), message).help(help));
    }
}

/// What a level takes.
fn in_words(level: &LevelPolicy) -> String {
    let factors = match level.factors {
        1 => "1 factor".to_owned(),
        factors => format!("{factors} factors"),
    };
    let kinds = if level.different_kinds { " of different kinds" } else { "" };
    let age = level.max_age.map(|age| format!(" within {}", spoken_duration(age))).unwrap_or_default();
    format!("`{}` is {factors}{kinds}{age}", level.name)
}

fn usual(name: &str) -> &'static str {
    USUAL.iter().find(|(known, _)| *known == name).map_or("", |(_, usual)| usual)
}

/// Whether a file's name is the usual one but for its case, its ending or one slip.
fn looks_like(file: &str, usual: &str) -> bool {
    let lower = file.to_lowercase();
    let stem = lower.strip_suffix(".yaml").or_else(|| lower.strip_suffix(".yml"));
    file != usual && stem.zip(usual.strip_suffix(".yaml")).is_some_and(|(stem, usual)| one_typo(stem, usual))
}

/// A file of which nothing was read.
fn whole(path: &str) -> Place {
    Place { source: Arc::new(Source { path: path.to_owned(), text: String::new() }), span: 0..0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_nearly_the_usual_one_is_noticed() {
        for file in ["policy.yml", "Policy.yaml", "POLICY.YML", "polcy.yaml", "policies.yml.yaml"] {
            assert_eq!(looks_like(file, "policy.yaml"), file != "policies.yml.yaml", "{file}");
        }
        assert!(looks_like("service.yaml", "services.yaml"));
        for file in ["policy.yaml", "policy.flow.yaml", "devices.yaml", "policy.txt", "notes.yaml"] {
            assert!(!looks_like(file, "policy.yaml") && !looks_like(file, "services.yaml"), "{file}");
        }
    }
}
