//! What an agent's telephone is tried at: who calls and presses 2 gets the agent, who may put them through.

use super::carrier::SWITCH;
use super::sipp::{AGENT_ANSWER, AWAIT_BYE, Sipp};
use super::site::{Site, free_port};
use super::{agents, by_stream};

/// A deployment with one agent, `ana`, whose telephone is to register.
pub(crate) struct Desk {
    pub(crate) site: Site,
    /// The port of the telephone that she may put callers through to.
    sales: u16,
}

impl Desk {
    /// Opens one with more for phones, and with more lines of settings.
    pub(crate) fn open(name: &str, phones: &str, more: &str) -> Self {
        let sales = free_port();
        let more = format!(
            "{more}transfers: {{desk: \"sip:desk@127.0.0.1:9\", sales: \"sip:sales@127.0.0.1:{sales}\"}}\n"
        );
        let phones = format!("{phones}, transfer_to: [sales]");
        let ana = agents(&[("ana", None)]);
        Self { site: Site::switching(SWITCH, ["", &phones], &more, name, free_port(), &ana), sales }
    }

    /// Somebody who wants the agent and presses these keys then, each after so many milliseconds.
    pub(crate) fn caller(&self, name: &str, media: u16, keys: &[(u64, &str)], end: &str) -> Sipp {
        let keys = keys.iter().map(|(wait, keys)| (*wait, (*keys).to_owned()));
        let plan: Vec<(u64, String)> = std::iter::once((1500, "2".to_owned())).chain(keys).collect();
        let scenario = by_stream(&self.site, name, &plan, end);
        Sipp::call(&self.site, name, (free_port(), media), "u1", &scenario)
    }

    /// The telephone that callers are put through to.
    pub(crate) fn sales(&self, media: u16) -> Sipp {
        Sipp::agent(&self.site, "sales", (self.sales, media), &(AGENT_ANSWER.to_owned() + AWAIT_BYE))
    }

    /// How the agent names it.
    pub(crate) fn sales_uri(&self) -> String {
        format!("sip:sales@{}", self.site.address())
    }
}
