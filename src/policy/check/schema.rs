//! What stands where in `input`, all the way down.

/// What a place of `input` holds.
#[derive(Debug)]
pub(super) enum Shape {
    Text,
    Number,
    Bool,
    Null,
    /// The parent of a space: of `root` it is null.
    TextOrNull,
    Each(&'static Shape),
    Fields(&'static [(&'static str, Shape)]),
}

/// What a path leads to.
#[derive(Debug)]
pub(super) enum Found {
    Shape(&'static Shape),
    /// Nothing is ever there: the step at this index leads nowhere; what could stand in its place.
    Nothing {
        step: usize,
        instead: Vec<&'static str>,
    },
    /// That depends.
    Unsure,
}

use Shape::{Bool, Each, Fields, Null, Number, Text, TextOrNull};

static INPUT: Shape = Fields(&[
    ("attachment", Null),
    ("request", Fields(&[("remote_ip", Text), ("timestamp_ns", Number)])),
    ("roles", Each(&Fields(&[("id", Text), ("name", Text), ("slug", Text)]))),
    (
        "session",
        Fields(&[
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
            ("teams", Each(&Text)),
        ]),
    ),
    ("spaces", Each(&Fields(&[("id", Text), ("labels", Each(&Text)), ("name", Text), ("parent", TextOrNull)]))),
]);

/// Follows a path of `input`; `None` is an index that may be anything.
pub(super) fn at(path: &[Option<&str>]) -> Found {
    let mut shape = &INPUT;
    for (step, name) in path.iter().enumerate() {
        shape = match (shape, name) {
            (Each(item), None) => item,
            (Fields(_), None) => return Found::Unsure,
            (Fields(fields), Some(name)) => match fields.iter().find(|(field, _)| field == name) {
                Some((_, shape)) => shape,
                None => return Found::Nothing { step, instead: fields.iter().map(|(field, _)| *field).collect() },
            },
            (Each(_) | Text | Number | Bool | Null | TextOrNull, _) => return Found::Nothing { step, instead: Vec::new() },
        };
    }
    Found::Shape(shape)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use regorus::Value;

    use super::*;
    use crate::model::{Snapshot, Strategy};
    use crate::policy::{SharedInput, input};

    fn agrees(value: &Value, shape: &Shape, path: &str) {
        match (value, shape) {
            (Value::String(_), Text | TextOrNull)
            | (Value::Number(_), Number)
            | (Value::Bool(_), Bool)
            | (Value::Null, Null | TextOrNull) => {}
            (Value::Array(items), Each(shape)) => items.iter().for_each(|item| agrees(item, shape, path)),
            (Value::Object(object), Fields(fields)) => {
                let names: Vec<&str> = object.iter().map(|(name, _)| name.as_string().unwrap().as_ref()).collect();
                assert_eq!(names, fields.iter().map(|(name, _)| *name).collect::<Vec<_>>(), "{path}");
                for ((_, value), (name, shape)) in object.iter().zip(*fields) {
                    agrees(value, shape, &format!("{path}.{name}"));
                }
            }
            (value, shape) => panic!("{path} is {value}, and not {shape:?}"),
        }
    }

    #[test]
    fn the_schema_is_that_of_the_input() {
        let shared = Arc::new(SharedInput::of(&Snapshot::empty(Strategy::Combined)));
        agrees(&input::sample_with(&shared), &INPUT, "input");
    }

    #[test]
    fn a_step_that_leads_nowhere_is_found_with_what_could_stand_there() {
        assert!(matches!(at(&[Some("session"), Some("login")]), Found::Shape(Text)));
        assert!(matches!(at(&[Some("spaces"), None, Some("labels"), None]), Found::Shape(Text)));
        assert!(matches!(at(&[Some("session"), None]), Found::Unsure));
        let Found::Nothing { step, instead } = at(&[Some("request"), Some("ip")]) else { panic!("it is not there") };
        assert_eq!((step, instead), (1, vec!["remote_ip", "timestamp_ns"]));
        assert!(matches!(at(&[Some("session"), Some("login"), Some("x")]), Found::Nothing { step: 2, .. }));
    }
}
