//! Login policies, and the strategy that says whether they count.

use async_trait::async_trait;

use super::{SqlRows, query, text};
use crate::model::{LoginPolicy, PolicyName, RegoVersion, Strategy};
use crate::store::apply::PolicyRows;
use crate::store::error::StoreError;
use crate::store::sql::decode::State;
use crate::store::stored::nonsense;

#[async_trait]
impl PolicyRows for SqlRows<'_> {
    async fn policy(&mut self, name: &PolicyName) -> Result<Option<LoginPolicy>, StoreError> {
        self.find(query(text::POLICY).bind(name.as_str().to_owned())).await
    }

    async fn insert_policy(&mut self, policy: &LoginPolicy) -> Result<(), StoreError> {
        let row = query(text::INSERT_POLICY).bind(policy.name.as_str().to_owned()).bind(policy.source.to_string());
        self.run(row.bind(policy.rego.map(RegoVersion::as_str)).bind(self.stamp())).await
    }

    async fn update_policy(&mut self, policy: &LoginPolicy) -> Result<(), StoreError> {
        let row = query(text::UPDATE_POLICY).bind(policy.name.as_str().to_owned()).bind(policy.source.to_string());
        self.run(row.bind(policy.rego.map(RegoVersion::as_str)).bind(self.stamp())).await
    }

    async fn delete_policy(&mut self, name: &PolicyName) -> Result<(), StoreError> {
        self.run(query(text::DELETE_POLICY).bind(name.as_str().to_owned())).await
    }

    async fn strategy(&mut self) -> Result<Strategy, StoreError> {
        let state: Option<State> = self.find(query(text::STATE)).await?;
        state.map(|state| state.strategy).ok_or_else(|| nonsense("a state", "it is empty"))
    }

    async fn set_strategy(&mut self, strategy: Strategy) -> Result<(), StoreError> {
        self.run(query(text::SET_STRATEGY).bind(strategy.as_str()).bind(self.stamp())).await
    }
}
