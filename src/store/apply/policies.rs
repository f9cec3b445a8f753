//! Login policies, and the strategy that says whether they count. Whether a policy loads, the caller has checked.

use super::{Effect, StoreError, Tables, conflict, missing, value};
use crate::model::{LoginPolicy, PolicyName, RegoVersion, Strategy};

pub(super) async fn create(tables: &mut Tables<'_>, policy: LoginPolicy) -> Result<Effect, StoreError> {
    if tables.policy(&policy.name).await?.is_some() {
        return conflict(format!("policy {} exists already", policy.name));
    }
    tables.insert_policy(&policy).await?;
    Ok(Effect::of_all(policy.name.as_str(), None, Some(value(&policy))))
}

pub(super) async fn update(
    tables: &mut Tables<'_>,
    name: PolicyName,
    source: Box<str>,
    rego: Option<RegoVersion>,
) -> Result<Effect, StoreError> {
    let before = existing(tables, &name).await?;
    let after = LoginPolicy { name, source, rego };
    tables.update_policy(&after).await?;
    Ok(Effect::of_all(after.name.as_str(), Some(value(&before)), Some(value(&after))))
}

pub(super) async fn delete(tables: &mut Tables<'_>, name: PolicyName) -> Result<Effect, StoreError> {
    let before = existing(tables, &name).await?;
    tables.delete_policy(&name).await?;
    Ok(Effect::of_all(name.as_str(), Some(value(&before)), None))
}

pub(super) async fn set_strategy(tables: &mut Tables<'_>, strategy: Strategy) -> Result<Effect, StoreError> {
    let before = tables.strategy().await?;
    tables.set_strategy(strategy).await?;
    Ok(Effect::of_all("strategy", Some(value(&before)), Some(value(&strategy))))
}

async fn existing(tables: &mut Tables<'_>, name: &PolicyName) -> Result<LoginPolicy, StoreError> {
    tables.policy(name).await?.ok_or_else(|| missing("policy", name))
}
