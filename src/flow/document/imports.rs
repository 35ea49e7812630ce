//! The files beside the flows: the policy, the services, the calendars and the catalogues of prompts.

use super::calendar::Calendars;
use super::catalogue::{self, Catalogue};
use super::fields::{self, Fields};
use super::load::{Loader, MAX_FILES};
use super::services::Services;
use super::yaml::{self, Node};
use super::{calendar_file, literal_secret, policy_file, services_file};
use crate::auth::Policy;
use crate::diagnostic::Diagnostic;

impl Loader<'_> {
    /// The path that `imports` names, or the usual one.
    fn import(&mut self, main: &Fields<'_>, name: &str, usual: &str) -> String {
        let node = main.get("imports").and_then(|imports| imports.get(name));
        node.and_then(|node| fields::text(node, "a path", self.findings)).unwrap_or_else(|| usual.to_owned())
    }

    /// The file that `imports` names, or the usual one; only a file that is named has to be there.
    fn imported(&mut self, main: &Fields<'_>, name: &str, usual: &str) -> Option<Node> {
        let path = self.import(main, name, usual);
        if let Some(text) = self.files.read(&path) {
            return yaml::read(&path, &text, self.findings);
        }
        if let Some(node) = main.get("imports").and_then(|node| node.get(name)) {
            let message = format!("there is no {path} in the application's folder");
            self.findings.push(Diagnostic::error("E107", Some(node.place.clone()), message));
        }
        None
    }

    /// The policy, and its part on risk, which can be read once everything has a name.
    pub(super) fn policy(&mut self, main: &Fields<'_>) -> (Policy, Option<Node>) {
        if let Some(imports) =
            main.get("imports").and_then(|node| Fields::of(node, "`imports`", self.findings))
        {
            imports.only(&["policy", "services", "calendars", "prompts"], "`imports`", self.findings);
        }
        let Some(root) = self.imported(main, "policy", "policy.yaml") else {
            return (Policy::default(), None);
        };
        (policy_file::read(&root, self.findings), root.get("risk").cloned())
    }

    pub(super) fn services(&mut self, main: &Fields<'_>, policy: &Policy) -> Services {
        let Some(root) = self.imported(main, "services", "services.yaml") else {
            return Services::default();
        };
        literal_secret::look_at_services(&root, self.findings);
        services_file::read(&root, policy, self.files, self.findings)
    }

    pub(super) fn calendars(&mut self, main: &Fields<'_>) -> Calendars {
        let root = self.imported(main, "calendars", "calendars.yaml");
        root.map(|root| calendar_file::read(&root, self.findings)).unwrap_or_default()
    }

    pub(super) fn catalogues(&mut self, main: &Fields<'_>) -> Vec<Catalogue> {
        let folder = self.import(main, "prompts", "prompts/");
        let folder = folder.trim_end_matches('/').to_owned();
        let mut out = Vec::new();
        let mut paths = self.files.list(&folder);
        paths.sort();
        for path in paths.into_iter().filter(|path| path.ends_with(".yaml")).take(MAX_FILES) {
            let path = if path.contains('/') { path } else { format!("{folder}/{path}") };
            let Some(root) = self.read(&path) else { continue };
            let Some(catalogue) = catalogue::read(&root, self.findings) else { continue };
            let stem = path.rsplit('/').next().and_then(|name| name.strip_suffix(".yaml")).unwrap_or(&path);
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
