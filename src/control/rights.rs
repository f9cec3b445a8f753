//! Who may manage what: the one table.

use std::fmt;

use crate::model::AuditNote;

/// Something that a caller may be let do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    /// See oneself: key, grants, rights.
    ViewSelf,
    /// Take oneself back for good: what a key that has leaked can always do.
    RevokeSelf,
    /// Give oneself a new secret.
    RotateSelf,
    ViewKeys,
    CreateKey,
    ImportKey,
    UpdateKey,
    RotateKey,
    DisableKey,
    EnableKey,
    RevokeKey,
    ViewSpaces,
    CreateSpace,
    UpdateSpace,
    MoveSpace,
    DeleteSpace,
    ViewRoles,
    CreateRole,
    UpdateRole,
    DeleteRole,
    ViewGroups,
    CreateGroup,
    UpdateGroup,
    DeleteGroup,
    ViewBindings,
    Bind,
    Unbind,
    ViewPolicies,
    CreatePolicy,
    UpdatePolicy,
    DeletePolicy,
    /// Have a policy checked, or asked, that is not in force.
    TryPolicy,
    ViewStrategy,
    SetStrategy,
    ViewSamples,
    ClearSamples,
    /// See what is declared in files, and declare it.
    Declare,
    /// See what would be decided for any key, from anywhere, at any time, and why.
    Explain,
    ViewAudit,
    /// See which processes serve, and whether a change is in force in each.
    ViewReplicas,
    ViewSigningKeys,
    ChangeSigningKeys,
    /// Read everything but the keys, and what changes, and tell of oneself: for sidecars, as all that follows.
    ReadFeed,
    /// Have the key of a digest, which whoever asks has to know.
    LookUpKey,
    /// Tell which keys were used, and hand in samples.
    ReportUse,
}

/// What it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// A key that works.
    Key,
    /// A role, in any space, that allows `key:rotate-self`, and the key's current secret.
    RotateSelf,
    /// `space-admin` in some space.
    AnyAdmin,
    /// `space-admin` in the space that it is about, or above it. What is moved has two: where it leaves, and where it goes.
    AdminThere,
    /// `space-admin` in `root`.
    RootAdmin,
    /// `replica` in `root`; nothing else gives it.
    Replica,
}

/// What each operation takes. Whoever has the store itself in their hands, and Claviger itself, may everything.
pub const RIGHTS: [(Operation, Needs); 45] = [
    (Operation::ViewSelf, Needs::Key),
    (Operation::RevokeSelf, Needs::Key),
    (Operation::RotateSelf, Needs::RotateSelf),
    (Operation::ViewKeys, Needs::AnyAdmin),
    (Operation::CreateKey, Needs::RootAdmin),
    (Operation::ImportKey, Needs::RootAdmin),
    (Operation::UpdateKey, Needs::RootAdmin),
    (Operation::RotateKey, Needs::RootAdmin),
    (Operation::DisableKey, Needs::RootAdmin),
    (Operation::EnableKey, Needs::RootAdmin),
    (Operation::RevokeKey, Needs::RootAdmin),
    (Operation::ViewSpaces, Needs::AnyAdmin),
    (Operation::CreateSpace, Needs::AdminThere),
    (Operation::UpdateSpace, Needs::AdminThere),
    (Operation::MoveSpace, Needs::AdminThere),
    (Operation::DeleteSpace, Needs::AdminThere),
    (Operation::ViewRoles, Needs::AnyAdmin),
    (Operation::CreateRole, Needs::RootAdmin),
    (Operation::UpdateRole, Needs::RootAdmin),
    (Operation::DeleteRole, Needs::RootAdmin),
    (Operation::ViewGroups, Needs::AnyAdmin),
    (Operation::CreateGroup, Needs::RootAdmin),
    (Operation::UpdateGroup, Needs::RootAdmin),
    (Operation::DeleteGroup, Needs::RootAdmin),
    (Operation::ViewBindings, Needs::AnyAdmin),
    (Operation::Bind, Needs::AdminThere),
    (Operation::Unbind, Needs::AdminThere),
    (Operation::ViewPolicies, Needs::RootAdmin),
    (Operation::CreatePolicy, Needs::RootAdmin),
    (Operation::UpdatePolicy, Needs::RootAdmin),
    (Operation::DeletePolicy, Needs::RootAdmin),
    (Operation::TryPolicy, Needs::RootAdmin),
    (Operation::ViewStrategy, Needs::RootAdmin),
    (Operation::SetStrategy, Needs::RootAdmin),
    (Operation::ViewSamples, Needs::RootAdmin),
    (Operation::ClearSamples, Needs::RootAdmin),
    (Operation::Declare, Needs::RootAdmin),
    (Operation::Explain, Needs::RootAdmin),
    (Operation::ViewAudit, Needs::RootAdmin),
    (Operation::ViewReplicas, Needs::AnyAdmin),
    (Operation::ViewSigningKeys, Needs::RootAdmin),
    (Operation::ChangeSigningKeys, Needs::RootAdmin),
    (Operation::ReadFeed, Needs::Replica),
    (Operation::LookUpKey, Needs::Replica),
    (Operation::ReportUse, Needs::Replica),
];

impl Operation {
    /// What it takes.
    #[must_use]
    pub fn needs(self) -> Needs {
        // What is missing in the table is nobody's; a test holds that nothing is.
        RIGHTS.iter().find(|(operation, _)| *operation == self).map_or(Needs::RootAdmin, |(_, needs)| *needs)
    }
}

impl Operation {
    /// What the audit calls a change of this kind; `None`: it changes nothing, or is told of otherwise.
    #[must_use]
    pub fn action(self) -> Option<&'static str> {
        Some(match self {
            Self::CreateKey => "key.create",
            Self::ImportKey => "key.import",
            Self::UpdateKey => "key.update",
            Self::RotateKey | Self::RotateSelf => "key.rotate",
            Self::DisableKey => "key.disable",
            Self::EnableKey => "key.enable",
            Self::RevokeKey | Self::RevokeSelf => "key.revoke",
            Self::CreateSpace => "space.create",
            Self::UpdateSpace | Self::MoveSpace => "space.update",
            Self::DeleteSpace => "space.delete",
            Self::CreateRole => "role.create",
            Self::UpdateRole => "role.update",
            Self::DeleteRole => "role.delete",
            Self::CreateGroup => "group.create",
            Self::UpdateGroup => "group.update",
            Self::DeleteGroup => "group.delete",
            Self::Bind => "binding.create",
            Self::Unbind => "binding.delete",
            Self::CreatePolicy => "policy.create",
            Self::UpdatePolicy => "policy.update",
            Self::DeletePolicy => "policy.delete",
            Self::SetStrategy => "strategy.set",
            Self::ClearSamples => AuditNote::SAMPLES_CLEARED,
            Self::ViewSelf
            | Self::ViewKeys
            | Self::ViewSpaces
            | Self::ViewRoles
            | Self::ViewGroups
            | Self::ViewBindings
            | Self::ViewPolicies
            | Self::TryPolicy
            | Self::ViewStrategy
            | Self::ViewSamples
            | Self::Declare
            | Self::Explain
            | Self::ViewAudit
            | Self::ViewReplicas
            | Self::ViewSigningKeys
            | Self::ChangeSigningKeys
            | Self::ReadFeed
            | Self::LookUpKey
            | Self::ReportUse => return None,
        })
    }
}

/// What is done, for a sentence: `create keys`.
impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ViewSelf => "see themself",
            Self::RevokeSelf => "revoke themself",
            Self::RotateSelf => "rotate themself",
            Self::ViewKeys => "see keys",
            Self::CreateKey => "create keys",
            Self::ImportKey => "import keys",
            Self::UpdateKey => "change keys",
            Self::RotateKey => "rotate keys",
            Self::DisableKey => "disable keys",
            Self::EnableKey => "enable keys",
            Self::RevokeKey => "revoke keys",
            Self::ViewSpaces => "see spaces",
            Self::CreateSpace => "create spaces",
            Self::UpdateSpace => "change spaces",
            Self::MoveSpace => "move spaces",
            Self::DeleteSpace => "delete spaces",
            Self::ViewRoles => "see roles",
            Self::CreateRole => "create roles",
            Self::UpdateRole => "change roles",
            Self::DeleteRole => "delete roles",
            Self::ViewGroups => "see groups",
            Self::CreateGroup => "create groups",
            Self::UpdateGroup => "change groups",
            Self::DeleteGroup => "delete groups",
            Self::ViewBindings => "see bindings",
            Self::Bind => "bind roles",
            Self::Unbind => "unbind roles",
            Self::ViewPolicies => "see login policies",
            Self::CreatePolicy => "create login policies",
            Self::UpdatePolicy => "change login policies",
            Self::DeletePolicy => "delete login policies",
            Self::TryPolicy => "try login policies",
            Self::ViewStrategy => "see the strategy",
            Self::SetStrategy => "set the strategy",
            Self::ViewSamples => "see samples",
            Self::ClearSamples => "clear samples",
            Self::Declare => "declare what is there in files",
            Self::Explain => "have decisions explained",
            Self::ViewAudit => "see the audit",
            Self::ViewReplicas => "see replicas",
            Self::ViewSigningKeys => "see signing keys",
            Self::ChangeSigningKeys => "change signing keys",
            Self::ReadFeed => "follow the feed",
            Self::LookUpKey => "look keys up for a sidecar",
            Self::ReportUse => "report uses and samples",
        })
    }
}
