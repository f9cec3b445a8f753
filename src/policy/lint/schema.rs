//! What stands where in `input`, all the way down.

use std::sync::LazyLock;

use super::rego_type::Type;

/// What a path leads to.
#[derive(Debug)]
pub(super) enum SchemaEntry {
    Type(Type),
    /// Nothing is ever there: the step at this index leads nowhere; what could stand in its place.
    Nothing {
        step: usize,
        instead: Vec<Box<str>>,
    },
    /// That depends.
    Unsure,
}

static INPUT: LazyLock<Type> = LazyLock::new(|| {
    use Type::{Bool, Null, Number, Text};
    let object = |fields: &[(&str, Type)]| Type::Object(fields.iter().map(|(name, of)| ((*name).into(), of.clone())).collect(), None);
    let names = || Type::array(Text);
    let certificate = object(&[
        ("fingerprint", Text),
        ("issuer", Text),
        ("san", object(&[("dns", names()), ("email", names()), ("ip", names()), ("uri", names())])),
        ("serial", Text),
        ("subject", Text),
    ]);
    object(&[
        ("attachment", Null),
        (
            "request",
            // Where none was shown it is null.
            object(&[("client_certificate", Type::one_of([certificate, Null])), ("remote_ip", Text), ("timestamp_ns", Number)]),
        ),
        ("roles", Type::array(object(&[("id", Text), ("name", Text), ("slug", Text)]))),
        (
            "session",
            object(&[
                ("account_name", Text),
                ("actor", Text),
                ("admin", Bool),
                ("api_key_id", Text),
                ("creator_ip", Text),
                ("login", Text),
                ("machine", Bool),
                ("member", Bool),
                ("name", Text),
                ("stack_id", Text),
                ("teams", Type::array(Text)),
            ]),
        ),
        (
            "spaces",
            // Above `root` there is none.
            Type::array(object(&[("id", Text), ("labels", Type::array(Text)), ("name", Text), ("parent", Type::one_of([Text, Null]))])),
        ),
    ])
});

/// What `input` is.
pub(super) fn input() -> &'static Type {
    &INPUT
}

/// Follows a path of `input`; `None` is an index that may be anything.
pub(super) fn at(path: &[Option<&str>]) -> SchemaEntry {
    let mut of = input();
    for (step, name) in path.iter().enumerate() {
        let whole = match of {
            // What can be looked into.
            Type::Or(types) => types.iter().find(|each| matches!(each, Type::Object(..))).unwrap_or(of),
            other => other,
        };
        of = match (whole, name) {
            (Type::Array(item), None) => item,
            (Type::Object(..), None) => return SchemaEntry::Unsure,
            (Type::Object(fields, _), Some(name)) => match fields.get(*name) {
                Some(field) => field,
                None => return SchemaEntry::Nothing { step, instead: fields.keys().cloned().collect() },
            },
            (_, _) => return SchemaEntry::Nothing { step, instead: Vec::new() },
        };
    }
    SchemaEntry::Type(of.clone())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use regorus::Value;

    use super::*;
    use crate::model::{ClientCertificate, Snapshot, Strategy};
    use crate::policy::input;
    use crate::policy::input::{LoginInput, SharedInput};

    fn agrees(value: &Value, of: &Type, path: &str) {
        match (value, of) {
            (Value::String(_), Type::Text)
            | (Value::Number(_), Type::Number)
            | (Value::Bool(_), Type::Bool)
            | (Value::Null, Type::Null) => {}
            (value, Type::Or(types)) => {
                let fits = |of: &&Type| {
                    matches!((value, of), (Value::String(_), Type::Text) | (Value::Null, Type::Null) | (Value::Object(_), Type::Object(..)))
                };
                agrees(value, types.iter().find(fits).unwrap_or_else(|| panic!("{path} is {value}")), path);
            }
            (Value::Array(items), Type::Array(of)) => items.iter().for_each(|item| agrees(item, of, path)),
            (Value::Object(object), Type::Object(fields, None)) => {
                let names: Vec<&str> = object.iter().map(|(name, _)| name.as_string().unwrap().as_ref()).collect();
                assert_eq!(names, fields.keys().map(AsRef::as_ref).collect::<Vec<&str>>(), "{path}");
                for ((_, value), (name, of)) in object.iter().zip(fields) {
                    agrees(value, of, &format!("{path}.{name}"));
                }
            }
            (value, of) => panic!("{path} is {value}, and not {of:?}"),
        }
    }

    #[test]
    fn the_schema_is_that_of_the_input() {
        let shared = Arc::new(SharedInput::of(&Snapshot::empty(Strategy::Combined)));
        agrees(&input::sample_with(&shared), &INPUT, "input");
        let shown = serde_json::json!({
            "subject": "CN=ci", "issuer": "CN=ca", "serial": "01", "fingerprint": "a5".repeat(32), "san": {"dns": ["a"], "ip": ["::1"]},
        });
        let shown: ClientCertificate = serde_json::from_value(shown).unwrap();
        agrees(&LoginInput { client_certificate: Some(Arc::new(shown)), ..LoginInput::about("x") }.value(), &INPUT, "input");
    }

    #[test]
    fn a_step_that_leads_nowhere_is_found_with_what_could_stand_there() {
        assert!(matches!(at(&[Some("session"), Some("login")]), SchemaEntry::Type(Type::Text)));
        assert!(matches!(at(&[Some("spaces"), None, Some("labels"), None]), SchemaEntry::Type(Type::Text)));
        assert!(matches!(at(&[Some("session"), None]), SchemaEntry::Unsure));
        let SchemaEntry::Nothing { step, instead } = at(&[Some("request"), Some("ip")]) else { panic!("it is not there") };
        assert_eq!((step, instead), (1, vec!["client_certificate".into(), "remote_ip".into(), "timestamp_ns".into()]));
        assert!(matches!(
            at(&[Some("request"), Some("client_certificate"), Some("san"), Some("dns"), None]),
            SchemaEntry::Type(Type::Text)
        ));
        assert!(matches!(at(&[Some("request"), Some("client_certificate"), Some("cn")]), SchemaEntry::Nothing { step: 2, .. }));
        assert!(matches!(at(&[Some("session"), Some("login"), Some("x")]), SchemaEntry::Nothing { step: 2, .. }));
    }
}
