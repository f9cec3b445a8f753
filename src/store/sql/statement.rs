//! A statement with what it is about, as every database is told it.

use std::borrow::Cow;

/// What a statement says, in the words of each database.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Text {
    pub(in crate::store) sqlite: &'static str,
    pub(in crate::store) postgres: &'static str,
}

impl Text {
    /// The same words in both.
    pub(super) const fn same(text: &'static str) -> Self {
        Self { sqlite: text, postgres: text }
    }

    /// What PostgreSQL alone is ever told.
    pub(in crate::store) const fn postgres(text: &'static str) -> Self {
        Self { sqlite: "", postgres: text }
    }

    /// The same meaning in other words.
    pub(super) const fn each(sqlite: &'static str, postgres: &'static str) -> Self {
        Self { sqlite, postgres }
    }
}

/// A value of a statement, and of its column's type though it is null.
#[derive(Clone, Debug)]
pub(in crate::store) enum Value {
    Text(Option<String>),
    Number(Option<i64>),
    Bytes(Option<Vec<u8>>),
    Flag(bool),
}

/// A statement and its values, in the order of `$1`, `$2`, …
#[derive(Clone, Debug)]
pub(in crate::store) struct Statement {
    pub(in crate::store) sqlite: Cow<'static, str>,
    pub(in crate::store) postgres: Cow<'static, str>,
    pub(in crate::store) values: Vec<Value>,
}

/// A statement whose values follow.
pub(in crate::store) fn query(text: Text) -> Statement {
    Statement { sqlite: Cow::Borrowed(text.sqlite), postgres: Cow::Borrowed(text.postgres), values: Vec::new() }
}

impl Statement {
    /// Words that both databases understand, made of names that stand in this program.
    pub(super) fn of(text: String) -> Self {
        Self { sqlite: Cow::Owned(text.clone()), postgres: Cow::Owned(text), values: Vec::new() }
    }

    /// The next value.
    pub(in crate::store) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Goes on with these words.
    pub(super) fn push(&mut self, text: Text) -> &mut Self {
        self.sqlite.to_mut().push_str(text.sqlite);
        self.postgres.to_mut().push_str(text.postgres);
        self
    }

    /// Goes on with a value.
    pub(super) fn push_bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        let place = format!("${}", self.values.len());
        self.sqlite.to_mut().push_str(&place);
        self.postgres.to_mut().push_str(&place);
        self
    }

    /// Goes on with words that were put together, of names that stand in this program.
    pub(super) fn push_text(&mut self, text: &str) -> &mut Self {
        self.sqlite.to_mut().push_str(text);
        self.postgres.to_mut().push_str(text);
        self
    }

    /// Goes on with words that are the same in both.
    pub(super) fn push_same(&mut self, text: &'static str) -> &mut Self {
        self.push(Text::same(text))
    }
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Self {
        Self::Text(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        Self::Text(text.map(str::to_owned))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(Some(number))
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(Some(number.into()))
    }
}

impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Self {
        Self::Number(number)
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(Some(bytes))
    }
}

impl From<Option<Vec<u8>>> for Value {
    fn from(bytes: Option<Vec<u8>>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}
