//! The settings in force, which a reload swaps while requests are served.

use std::ops::Deref;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use super::admin::AdminSettings;
use super::login::LoginSettings;
use super::ops::OpsSettings;
use super::proxy::ProxySettings;
use super::settings::Settings;
use super::store::StoreSettings;

/// The settings in force. All who hold a copy see the same; whoever goes by several of them reads them once, so that nothing is done half
/// by the old ones and half by the new.
#[derive(Clone, Debug)]
pub struct LiveSettings(Arc<ArcSwap<Settings>>);

impl LiveSettings {
    /// Begins with these.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(settings)))
    }

    /// Those in force now.
    #[must_use]
    pub fn now(&self) -> impl Deref<Target = Arc<Settings>> + use<> {
        let guard: Guard<Arc<Settings>> = self.0.load();
        guard
    }

    /// Puts others in force.
    pub fn replace(&self, settings: Arc<Settings>) {
        self.0.store(settings);
    }
}

impl From<&Settings> for LiveSettings {
    fn from(settings: &Settings) -> Self {
        Self::new(settings.clone())
    }
}

impl Settings {
    /// These, with the values of `started` where another one counts with the next start alone.
    #[must_use]
    pub fn with_start_of(self, started: &Self) -> Self {
        Self {
            proxy: ProxySettings { listen: started.proxy.listen, threads: started.proxy.threads, ..self.proxy },
            store: StoreSettings {
                url: started.store.url.clone(),
                key_file: started.store.key_file.clone(),
                ca: started.store.ca.clone(),
                password_file: started.store.password_file.clone(),
                connections: started.store.connections,
                insecure: started.store.insecure,
                ..self.store
            },
            login: LoginSettings { strategy: started.login.strategy, ..self.login },
            admin: AdminSettings { listen: started.admin.listen, insecure: started.admin.insecure, ..self.admin },
            ops: OpsSettings { listen: started.ops.listen, ..self.ops },
            ..self
        }
    }
}
