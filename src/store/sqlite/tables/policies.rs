//! Login policies, and the strategy that says whether they count.

use sqlx::{query, query_as};

use super::{Tables, sql};
use crate::model::{LoginPolicy, PolicyName, RegoVersion, Strategy};
use crate::store::StoreError;
use crate::store::rows::{self, StateRow};

impl Tables<'_> {
    pub(in crate::store) async fn policy(&mut self, name: &PolicyName) -> Result<Option<LoginPolicy>, StoreError> {
        self.find(query_as(sql::POLICY).bind(name.as_str().to_owned()), rows::policy).await
    }

    pub(in crate::store) async fn insert_policy(&mut self, policy: &LoginPolicy) -> Result<(), StoreError> {
        let row = query(sql::INSERT_POLICY).bind(policy.name.as_str().to_owned()).bind(policy.source.to_string());
        self.run(row.bind(policy.rego.map(RegoVersion::as_str))).await
    }

    pub(in crate::store) async fn update_policy(&mut self, policy: &LoginPolicy) -> Result<(), StoreError> {
        let row = query(sql::UPDATE_POLICY).bind(policy.name.as_str().to_owned()).bind(policy.source.to_string());
        self.run(row.bind(policy.rego.map(RegoVersion::as_str))).await
    }

    pub(in crate::store) async fn delete_policy(&mut self, name: &PolicyName) -> Result<(), StoreError> {
        self.run(query(sql::DELETE_POLICY).bind(name.as_str().to_owned())).await
    }

    pub(in crate::store) async fn strategy(&mut self) -> Result<Strategy, StoreError> {
        let (_, strategy): StateRow = query_as(sql::STATE).fetch_one(&mut *self.connection).await?;
        rows::strategy(&strategy)
    }

    pub(in crate::store) async fn set_strategy(&mut self, strategy: Strategy) -> Result<(), StoreError> {
        self.run(query(sql::SET_STRATEGY).bind(strategy.as_str())).await
    }
}
