//! Login policies, and the strategy that says whether they count. Whether a policy loads, the caller has checked.

use super::effect::{Effect, refuse, value};
use super::existing;
use super::rows::Rows;
use crate::model::{LoginPolicy, PolicyName, RegoVersion, Resource, Strategy};
use crate::store::error::{Conflict, StoreError};

pub(super) async fn create(rows: &mut dyn Rows, policy: LoginPolicy) -> Result<Effect, StoreError> {
    if rows.policy(&policy.name).await?.is_some() {
        return refuse(Conflict::Exists(Resource::Policy(policy.name)));
    }
    rows.insert_policy(&policy).await?;
    Ok(Effect::of_all(None, Some(value(&policy))))
}

pub(super) async fn update(
    rows: &mut dyn Rows,
    name: PolicyName,
    source: Box<str>,
    rego: Option<RegoVersion>,
) -> Result<Effect, StoreError> {
    let before = existing::policy(rows, &name).await?;
    let after = LoginPolicy { name, source, rego };
    rows.update_policy(&after).await?;
    Ok(Effect::of_all(Some(value(&before)), Some(value(&after))))
}

pub(super) async fn delete(rows: &mut dyn Rows, name: PolicyName) -> Result<Effect, StoreError> {
    let before = existing::policy(rows, &name).await?;
    rows.delete_policy(&name).await?;
    Ok(Effect::of_all(Some(value(&before)), None))
}

pub(super) async fn set_strategy(rows: &mut dyn Rows, strategy: Strategy) -> Result<Effect, StoreError> {
    let before = rows.strategy().await?;
    rows.set_strategy(strategy).await?;
    Ok(Effect::of_all(Some(value(&before)), Some(value(&strategy))))
}
