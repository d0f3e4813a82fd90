//! The service to consume from: the instance named by the environment, or an
//! emulator inside this program.

use std::env;
use std::error::Error;

use tablestore_emulator::Emulator;
use tablestore_tunnel::Credentials;

/// The address of the service and the credentials. Go samples: `testConfig`.
pub(crate) struct Service {
    pub(crate) endpoint: String,
    pub(crate) instance: String,
    pub(crate) credentials: Credentials,
    /// `None` on a real instance.
    pub(crate) emulator: Option<Emulator>,
}

impl Service {
    /// Reads `OTS_ENDPOINT`, `OTS_INSTANCE`, `OTS_ACCESS_KEY_ID`,
    /// `OTS_ACCESS_KEY_SECRET` and `OTS_STS_TOKEN`. Starts an emulator if
    /// `OTS_ENDPOINT` is not set.
    pub(crate) fn from_env() -> Result<Service, Box<dyn Error>> {
        let Ok(endpoint) = env::var("OTS_ENDPOINT") else {
            return Service::emulated();
        };
        Ok(Service {
            endpoint,
            instance: env::var("OTS_INSTANCE").map_err(|_| "OTS_INSTANCE is not set")?,
            credentials: Credentials::from_env()?,
            emulator: None,
        })
    }

    fn emulated() -> Result<Service, Box<dyn Error>> {
        let builder = Emulator::builder().batch_rows(500).base_split_rows(2500);
        let emulator = builder.start()?;
        eprintln!("an emulator serves at {}", emulator.endpoint());
        Ok(Service {
            endpoint: emulator.endpoint().to_owned(),
            instance: emulator.instance().to_owned(),
            credentials: Credentials::new(emulator.access_key_id(), emulator.access_key_secret()),
            emulator: Some(emulator),
        })
    }
}
