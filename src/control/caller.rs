//! Who manages.

use std::net::IpAddr;
use std::sync::Arc;

use crate::model::{Actor, Cause, KeyDigest, KeyId, KeyRecord, Once, OperatorName};

/// Somebody who wants something of the control plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Claviger itself.
    System,
    /// Somebody with the store itself in their hands, who could as well write into its file: they may everything.
    Operator(OperatorName),
    /// A key that was presented and worked at that moment. What it may is read anew each time.
    Key {
        /// Which.
        id: KeyId,
        /// What was presented: its secret may have ended since.
        digest: KeyDigest,
    },
}

/// Who asks, from where, in which request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Who.
    pub caller: Caller,
    /// Their key as it was when it was presented, for what is decided at that very moment; `None`: it is to be read.
    pub key: Option<Arc<KeyRecord>>,
    /// From where, if they came over the network.
    pub remote_ip: Option<IpAddr>,
    /// In which request, if it was one.
    pub request_id: Option<Box<str>>,
    /// What they call it, if it is to be made once.
    pub once: Option<Once>,
}

impl Asked {
    /// At this machine, with the store in their hands.
    #[must_use]
    pub fn by_operator(name: OperatorName) -> Self {
        Self { caller: Caller::Operator(name), key: None, remote_ip: None, request_id: None, once: None }
    }

    /// By Claviger itself.
    #[must_use]
    pub fn by_system() -> Self {
        Self { caller: Caller::System, key: None, remote_ip: None, request_id: None, once: None }
    }

    /// Whether it is this key that asks.
    #[must_use]
    pub fn is_by(&self, key: KeyId) -> bool {
        match &self.caller {
            Caller::Key { id, .. } => *id == key,
            Caller::System | Caller::Operator(_) => false,
        }
    }

    /// What the audit keeps of it.
    #[must_use]
    pub fn cause(&self) -> Cause {
        let actor = match &self.caller {
            Caller::System => Actor::System,
            Caller::Operator(name) => Actor::Operator(name.clone()),
            Caller::Key { id, .. } => Actor::Key(*id),
        };
        Cause { actor, remote_ip: self.remote_ip, request_id: self.request_id.clone(), once: self.once.clone() }
    }
}
