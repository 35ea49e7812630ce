//! How a step names a call of a service and gives it its arguments; the same for every step that asks one.

use super::ast::Class;
use super::build::Build;
use super::fields::{self, Fields, Node};
use super::findings::suggestion;
use super::services::{Argument, Service, ServiceCall, ServiceKind};
use crate::diagnostic::Place;
use crate::flow::expr::{Expr, Type};

impl<'a> Build<'a, '_> {
    /// The call that `service.call` names.
    pub(crate) fn service_call(&mut self, node: &Node) -> Option<(&'a Service, &'a ServiceCall)> {
        let written = fields::text(node, "a call of a service", self.findings)?;
        let shared = self.shared;
        let Some((service_name, call_name)) = written.split_once('.') else {
            self.error(
                "E250",
                &node.place,
                "a call is written `service.call`",
                "write `crm.balance`, for example",
            );
            return None;
        };
        let Some(service) = shared.services.service(service_name) else {
            let names = shared.services.services.iter().map(|service| service.name.as_str());
            let help = suggestion(service_name, names, "services");
            self.error("E250", &node.place, format!("there is no service `{service_name}`"), help);
            return None;
        };
        let call = service.call(call_name);
        if call.is_none() && !matches!(service.kind, ServiceKind::Unknown) {
            let help =
                suggestion(call_name, service.calls.iter().map(|call| call.name.as_str()), "its calls");
            self.error("E250", &node.place, format!("`{service_name}` has no call `{call_name}`"), help);
        }
        call.map(|call| (service, call))
    }

    /// What `give:` gives to a call: every argument once, each of a class that may go there. An argument that is
    /// named as a field of the engine (`${call.from}`) need not be given. A card is no expression: the step that
    /// has one gives it itself, and leaves it out of `give` before.
    pub(crate) fn give(
        &mut self,
        call: &ServiceCall,
        give: Option<&Node>,
        place: &Place,
    ) -> Option<Vec<(String, Expr)>> {
        let given = match give {
            Some(node) => Fields::of(node, "`give`", self.findings)?.pairs,
            None => Vec::new(),
        };
        if !call.sound {
            return None;
        }
        let before = self.findings.errors();
        let place = give.map_or(place, |node| &node.place);
        let wanted = || call.arguments.iter().filter(|argument| argument.class != Class::Card);
        let mut out = Vec::new();
        for (key, value) in &given {
            match wanted().find(|argument| argument.name == key.text()) {
                Some(argument) => out.extend(self.given(argument, value)),
                None => {
                    let message = format!("`{}` takes no `{}`", call.name, key.text());
                    let names: Vec<String> =
                        wanted().map(|argument| format!("`{}`", argument.name)).collect();
                    let help = match names.is_empty() {
                        true => "it takes nothing".to_owned(),
                        false => format!("it takes {}", names.join(", ")),
                    };
                    self.error("E251", &key.place, message, help);
                }
            }
        }
        for argument in wanted() {
            if given.iter().any(|(key, _)| key.text() == argument.name) {
                continue;
            }
            match argument.field {
                Some(field) => out.push((argument.name.clone(), Expr::Field(field))),
                None => {
                    let message = format!("`{}` needs `{}`", call.name, argument.name);
                    self.error("E251", place, message, format!("add `give: {{{}: …}}`", argument.name));
                }
            }
        }
        (self.findings.errors() == before).then_some(out)
    }

    fn given(&mut self, argument: &Argument, value: &Node) -> Option<(String, Expr)> {
        let typed = self.expr(value, None, &[])?;
        if typed.class == Class::Card {
            let message = format!("`{}` is no place for a card", argument.name);
            self.error(
                "E255",
                &value.place,
                message,
                "a card goes to a service with `accepts: [card]`, by `pay`",
            );
            return None;
        }
        if matches!(typed.ty, Type::List) {
            self.error("E181", &value.place, "a service takes one value, not a list", "give one of them");
            return None;
        }
        if !self.may_go(&typed, argument.class, "a service", &value.place) {
            return None;
        }
        if argument.logged && typed.class > Class::Public {
            let message = format!("personal data goes into the query of a URL as `{}`", argument.name);
            let help = "servers write queries into their logs: send it in the body of a `post`, put it into the path, or write \
                        `log_safe: true` in services.yaml when this server keeps none";
            self.warn("W192", &value.place, message, help);
        }
        Some((argument.name.clone(), typed.expr))
    }
}
