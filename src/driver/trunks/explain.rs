//! `countersign route explain`: where a call goes, which rule decided it and why, in sentences. By the same code that calls
//! are made with.

use std::net::IpAddr;

use super::{NoWay, QuotaView, Trunk, Trunks, held};
use crate::driver::config::{Config, Destination, TrunkConfig, by_trunk};
use crate::driver::numbers;
use crate::driver::sender::SenderConfig;
use crate::sip::locate::Hop;
use crate::sip::{AccessList, Uri};

/// What is told of a route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explained {
    /// Step by step.
    pub steps: Vec<String>,
    /// Whether the call is made, or let in.
    pub goes: bool,
}

/// Tells where a call goes. `from`: an address, for a call that comes in; the name of a sender of calls; or else a caller
/// who is put through. `to`: a number, a name of `transfers`, a SIP address.
#[must_use]
pub fn explain(config: &Config, trunks: &Trunks, from: &str, to: &str) -> Explained {
    let mut told = Explained::default();
    let sender = config.senders.iter().find(|sender| sender.name == from && sender.call.is_some());
    told.goes = match (from.parse::<IpAddr>(), sender) {
        (Ok(address), _) => told.comes_in(config, trunks, address, to),
        (_, Some(sender)) => told.code_call(config, trunks, sender, to),
        _ => told.put_through(config, trunks, to),
    };
    told
}

impl Explained {
    fn say(&mut self, step: impl Into<String>) {
        self.steps.push(step.into());
    }

    fn no(&mut self, step: impl Into<String>) -> bool {
        self.say(step);
        false
    }

    /// A call from an address.
    fn comes_in(&mut self, config: &Config, trunks: &Trunks, address: IpAddr, to: &str) -> bool {
        let lists = config.trunks.iter().map(|trunk| (trunk.name.as_str(), trunk.addresses.as_slice()));
        let list = AccessList::parse(lists).unwrap_or_default();
        let found = list.find(address).and_then(|name| config.trunks.iter().find(|trunk| trunk.name == name));
        let Some(trunk) = found else {
            return self.no(format!(
                "{address} is in no trunk's `addresses`: whatever it dials it gets 403. To let it in, add the address to a trunk"
            ));
        };
        self.say(format!(
            "{address} is of the trunk `{}`: its `addresses` have the closest network",
            trunk.name
        ));
        if let Some(says) = trunk.profile_told() {
            self.say(says);
        }
        if trunk.tls {
            self.say("it is let in over TLS only (`tls: true`); in clear it gets 403");
        }
        if !trunk.certificate.is_empty() {
            self.say(format!("its certificate must be for {}", trunk.certificate.join(" or ")));
        }
        if let Some(calls) = trunks.inward().into_iter().find(|inward| inward.name == trunk.name) {
            self.bounds(&calls.calls);
        }
        match trunk.plan().international(to) {
            Some(number) => {
                self.say(format!("{to} was dialled, which is {number}: the trunk's `country` says so"))
            }
            None => self.say(format!("{to} was dialled, and is left as it is{}", no_country(trunk))),
        }
        true
    }

    /// How many calls the trunk may bring in.
    fn bounds(&mut self, calls: &QuotaView) {
        if let Some(most) = calls.most_calls {
            self.say(format!(
                "`in.calls`: {} of {most} calls of the trunk run; one more than {most} gets 503",
                calls.calls
            ));
        }
        if let Some(most) = calls.per_second {
            self.say(format!(
                "`in.per_second`: if {most} of its calls began within the second before, it gets 503 and `Retry-After: 1`"
            ));
        }
    }

    /// A code call.
    fn code_call(&mut self, config: &Config, trunks: &Trunks, sender: &SenderConfig, to: &str) -> bool {
        let Some(call) = &sender.call else { return false };
        let Some(number) = numbers::international(to) else {
            return self.no(format!("{to} is no number with + and its country code: no code is told there"));
        };
        match numbers::allowed(&config.letters.countries, &number) {
            Ok(beginning) => self.say(format!("`letters.countries` allows {beginning}")),
            Err(why) => {
                return self.no(format!("`letters.countries` does not allow {number}: {why}"));
            }
        }
        let Some((beginning, route)) = call.route_of(&number) else {
            return self.no(format!(
                "no route of the sender `{}` fits {number}: add one, or add its beginning to one",
                sender.name
            ));
        };
        self.say(format!(
            "the sender `{}` has the route {beginning} by {}, the closest",
            sender.name, route.by
        ));
        match by_trunk(&route.by) {
            Some(trunk) => self.by_trunk(trunks, &number, Some(trunk)),
            None => self.at(trunks, &route.by),
        }
    }

    /// A caller who is put through.
    fn put_through(&mut self, config: &Config, trunks: &Trunks, to: &str) -> bool {
        if let Some(text) = config.transfers.get(to) {
            self.say(format!("`transfers` has `{to}`: {text}"));
            return match Destination::parse(text) {
                Some(Destination::Telephone { number, trunk }) => {
                    self.by_trunk(trunks, &number, trunk.as_deref())
                }
                _ => self.at(trunks, text),
            };
        }
        if let Some(number) = numbers::international(to) {
            let named = |text: &String| matches!(Destination::parse(text), Some(Destination::Telephone { number: of, .. }) if of == number);
            let name = config.transfers.iter().find(|(_, text)| named(text)).map(|(name, _)| name.clone());
            if let Some(name) = name {
                return self.put_through(config, trunks, &name);
            }
            self.by_trunk(trunks, &number, None);
            return self.no(format!(
                "nobody is put through to {number}: no name of `transfers` has it, and callers choose none"
            ));
        }
        if to.starts_with("sip:") || to.starts_with("sips:") {
            self.say("a SIP address, which only a flow or `transfers` can name");
            return self.at(trunks, to);
        }
        self.no(format!(
            "`{to}` is no name of `transfers`, no number with + and its country code, and no SIP address: nobody is called"
        ))
    }

    /// By whose servers.
    fn by_trunk(&mut self, trunks: &Trunks, number: &str, by: Option<&str>) -> bool {
        for trunk in trunks.all.iter().filter(|trunk| by.is_none_or(|by| by == &*trunk.name)) {
            match numbers::allowed(&trunk.out.carries, number) {
                Ok(beginning) => self.say(format!("the trunk `{}` carries {beginning}", trunk.name)),
                Err(why) => self.say(format!("the trunk `{}` does not carry {number}: {why}", trunk.name)),
            }
        }
        let trunk = match trunks.carrier(number, by) {
            Ok(trunk) => trunk,
            Err(NoWay::Barred(_)) => {
                return self.no("no trunk carries it: the call is not made. Add the beginning to `carries` of a trunk's `out`");
            }
            Err(why) => return self.no(why.to_string()),
        };
        let why = if by.is_some() {
            "it is named"
        } else {
            "the closest beginning; among equals the first that answers"
        };
        self.say(format!("it goes by the trunk `{}`: {why}", trunk.name));
        if let Some(says) = &trunk.profile {
            self.say(says.clone());
        }
        self.servers(trunks, trunk, number)
    }

    fn servers(&mut self, trunks: &Trunks, trunk: &Trunk, number: &str) -> bool {
        // The heaviest first: what is most likely, as a call draws by weight.
        let hops = trunks.hops(trunk, &mut |below| below.saturating_sub(1));
        if hops.is_empty() {
            return self.no(NoWay::Nowhere(trunk.name.to_string()).to_string());
        }
        let user = trunk.written(number);
        for (hop, server) in &hops {
            let uri = trunk.request_uri(&user, *hop, server);
            let state = trunks.state_of(trunk, *hop);
            self.say(format!("INVITE {uri} to {} {} ({server}), {state}", hop.transport, hop.remote));
        }
        let from = trunk.out.from.as_deref().map_or_else(
            || "no number of ours: the trunk's `out` has no `from`".to_owned(),
            |from| trunk.written(from),
        );
        self.say(format!("the telephone is shown {from}"));
        true
    }

    /// At an address or a name.
    fn at(&mut self, trunks: &Trunks, uri: &str) -> bool {
        let hops = Uri::parse(uri.as_bytes()).map(|uri| trunks.addresses_of(&uri, &mut |_| 0));
        match hops {
            Some(hops) if !hops.is_empty() => {
                for Hop { transport, remote } in hops {
                    self.say(format!("INVITE to {transport} {remote}"));
                }
                true
            }
            _ => self.no(format!("`{uri}` leads nowhere: the DNS does not know it")),
        }
    }
}

impl Trunks {
    /// What is known of a server, in a word or two.
    fn state_of(&self, trunk: &Trunk, hop: Hop) -> &'static str {
        if held(&trunk.seen).is_down(hop) {
            "down: tried last"
        } else if self.names.rests(hop) {
            "a call found nobody there lately: tried last"
        } else {
            "not known to be down"
        }
    }
}

fn no_country(trunk: &TrunkConfig) -> &'static str {
    if trunk.country.is_some() { ": it may be an extension" } else { ": the trunk has no `country`" }
}
