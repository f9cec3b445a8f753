//! The smallest permission, `resource:verb`, and the patterns that roles are made of.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::id::Invalid;

/// What an upstream may ask for: `run:trigger`, both halves of `[a-z0-9-]+`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Action {
    resource: Box<str>,
    verb: Box<str>,
}

/// What a role names: an action, every verb of a resource (`run:*`), or everything (`*:*`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ActionPattern {
    /// One action.
    One(Action),
    /// `resource:*`.
    AnyVerb(Box<str>),
    /// `*:*`.
    Everything,
}

impl ActionPattern {
    /// Whether `action` is one of those that the pattern names.
    #[must_use]
    pub fn covers(&self, action: &Action) -> bool {
        match self {
            Self::One(one) => one == action,
            Self::AnyVerb(resource) => *resource == action.resource,
            Self::Everything => true,
        }
    }

    /// Whether every action that `other` names is one of those that this names.
    #[must_use]
    pub fn includes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Everything, _) => true,
            (Self::AnyVerb(resource), Self::AnyVerb(other)) => resource == other,
            (Self::One(_) | Self::AnyVerb(_), Self::Everything) | (Self::One(_), Self::AnyVerb(_)) => false,
            (Self::One(_) | Self::AnyVerb(_), Self::One(action)) => self.covers(action),
        }
    }
}

impl FromStr for Action {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let why = "an action is `resource:verb`, both of lower-case letters, digits and `-`";
        match text.split_once(':') {
            Some((resource, verb)) if word(resource) && word(verb) => Ok(Self { resource: resource.into(), verb: verb.into() }),
            _ => Err(Invalid::new("an action", text, why)),
        }
    }
}

impl FromStr for ActionPattern {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let why = "it is neither `resource:verb` nor `resource:*` nor `*:*` (lower-case letters, digits and `-`)";
        match text.split_once(':') {
            Some(("*", "*")) => Ok(Self::Everything),
            Some((resource, "*")) if word(resource) => Ok(Self::AnyVerb(resource.into())),
            _ => text.parse().map(Self::One).map_err(|_: Invalid| Invalid::new("an action or a pattern of actions", text, why)),
        }
    }
}

fn word(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.resource, self.verb)
    }
}

impl fmt::Display for ActionPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(action) => action.fmt(f),
            Self::AnyVerb(resource) => write!(f, "{resource}:*"),
            Self::Everything => f.write_str("*:*"),
        }
    }
}

impl TryFrom<String> for Action {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<Action> for String {
    fn from(action: Action) -> Self {
        action.to_string()
    }
}

impl TryFrom<String> for ActionPattern {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<ActionPattern> for String {
    fn from(pattern: ActionPattern) -> Self {
        pattern.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(text: &str) -> Action {
        text.parse().unwrap()
    }

    fn pattern(text: &str) -> ActionPattern {
        text.parse().unwrap()
    }

    #[test]
    fn a_pattern_covers_one_action_all_of_a_resource_or_everything() {
        for (text, covers_trigger, covers_read, covers_other) in [
            ("run:trigger", true, false, false),
            ("run:*", true, true, false),
            ("*:*", true, true, true),
            ("runs:*", false, false, false),
            ("stack:trigger", false, false, false),
        ] {
            let pattern = pattern(text);
            let covered = ["run:trigger", "run:read", "stack:read"].map(|text| pattern.covers(&action(text)));

            assert_eq!(covered, [covers_trigger, covers_read, covers_other], "{text}");
        }
    }

    #[test]
    fn a_pattern_includes_another_one_if_it_names_all_that_the_other_names() {
        let all = ["run:trigger", "run:read", "run:*", "runs:*", "*:*"];
        for (text, included) in [
            ("run:trigger", vec!["run:trigger"]),
            ("run:*", vec!["run:trigger", "run:read", "run:*"]),
            ("runs:*", vec!["runs:*"]),
            ("*:*", all.to_vec()),
        ] {
            let found: Vec<&str> = all.into_iter().filter(|other| pattern(text).includes(&pattern(other))).collect();
            assert_eq!(found, included, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_what_was_read() {
        for text in ["run:trigger", "a-1:b-2", "run:*", "*:*"] {
            assert_eq!(pattern(text).to_string(), text);
        }
    }

    #[test]
    fn an_action_is_two_plain_words_and_never_a_pattern() {
        for wrong in ["", ":", "run", "run:", ":trigger", "Run:trigger", "run:trigger:now", "run :trigger", "rün:trigger", "run:*", "*:*"]
        {
            assert!(wrong.parse::<Action>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_star_stands_for_a_whole_word_and_not_for_the_resource_alone() {
        for wrong in ["*", "*:read", "run:tr*", "r*:read", "**:*", "*:**", ""] {
            assert!(wrong.parse::<ActionPattern>().is_err(), "{wrong}");
        }
    }
}
