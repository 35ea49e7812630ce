//! Headers with a grammar of their own.

mod contact;
mod cseq;
mod media_type;
mod name_addr;
mod params;
mod rack;
mod via;

pub use contact::Contacts;
pub use cseq::CSeq;
pub use media_type::MediaType;
pub use name_addr::NameAddr;
pub use params::Params;
pub use rack::Rack;
pub use via::Via;
