//! Where SIP is listened for, and to whom.

use super::{ServeSettings, StartError};
use crate::driver::config::{Config, TrunkConfig};
use crate::driver::edge::{EdgeError, Listeners, Secure};
use crate::sip::AccessList;

/// The SIP addresses.
pub(super) fn bind(settings: &ServeSettings, config: &Config) -> Result<Listeners, StartError> {
    let mut listeners = Listeners::bind(settings.sip, &settings.passed)?;
    if let Some(tls) = &config.sip.tls {
        let names = config.trunks.iter().flat_map(TrunkConfig::certificate_names);
        let secure = Secure::read(&settings.data, tls, names).map_err(EdgeError::from)?;
        listeners = listeners.with_tls(tls.listen, secure, &settings.passed)?;
    }
    if let Some(websocket) = &config.sip.websocket {
        listeners = listeners.with_websockets(websocket, &settings.passed)?;
    }
    Ok(listeners)
}

/// Who may send what, as the settings say it.
pub(super) struct Access {
    pub(super) trunks: AccessList,
    pub(super) phones: AccessList,
}

impl Access {
    pub(super) fn read(settings: &ServeSettings, config: &Config) -> Result<Self, StartError> {
        let path = settings.data.join(Config::FILE);
        let wrong = |source| StartError::Access { path: path.clone(), source };
        let trunks = config.trunks.iter().map(|trunk| (trunk.name.as_str(), trunk.addresses.as_slice()));
        Ok(Self {
            trunks: AccessList::parse(trunks).map_err(wrong)?,
            phones: AccessList::parse([("phones", config.phones.from.as_slice())]).map_err(wrong)?,
        })
    }
}
