//! One policy, asked about whatever somebody has written down, and not about a key.
//!
//! What is asked is what answers requests, with its limits and both of its ways; only `input` is another. It may lack what every real
//! `input` has, or have another type there: a policy must then say what OPA says.

use std::collections::BTreeMap;

use regorus::Value;
use serde_json::Value as Json;

use super::error::PolicyError;
use super::fault::PolicyFault;
use super::loaded::{self, Policy};
use super::settings::EvaluationSettings;
use super::source::PolicySource;
use super::trace::on_thread;
use crate::clock::{Clock, SystemClock};
use crate::model::{PolicyName, Verdict};

/// One policy, ready to be asked.
pub struct Trial {
    /// What it is called.
    pub name: PolicyName,
    policy: Policy,
}

impl Trial {
    /// Checks and compiles.
    ///
    /// # Errors
    /// Every fault of the policy.
    pub fn load(source: &PolicySource, settings: impl Into<EvaluationSettings>) -> Result<Self, Vec<PolicyFault>> {
        let settings = settings.into();
        let loaded = on_thread(|| loaded::load(source, settings));
        let fails = || Err(vec![PolicyFault::of(&source.place(), "the engine fails on it")]);
        loaded.unwrap_or_else(fails).map(|policy| Self { name: source.name.clone(), policy })
    }

    /// Asks with each `input`, one after the other.
    #[must_use]
    pub fn ask(&self, inputs: &[Json]) -> Vec<Result<Verdict, PolicyError>> {
        let failed = |reason: &str| Err(PolicyError::Failed(self.name.clone(), reason.to_owned()));
        let ask = |input: &Json| {
            let Some(input) = value(input) else { return failed("it has a number that a policy cannot compute with") };
            let clock = SystemClock::start();
            self.policy.ask(&input, || clock.now().monotonic).answer
        };
        on_thread(|| inputs.iter().map(ask).collect()).unwrap_or_else(|| inputs.iter().map(|_| failed("the engine fails")).collect())
    }
}

/// Not by regorus' own reader of JSON, which takes an object with a certain key for a number of any size. How deep it goes is the affair
/// of `serde_json`, which reads at most 128 levels.
fn value(json: &Json) -> Option<Value> {
    Some(match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::String(text) => Value::String(text.as_str().into()),
        Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), _, _) => Value::from(number),
            (None, Some(number), _) => Value::from(number),
            (None, None, Some(number)) => Value::from(number),
            (None, None, None) => return None,
        },
        Json::Array(items) => Value::from(items.iter().map(value).collect::<Option<Vec<_>>>()?),
        Json::Object(fields) => {
            let field = |(name, field): (&String, &Json)| Some((Value::String(name.as_str().into()), value(field)?));
            Value::from(fields.iter().map(field).collect::<Option<BTreeMap<_, _>>>()?)
        }
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::policy::settings::PolicyLimits;

    #[test]
    fn an_input_may_be_anything() {
        let text = r#"package spacelift
allow if input.session.login == "x"
team contains json.marshal(input)
deny if input[0] > 1
"#;
        let source = PolicySource { name: "trial".parse().unwrap(), file: None, text: text.into(), rego: None };
        let trial = Trial::load(&source, PolicyLimits { time: Duration::from_secs(5), memory: 64 << 20 }).unwrap();

        let inputs = [json!({"session": {"login": "x"}}), json!({}), json!([2.5, -1, u64::MAX]), json!("x"), json!(null)];
        let answers: Vec<Verdict> = trial.ask(&inputs).into_iter().map(Result::unwrap).collect();

        let said: Vec<(bool, bool)> = answers.iter().map(|verdict| (verdict.allow, verdict.deny)).collect();
        assert_eq!(said, [(true, false), (false, false), (false, true), (false, false), (false, false)]);
        for (input, verdict) in inputs.iter().zip(&answers).filter(|(input, _)| !input.is_array()) {
            assert!(verdict.teams.contains(&input.to_string()), "{input}: {verdict:?}");
        }
    }
}
