//! The threads without which callers would hear silence, for whoever watches over them.

use super::Deployment;
use crate::driver::house;
use crate::driver::pulse::Heart;
use crate::driver::shard::Mail;

impl Deployment {
    /// Every shard, the house and the SIP edge.
    #[must_use]
    pub fn hearts(&self) -> Vec<Heart> {
        let shards = self.mailboxes.iter().cloned();
        let shards = shards.map(|mailbox| Heart::new(move |pulse| mailbox.send(Mail::Pulse(pulse)).is_ok()));
        let (house, edge) = (self.house.clone(), self.edge.clone());
        let house = Heart::new(move |pulse| house.try_send(house::Mail::Pulse(pulse)).is_ok());
        shards.chain([house, Heart::new(move |pulse| edge.feel(pulse))]).collect()
    }
}
