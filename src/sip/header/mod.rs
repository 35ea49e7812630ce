//! Headers with a grammar of their own.

mod contact;
mod cseq;
mod diversion;
mod media_type;
mod name_addr;
mod params;
mod rack;
mod user_to_user;
mod via;

pub use contact::Contacts;
pub use cseq::CSeq;
pub use diversion::Diversions;
pub use media_type::MediaType;
pub use name_addr::NameAddr;
pub use params::Params;
pub use rack::Rack;
pub use user_to_user::UserToUser;
pub use via::Via;
