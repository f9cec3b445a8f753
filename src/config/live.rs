//! The settings in force, which a reload swaps while requests are served.

use std::ops::Deref;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use super::admin::AdminSettings;
use super::load::Values;
use super::login::LoginSettings;
use super::ops::OpsSettings;
use super::proxy::ProxySettings;
use super::settings::Settings;
use super::store::StoreSettings;

/// The settings in force. All who hold a copy see the same; whoever goes by several of them reads them once, so that nothing is done half
/// by the old ones and half by the new.
#[derive(Clone, Debug)]
pub struct LiveSettings {
    settings: Arc<ArcSwap<Settings>>,
    /// How they were written, as far as that was told.
    values: Arc<ArcSwap<Values>>,
}

impl LiveSettings {
    /// Begins with these.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings: Arc::new(ArcSwap::from_pointee(settings)), values: Arc::default() }
    }

    /// Those in force now.
    #[must_use]
    pub fn now(&self) -> impl Deref<Target = Arc<Settings>> + use<> {
        let guard: Guard<Arc<Settings>> = self.settings.load();
        guard
    }

    /// How they were written, key by key; nothing if nobody has told.
    #[must_use]
    pub fn values(&self) -> Arc<Values> {
        self.values.load_full()
    }

    /// Tells how they were written.
    pub fn tell(&self, values: Values) {
        self.values.store(Arc::new(values));
    }

    /// Puts others in force.
    pub fn replace(&self, settings: Arc<Settings>) {
        self.settings.store(settings);
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
