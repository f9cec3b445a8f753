//! The nouns of access control and the pure rules between them.
//!
//! Nothing here does I/O, asks a clock or awaits: time, randomness and rows come in as arguments. That is what lets the whole
//! decision procedure be checked against a naive oracle.

mod action;
mod api_key;
mod audit;
mod binding;
mod chain;
mod client_certificate;
mod decision;
mod entry_hash;
mod feed;
mod grant;
mod hexadecimal;
mod id;
mod mutation;
mod once;
mod outcome;
mod particulars;
mod past;
mod path_template;
mod policy;
mod replica;
mod resource;
mod rights;
mod role;
mod sample;
mod session;
mod snapshot;
mod space;

pub use action::{Action, ActionPattern};
pub use api_key::{IMPORTED_KEY_MAX, KEY_LENGTH, KEY_PREFIX, KeyDigest, KeyRecord, KeyState, PlainKey, SecretRecord};
pub use audit::{AuditEntry, AuditId, AuditNote};
pub use binding::{Binding, KeyBinding, Subject};
pub use client_certificate::{AlternativeNames, CertificateFingerprint, ClientCertificate};
pub use decision::{AdmitWithoutRoles, Decision, Ignored, IgnoredReason, SystemRoleClaim, Verdict};
pub use entry_hash::EntryHash;
pub use feed::{
    FEED_CHANGES_MAX, FEED_FORMAT, FEED_REPORTED_MAX, FeedChange, FeedChanges, FeedContent, FeedFault, FeedFound, FeedKey, FeedReach,
    FeedSnapshot, check_format,
};
pub use grant::{Grant, Grants, RolesBySpace, Via};
pub use id::{BindingId, GroupName, Invalid, KeyId, KeyName, OperatorName, PolicyName, ReplicaName, Revision, RoleId, SpaceId};
pub use mutation::{Actor, Cause, Change, Changes, Expiry, Mutation, NewKey, Reach};
pub use once::{DoneOnce, Once};
pub use outcome::{MissingAction, Outcome, RateLimit, Refusal, TokenSize, TooLarge, WhyInvalid, WhyUnavailable};
pub use past::{Irreversible, Past};
pub use path_template::{PathTemplate, Specificity, TemplateFault, TemplateSegment};
pub use policy::{LoginPolicy, RegoVersion, Strategy};
pub use replica::{REPLICA_LIVE_FOR, Replica, ReplicaReport, Replicas};
pub use resource::{Resource, ResourceKind};
pub use rights::Rights;
pub use role::{Role, SystemRole};
pub use sample::{KeptSample, Sample, SampleId, SampledAnswer, SampledDecision, SampledKey, SampledRole, SampledVerdict};
pub use session::{ConsoleSession, SessionDigest};
pub use snapshot::{Group, Snapshot};
pub use space::{Space, SpaceFault, SpaceTree};
