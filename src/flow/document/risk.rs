//! `risk:` of a policy: signals that add points, and the bands that points fall into.
//!
//! ```yaml
//! risk:
//!   signals:
//!     hidden_number: {when: call.anonymous, add: 20}
//!     sim_changed: {when: "sim_changed_days < 7", add: 40, blocks: [totp]}
//!   bands:
//!     low: 0
//!     high: {from: 40, needs: {basic: strong}}
//!     block: {from: 90, goto: fraud_desk}
//!   service: {call: fraud.score, give: {customer: customer.id}, timeout: 2s, default: 30}
//!   mode: observe
//! ```
//!
//! Conditions see the fields of the engine and the variables and results of the main flow. What is not known
//! adds no points: a condition that can't be told without it does not hold.

use std::sync::Arc;
use std::time::Duration;

use super::ast::{BlockId, FlowId};
use super::build::Build;
use super::fields::{self, Fields};
use super::findings::{Findings, suggestion};
use super::policy_file::factor_id;
use super::yaml::Node;
use crate::auth::{FactorId, LevelName, Policy};
use crate::diagnostic::{Diagnostic, Place};
use crate::flow::expr::{Expr, Field, Type};

/// How the risk of a call is told.
#[derive(Clone, Debug)]
pub struct Risk {
    /// What adds points.
    pub signals: Vec<Signal>,
    /// The bands, lowest first; the first begins at 0.
    pub bands: Vec<Band>,
    /// Who else is asked for points.
    pub service: Option<RiskService>,
    /// Only told, never acted on.
    pub observe: bool,
}

/// A band of points, and what follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Band {
    /// Its name.
    pub name: Arc<str>,
    /// How many points it begins at.
    pub from: u32,
    /// Levels, each with the higher one that is needed in its place.
    pub needs: Vec<(LevelName, LevelName)>,
    /// Factors that are not offered.
    pub blocks: Vec<FactorId>,
}

impl Band {
    /// A band that nothing follows from by itself.
    #[must_use]
    pub fn new(name: &str, from: u32) -> Self {
        Self { name: Arc::from(name), from, needs: Vec::new(), blocks: Vec::new() }
    }
}

/// A service that gives points.
#[derive(Clone, Debug)]
pub struct RiskService {
    /// Its name.
    pub service: String,
    /// The call.
    pub call: String,
    /// Its arguments.
    pub give: Vec<(String, Expr)>,
    /// The field of its reply that has the points.
    pub field: String,
    /// How long it may take.
    pub timeout: Duration,
    /// The points when it does not answer, or with none.
    pub default: u32,
}

/// Something that makes a call riskier.
#[derive(Clone, Debug)]
pub struct Signal {
    /// Its name, which is a reason that is told.
    pub name: Arc<str>,
    /// When it is there.
    pub when: Expr,
    /// How many points it adds.
    pub add: u32,
    /// Factors that prove nothing while it is there.
    pub blocks: Vec<FactorId>,
}

/// What a call's risk is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assessment {
    /// The points.
    pub score: u32,
    /// The band.
    pub band: Arc<str>,
    /// The names of the signals that are there, in the policy's order.
    pub reasons: Vec<Arc<str>>,
    /// Factors that are not to be offered.
    pub blocked: Vec<FactorId>,
    /// Levels, each with the higher one that is needed in its place.
    pub needs: Vec<(LevelName, LevelName)>,
}

impl Assessment {
    /// What is needed in the place of a level.
    #[must_use]
    pub fn needed(&self, level: &LevelName) -> LevelName {
        let raised = self.needs.iter().find(|(from, _)| from == level);
        raised.map_or_else(|| level.clone(), |(_, to)| to.clone())
    }

    /// What follows from it, in the words of the record.
    #[must_use]
    pub fn actions(&self) -> Vec<String> {
        let needs = self.needs.iter().map(|(from, to)| format!("{from} needs {to}"));
        needs.chain(self.blocked.iter().map(|factor| format!("no {factor}"))).collect()
    }
}

impl Risk {
    /// Adds up the signals that are there, `extra` ones among them, and what the service says: `told`, or
    /// `None` when it says nothing.
    pub fn assess<'s>(
        &'s self,
        extra: &'s [Signal],
        told: Option<u32>,
        there: impl Fn(&Signal) -> bool,
    ) -> Assessment {
        let found: Vec<&Signal> = self.signals.iter().chain(extra).filter(|signal| there(signal)).collect();
        let score = found.iter().fold(0_u32, |sum, signal| sum.saturating_add(signal.add));
        let asked = self.service.as_ref().map(|service| match told {
            Some(points) => ("service", points),
            None => ("service_silent", service.default),
        });
        let asked = asked.filter(|(_, points)| *points > 0);
        let score = score.saturating_add(asked.map_or(0, |(_, points)| points));
        let band = self.bands.iter().rev().find(|band| band.from <= score).or_else(|| self.bands.first());
        let mut blocked: Vec<FactorId> = found.iter().flat_map(|signal| signal.blocks.clone()).collect();
        blocked.extend(band.into_iter().flat_map(|band| band.blocks.clone()));
        blocked.sort_unstable();
        blocked.dedup();
        Assessment {
            score,
            band: band.map_or_else(|| Arc::from(""), |band| Arc::clone(&band.name)),
            reasons: found
                .iter()
                .map(|signal| Arc::clone(&signal.name))
                .chain(asked.map(|(name, _)| Arc::from(name)))
                .collect(),
            blocked,
            needs: band.map(|band| band.needs.clone()).unwrap_or_default(),
        }
    }

    /// As nothing is: what a flow sees while risk is only observed.
    #[must_use]
    pub fn calm(&self) -> Assessment {
        let first = self.bands.first().map(|band| Arc::clone(&band.name));
        Assessment {
            score: 0,
            band: first.unwrap_or_else(|| Arc::from("")),
            reasons: Vec::new(),
            blocked: Vec::new(),
            needs: Vec::new(),
        }
    }

    /// Whether some condition looks at one of these fields.
    #[must_use]
    pub fn looks_at(&self, extra: &[Signal], fields: &[Field]) -> bool {
        self.signals.iter().chain(extra).any(|signal| mentions(&signal.when, fields))
    }
}

fn mentions(expr: &Expr, fields: &[Field]) -> bool {
    match expr {
        Expr::Literal(_) | Expr::Var(_) => false,
        Expr::Field(field) => fields.contains(field),
        Expr::Not(one) | Expr::IsSet(one) | Expr::In { item: one, .. } | Expr::Filtered { item: one, .. } => {
            mentions(one, fields)
        }
        Expr::And(left, right)
        | Expr::Or(left, right)
        | Expr::Compare { left, right, .. }
        | Expr::Sum { left, right, .. } => mentions(left, fields) || mentions(right, fields),
    }
}

/// More points than any policy needs.
pub(crate) const MOST: u32 = 1_000;
/// The longest that a caller waits in silence for somebody's score.
const LONGEST_ASKING: Duration = Duration::from_secs(5);
/// The bands of a policy that names none.
const USUAL: [(&str, u32); 3] = [("low", 0), ("high", 40), ("block", 90)];

/// The bands; told apart from the signals, because expressions name them.
pub(crate) fn bands(node: Option<&Node>, findings: &mut Findings) -> Vec<(Arc<str>, u32)> {
    let written = node.and_then(|node| node.get("bands"));
    let fields = written.and_then(|node| Fields::of(node, "`bands`", findings));
    let mut out: Vec<(Arc<str>, u32)> = Vec::new();
    for (key, value) in fields.map(|fields| fields.pairs).unwrap_or_default() {
        let name = fields::name(key, "a band", findings);
        let points = match value.mapping() {
            None => Some(value),
            Some(_) => Fields::of(value, "a band", findings).and_then(|band| {
                band.only(&["from", "needs", "blocks", "goto"], "a band", findings);
                band.need("from", "a band", findings)
            }),
        };
        let from = points.and_then(|node| fields::count(node, "the points of a band", 0..=MOST, findings));
        let (Some(name), Some(from)) = (name, from) else { continue };
        let rises = out.last().map_or(from == 0, |(_, before)| *before < from);
        if !rises {
            let message = format!("the band `{name}` begins at {from}");
            let help = "the first band begins at 0, and each at more than the one before: `{low: 0, high: 40, block: 90}`";
            findings.push(Diagnostic::error("E285", Some(value.place.clone()), message).help(help));
        }
        out.push((Arc::from(name), from));
    }
    if out.is_empty() {
        out.extend(USUAL.map(|(name, from)| (Arc::from(name), from)));
    }
    out
}

/// Levels that a band raises: which, to which, and where it says so.
pub(crate) fn raises(
    node: Option<&Node>,
    policy: &Policy,
    findings: &mut Findings,
) -> Vec<(LevelName, LevelName, Arc<str>)> {
    let mut out = Vec::new();
    let bands = node.and_then(|node| node.get("bands")?.mapping()).into_iter().flatten();
    for (key, band) in bands {
        let needs = band.get("needs").and_then(|node| Fields::of(node, "`needs`", findings));
        for (low, high) in needs.map(|fields| fields.pairs).unwrap_or_default() {
            let (from, to) = (LevelName::from(low.text()), LevelName::from(high.text()));
            let unknown =
                [(&from, low), (&to, high)].into_iter().find(|(name, _)| policy.rank(name).is_none());
            if let Some((name, node)) = unknown {
                let levels: Vec<&str> = policy.levels.iter().map(|level| level.name.as_str()).collect();
                let help = suggestion(name.as_str(), levels, "levels");
                let message = format!("the policy has no level `{name}`");
                findings.push(Diagnostic::error("E280", Some(node.place.clone()), message).help(help));
            } else if policy.rank(&to) <= policy.rank(&from) {
                let message = format!("`{to}` is not higher than `{from}`: a band can only ask for more");
                let help = "name a higher level: `needs: {basic: strong}`";
                findings.push(Diagnostic::error("E285", Some(high.place.clone()), message).help(help));
            } else {
                out.push((from, to, Arc::from(key.text())));
            }
        }
    }
    out
}

/// Where a band leads to: its name and the block's.
type Route<'n> = (Arc<str>, &'n Node);

fn routes(node: &Node) -> Vec<Route<'_>> {
    let bands = node.get("bands").and_then(Node::mapping).into_iter().flatten();
    bands.filter_map(|(key, band)| Some((Arc::from(key.text()), band.get("goto")?))).collect()
}

impl<'n> Build<'_, 'n> {
    /// The policy's part on risk, in the scope of the main flow.
    pub(crate) fn risk(&mut self, node: &Node) -> Option<Risk> {
        let fields = Fields::of(node, "`risk`", self.findings)?;
        fields.only(&["signals", "bands", "service", "mode"], "`risk`", self.findings);
        let signals = fields.need("signals", "`risk`", self.findings)?;
        let signals = self.signals(signals);
        let names = [("enforce", false), ("observe", true)];
        let observe = fields.get("mode").and_then(|node| fields::choice(node, "mode", &names, self.findings));
        let service = match fields.get("service") {
            Some(node) => Some(self.risk_service(node)?),
            None => None,
        };
        let bands = self.shared.bands.iter().map(|(name, from)| Band {
            needs: self.shared.raises_in(name),
            blocks: Vec::new(),
            ..Band::new(name, *from)
        });
        let mut bands: Vec<Band> = bands.collect();
        for band in &mut bands {
            let blocked = node.get("bands").and_then(|node| node.get(&band.name)?.get("blocks"));
            for node in blocked.map(fields::items).unwrap_or_default() {
                band.blocks.extend(factor_id(node, self.findings));
            }
        }
        Some(Risk { signals, bands, service, observe: observe.unwrap_or(false) })
    }

    /// The blocks that bands lead to. They stand in the main flow.
    pub(crate) fn risk_routes(&mut self, place: &Place) -> Vec<(Arc<str>, BlockId)> {
        let shared = self.shared;
        let written = shared.risk.as_ref().map(routes).unwrap_or_default();
        let mut out = Vec::new();
        for (band, node) in written {
            if self.flow == FlowId::MAIN {
                out.extend(self.block(node).map(|block| (band, block)));
            } else {
                let message =
                    format!("the band `{band}` leads to a block of the main flow, and this is a sub-flow");
                let help = "assess the risk in the main flow, or have the flow `decide` on `risk.band`";
                self.error("E120", place, message, help);
            }
        }
        out
    }

    /// `{call: fraud.score, give: {…}, field: score, timeout: 2s, default: 30}`
    fn risk_service(&mut self, node: &Node) -> Option<RiskService> {
        let fields = Fields::of(node, "`service`", self.findings)?;
        let known = ["call", "give", "field", "timeout", "default"];
        fields.only(&known, "`service` of `risk`", self.findings);
        let named = fields.need("call", "`service`", self.findings)?;
        let (service, call) = self.service_call(named)?;
        if call.level.is_some() || call.writes {
            let message = format!(
                "`{}` is protected or changes something, and risk is asked about everybody",
                call.name
            );
            self.error("E250", &named.place, message, "give it a call that reads and has no `level`");
            return None;
        }
        let field = fields.get("field").map_or("score", Node::text).to_owned();
        match call.reply.iter().find(|reply| reply.name == field) {
            Some(reply) if reply.ty == Type::Number => {}
            _ if !call.sound => return None,
            _ => {
                let message = format!("the reply of `{}` has no number `{field}`", call.name);
                let help =
                    format!("add `{field}: {{class: public, type: number}}` to its `reply` in services.yaml");
                self.error("E252", &named.place, message, help);
                return None;
            }
        }
        let give = self.give(call, fields.get("give"), &named.place)?;
        let timeout = match fields.get("timeout") {
            Some(node) => fields::duration(node, "timeout", self.findings)?,
            None => Duration::from_secs(2),
        };
        if timeout > LONGEST_ASKING {
            let message = "callers hear nothing while the risk is asked for";
            self.error("E115", &node.place, message, "wait 5 s at most: `timeout: 2s`");
        }
        let default = fields.need("default", "`service` of `risk`", self.findings)?;
        let default = fields::count(default, "default", 0..=MOST, self.findings)?;
        let (service, call) = (service.name.clone(), call.name.clone());
        Some(RiskService { service, call, give, field, timeout, default })
    }

    /// `{name: {when: condition, add: points, blocks: [factor]}}`
    pub(crate) fn signals(&mut self, node: &Node) -> Vec<Signal> {
        let fields = Fields::of(node, "`signals`", self.findings);
        let pairs = fields.map(|fields| fields.pairs).unwrap_or_default();
        pairs.into_iter().filter_map(|(key, value)| self.signal(key, value)).collect()
    }

    fn signal(&mut self, key: &Node, value: &Node) -> Option<Signal> {
        let name = fields::name(key, "a signal", self.findings)?;
        let fields = Fields::of(value, "a signal", self.findings)?;
        fields.only(&["when", "add", "blocks"], "a signal", self.findings);
        let when = fields.need("when", "a signal", self.findings);
        let when = when.and_then(|node| self.condition(node));
        let add = match fields.get("add") {
            Some(node) => fields::count(node, "add", 0..=MOST, self.findings),
            None => Some(0),
        };
        let mut blocks = Vec::new();
        for node in fields.get("blocks").map(fields::items).unwrap_or_default() {
            blocks.push(factor_id(node, self.findings)?);
        }
        let (when, add) = (when?, add?);
        if add == 0 && blocks.is_empty() {
            let help = "add `add: 20`, or `blocks: [totp]`";
            self.error("E114", &value.place, "this signal changes nothing", help);
            return None;
        }
        Some(Signal { name: Arc::from(name), when, add, blocks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::expr::Literal;

    fn signal(name: &str, add: u32, blocks: &[FactorId]) -> Signal {
        let when = Expr::Literal(Literal::Flag(true));
        Signal { name: Arc::from(name), when, add, blocks: blocks.to_vec() }
    }

    #[test]
    fn points_add_up_and_fall_into_a_band() {
        let signals =
            vec![signal("hidden", 20, &[]), signal("sim", 40, &[FactorId::Totp]), signal("odd", 30, &[])];
        let bands = USUAL.map(|(name, from)| Band::new(name, from)).to_vec();
        let mut risk = Risk { signals, bands, service: None, observe: false };
        let cases: [(&[&str], u32, &str); 5] = [
            (&[], 0, "low"),
            (&["hidden"], 20, "low"),
            (&["sim"], 40, "high"),
            (&["hidden", "odd"], 50, "high"),
            (&["hidden", "sim", "odd"], 90, "block"),
        ];
        for (there, score, band) in cases {
            let found = risk.assess(&[], None, |signal| there.contains(&&*signal.name));
            assert_eq!((found.score, &*found.band), (score, band), "{there:?}");
            assert_eq!(found.reasons.iter().map(|name| &**name).collect::<Vec<_>>(), there);
            assert_eq!(found.blocked.contains(&FactorId::Totp), there.contains(&"sim"));
        }
        let extra = [signal("late", 100, &[FactorId::Totp, FactorId::Totp])];
        let found = risk.assess(&extra, None, |signal| &*signal.name == "late");
        assert_eq!((found.score, &*found.band, found.blocked.len()), (100, "block", 1));
        let (call, field) = ("score".to_owned(), "score".to_owned());
        let (give, timeout) = (Vec::new(), Duration::from_secs(2));
        risk.service = Some(RiskService { service: "fraud".into(), call, give, field, timeout, default: 45 });
        risk.bands[1].needs = vec![("basic".into(), "strong".into())];
        for (told, score, reason, needed) in
            [(None, 45, "service_silent", "strong"), (Some(7), 7, "service", "basic")]
        {
            let found = risk.assess(&[], told, |_| false);
            assert_eq!((found.score, &*found.reasons[0]), (score, reason));
            assert_eq!(found.needed(&"basic".into()), needed.into());
        }
    }
}
