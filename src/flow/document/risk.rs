//! `risk:` of a policy: signals that add points, and the bands that points fall into.
//!
//! ```yaml
//! risk:
//!   signals:
//!     hidden_number: {when: call.anonymous, add: 20}
//!     sim_changed: {when: "sim_changed_days < 7", add: 40, blocks: [totp]}
//!   bands: {low: 0, high: 40, block: 90}
//! ```
//!
//! Conditions see the fields of the engine and the variables and results of the main flow. What is not known
//! adds no points: a condition that can't be told without it does not hold.

use std::sync::Arc;

use super::build::Build;
use super::fields::{self, Fields};
use super::findings::Findings;
use super::policy_file::factor_id;
use super::yaml::Node;
use crate::auth::FactorId;
use crate::diagnostic::Diagnostic;
use crate::flow::expr::Expr;

/// How the risk of a call is told.
#[derive(Clone, Debug)]
pub struct Risk {
    /// What adds points.
    pub signals: Vec<Signal>,
    /// The bands, lowest first: a name, and how many points it begins at; the first begins at 0.
    pub bands: Vec<(Arc<str>, u32)>,
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
}

impl Risk {
    /// Adds up the signals that are there, `extra` ones among them.
    pub fn assess<'s>(&'s self, extra: &'s [Signal], there: impl Fn(&Signal) -> bool) -> Assessment {
        let found: Vec<&Signal> = self.signals.iter().chain(extra).filter(|signal| there(signal)).collect();
        let score = found.iter().fold(0_u32, |sum, signal| sum.saturating_add(signal.add));
        let band = self.bands.iter().rev().find(|(_, from)| *from <= score).or_else(|| self.bands.first());
        let mut blocked: Vec<FactorId> = found.iter().flat_map(|signal| signal.blocks.clone()).collect();
        blocked.sort_unstable();
        blocked.dedup();
        Assessment {
            score,
            band: band.map_or_else(|| Arc::from(""), |(name, _)| Arc::clone(name)),
            reasons: found.iter().map(|signal| Arc::clone(&signal.name)).collect(),
            blocked,
        }
    }
}

/// More points than any policy needs.
const MOST: u32 = 1_000;
/// The bands of a policy that names none.
const USUAL: [(&str, u32); 3] = [("low", 0), ("high", 40), ("block", 90)];

/// The bands; told apart from the signals, because expressions name them.
pub(crate) fn bands(node: Option<&Node>, findings: &mut Findings) -> Vec<(Arc<str>, u32)> {
    let written = node.and_then(|node| node.get("bands"));
    let fields = written.and_then(|node| Fields::of(node, "`bands`", findings));
    let mut out: Vec<(Arc<str>, u32)> = Vec::new();
    for (key, value) in fields.map(|fields| fields.pairs).unwrap_or_default() {
        let name = fields::name(key, "a band", findings);
        let from = fields::count(value, "the points of a band", 0..=MOST, findings);
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

impl<'n> Build<'_, 'n> {
    /// The policy's part on risk, in the scope of the main flow.
    pub(crate) fn risk(&mut self, node: &Node) -> Option<Risk> {
        let fields = Fields::of(node, "`risk`", self.findings)?;
        fields.only(&["signals", "bands"], "`risk`", self.findings);
        let signals = fields.need("signals", "`risk`", self.findings)?;
        let signals = self.signals(signals);
        Some(Risk { signals, bands: self.shared.bands.clone() })
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
        let risk = Risk { signals, bands: USUAL.map(|(name, from)| (Arc::from(name), from)).to_vec() };
        let cases: [(&[&str], u32, &str); 5] = [
            (&[], 0, "low"),
            (&["hidden"], 20, "low"),
            (&["sim"], 40, "high"),
            (&["hidden", "odd"], 50, "high"),
            (&["hidden", "sim", "odd"], 90, "block"),
        ];
        for (there, score, band) in cases {
            let found = risk.assess(&[], |signal| there.contains(&&*signal.name));
            assert_eq!((found.score, &*found.band), (score, band), "{there:?}");
            assert_eq!(found.reasons.iter().map(|name| &**name).collect::<Vec<_>>(), there);
            assert_eq!(found.blocked.contains(&FactorId::Totp), there.contains(&"sim"));
        }
        let extra = [signal("late", 100, &[FactorId::Totp, FactorId::Totp])];
        let found = risk.assess(&extra, |signal| &*signal.name == "late");
        assert_eq!((found.score, &*found.band, found.blocked.len()), (100, "block", 1));
    }
}
