//! Data for programs in other forms than JSON: as YAML, or by what commands call it alone.

use std::fmt::{self, Write as _};

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

/// What JSON says, its fields in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tree {
    /// As JSON writes it; or as YAML does, without quotes.
    Scalar(String),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

impl Tree {
    pub(crate) fn of(json: &str) -> serde_json::Result<Self> {
        serde_json::from_str(json)
    }

    /// As YAML 1.2, which JSON's scalars are a part of.
    pub(crate) fn yaml(&self) -> String {
        let mut text = String::new();
        self.write(0, &mut text);
        text.push('\n');
        text.trim_start_matches('\n').to_owned()
    }

    /// Behind a key or a dash, whose line has not ended yet.
    fn write(&self, depth: usize, text: &mut String) {
        match self {
            Self::Scalar(scalar) => text.push_str(&plain(scalar)),
            Self::List(items) if items.is_empty() => text.push_str("[]"),
            Self::Map(fields) if fields.is_empty() => text.push_str("{}"),
            Self::List(items) => {
                for item in items {
                    let _ = write!(text, "\n{:depth$}- ", "");
                    item.write_in_line(depth + 2, text);
                }
            }
            Self::Map(fields) => {
                for (name, value) in fields {
                    let _ = write!(text, "\n{:depth$}", "");
                    field(name, value, depth, text);
                }
            }
        }
    }

    /// The first line of it goes on where a dash stands.
    fn write_in_line(&self, depth: usize, text: &mut String) {
        match self {
            Self::Map(fields) if !fields.is_empty() => {
                for (number, (name, value)) in fields.iter().enumerate() {
                    if number > 0 {
                        let _ = write!(text, "\n{:depth$}", "");
                    }
                    field(name, value, depth, text);
                }
            }
            Self::Scalar(_) | Self::List(_) | Self::Map(_) => self.write(depth, text),
        }
    }

    /// What commands call each of these things: the id, or the name where there is none; a line each.
    pub(super) fn names(&self) -> String {
        match self {
            Self::List(items) => items.iter().map(Self::names).collect(),
            Self::Map(fields) => {
                let called = |wanted: &str| fields.iter().find_map(|(name, value)| (name == wanted).then(|| value.as_text()).flatten());
                called("id").or_else(|| called("name")).map_or_else(String::new, |called| format!("{called}\n"))
            }
            Self::Scalar(_) => self.as_text().map_or_else(String::new, |text| format!("{text}\n")),
        }
    }

    /// What a scalar says, without its quotes; `None` of what says nothing.
    pub(crate) fn as_text(&self) -> Option<String> {
        match self {
            Self::Scalar(scalar) if scalar == "null" => None,
            Self::Scalar(scalar) => Some(serde_json::from_str(scalar).unwrap_or_else(|_| scalar.clone())),
            Self::List(_) | Self::Map(_) => None,
        }
    }
}

fn field(name: &str, value: &Tree, depth: usize, text: &mut String) {
    let quoted = serde_json::to_string(name).unwrap_or_default();
    let _ = write!(text, "{}:", plain(&quoted));
    match value {
        // A list may stand as deep as its key, and everything else deeper.
        Tree::List(items) if !items.is_empty() => value.write(depth, text),
        Tree::Map(fields) if !fields.is_empty() => value.write(depth + 2, text),
        Tree::Scalar(_) | Tree::List(_) | Tree::Map(_) => {
            text.push(' ');
            value.write(depth, text);
        }
    }
}

/// A text without its quotes where no reader of YAML, old or new, could take it for something else.
fn plain(scalar: &str) -> String {
    const TAKEN: [&str; 11] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"];
    let Some(inner) = scalar.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return scalar.to_owned() };
    let is_word = inner.starts_with(|first: char| first.is_ascii_alphabetic())
        && inner.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-./@".contains(letter))
        && !TAKEN.iter().any(|taken| inner.eq_ignore_ascii_case(taken));
    if is_word { inner.to_owned() } else { scalar.to_owned() }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

fn scalar<E: serde::de::Error>(value: impl serde::Serialize) -> Result<Tree, E> {
    serde_json::to_string(&value).map(Tree::Scalar).map_err(E::custom)
}

impl<'de> Visitor<'de> for Reader {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Tree, E> {
        scalar(())
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Tree, E> {
        scalar(value)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Tree, E> {
        scalar(value)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Tree, E> {
        scalar(value)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Tree, E> {
        scalar(value)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Tree, E> {
        scalar(value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Tree, A::Error> {
        let mut map = Vec::new();
        while let Some(field) = fields.next_entry()? {
            map.push(field);
        }
        Ok(Tree::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = r#"[{"id":"prod","name":"Pro: d","labels":["a","no","1"],"parent":null,"inner":{"b":{"c":[[1,-2.5],[]]},"a":{}}},
                          {"name":"x\n#y","empty":"","list":[{"one":true,"two":["é"]}]}]"#;

    #[test]
    fn yaml_says_what_json_says_in_the_same_order() {
        let yaml = Tree::of(JSON).unwrap().yaml();
        let lines = [
            "- id: prod",
            "  name: \"Pro: d\"",
            "  labels:",
            "  - a",
            "  - \"no\"",
            "  - \"1\"",
            "  parent: null",
            "  inner:",
            "    b:",
            "      c:",
            "      - ",
            "        - 1",
            "        - -2.5",
            "      - []",
            "    a: {}",
            "- name: \"x\\n#y\"",
            "  empty: \"\"",
            "  list:",
            "  - one: true",
            "    two:",
            "    - \"é\"",
        ];
        assert_eq!(yaml, lines.map(|line| format!("{line}\n")).concat());
        assert_eq!(Tree::of("\"word\"").unwrap().yaml(), "word\n");
        assert_eq!(Tree::of("[]").unwrap().yaml(), "[]\n");
    }

    #[test]
    fn things_are_named_as_commands_call_them() {
        assert_eq!(Tree::of(JSON).unwrap().names(), "prod\nx\n#y\n");
        assert_eq!(Tree::of(r#"{"strategy":"combined"}"#).unwrap().names(), "");
        assert_eq!(Tree::of("null").unwrap().names(), "");
    }
}
