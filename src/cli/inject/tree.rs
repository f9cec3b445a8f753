//! What a manifest says, to be changed and written.

use std::mem;

use crate::cli::output::Tree;
use crate::control::declared::{At, Node, PlacedText, Style, Value};

/// A step on the way to a part of a manifest.
#[derive(Clone, Copy)]
pub(super) enum Step<'s> {
    Field(&'s str),
    /// The item of a list that is called so.
    Named(&'s str),
}

/// As it is read. Aliases stand for what they name, and what is merged stands where it is merged to. `faults`: what cannot be written.
pub(super) fn of(node: &Node, faults: &mut Vec<(At, &'static str)>) -> Tree {
    match &node.value {
        Value::Text(text) => Tree::Scalar(scalar(text)),
        Value::List(items) => Tree::List(items.iter().map(|item| of(item, faults)).collect()),
        Value::Map(entries) => {
            let (mut fields, mut merged) = (Vec::new(), Vec::new());
            for (key, value) in entries {
                match &key.value {
                    Value::Text(PlacedText { text, style: Style::Plain, .. }) if text == "<<" => merged.push(of(value, faults)),
                    Value::Text(PlacedText { text, .. }) => fields.push((text.clone(), of(value, faults))),
                    Value::List(_) | Value::Map(_) => faults.push((key.at, "a key that is no text")),
                }
            }
            for merged in merged {
                merge(&mut fields, merged);
            }
            Tree::Map(fields)
        }
    }
}

/// What is there stays.
fn merge(fields: &mut Vec<(String, Tree)>, merged: Tree) {
    match merged {
        Tree::Map(more) => {
            for (name, value) in more {
                if !fields.iter().any(|(there, _)| *there == name) {
                    fields.push((name, value));
                }
            }
        }
        Tree::List(maps) => maps.into_iter().for_each(|map| merge(fields, map)),
        Tree::Scalar(_) => {}
    }
}

/// Without quotes it means what it meant; whatever was in quotes, or in several lines, is a text.
fn scalar(PlacedText { text, style, .. }: &PlacedText) -> String {
    match style {
        Style::Plain if text.is_empty() => "null".to_owned(),
        Style::Plain if !text.contains('\n') => text.clone(),
        Style::Plain | Style::Quoted | Style::Block => quoted(text),
    }
}

pub(super) fn text(text: &str) -> Tree {
    Tree::Scalar(quoted(text))
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn nothing() -> Tree {
    Tree::Scalar("null".to_owned())
}

pub(super) fn is_nothing(tree: &Tree) -> bool {
    matches!(tree, Tree::Scalar(text) if matches!(text.as_str(), "null" | "Null" | "NULL" | "~"))
}

/// Does this to what the way leads to. What is not there is made, with nothing in it.
pub(super) fn at(tree: &mut Tree, way: &[Step<'_>], done: &mut dyn FnMut(&mut Tree)) {
    let Some((step, rest)) = way.split_first() else { return done(tree) };
    *tree = match step {
        Step::Field(name) => {
            let mut fields = fields_of(mem::replace(tree, nothing()));
            if !fields.iter().any(|(there, _)| there == name) {
                fields.push(((*name).to_owned(), nothing()));
            }
            fields.iter_mut().filter(|(there, _)| there == name).for_each(|(_, value)| at(value, rest, done));
            Tree::Map(fields)
        }
        Step::Named(name) => {
            let mut items = items_of(mem::replace(tree, nothing()));
            if !items.iter().any(|item| is_named(item, name)) {
                items.push(Tree::Map(vec![("name".to_owned(), text(name))]));
            }
            items.iter_mut().filter(|item| is_named(item, name)).for_each(|item| at(item, rest, done));
            Tree::List(items)
        }
    };
}

/// The fields of a map; none of anything else.
pub(super) fn fields_of(tree: Tree) -> Vec<(String, Tree)> {
    match tree {
        Tree::Map(fields) => fields,
        Tree::List(_) | Tree::Scalar(_) => Vec::new(),
    }
}

/// The items of a list; none of anything else.
pub(super) fn items_of(tree: Tree) -> Vec<Tree> {
    match tree {
        Tree::List(items) => items,
        Tree::Map(_) | Tree::Scalar(_) => Vec::new(),
    }
}

/// What a field of a map says.
pub(super) fn field<'t>(tree: &'t Tree, name: &str) -> Option<&'t Tree> {
    match tree {
        Tree::Map(fields) => fields.iter().find_map(|(there, value)| (there == name).then_some(value)),
        Tree::List(_) | Tree::Scalar(_) => None,
    }
}

/// Whether two items of lists have one name.
pub(super) fn is_same(one: &Tree, other: &Tree) -> bool {
    let name = |item| field(item, "name").and_then(Tree::as_text);
    name(one).is_some() && name(one) == name(other)
}

fn is_named(item: &Tree, name: &str) -> bool {
    field(item, "name").and_then(Tree::as_text).as_deref() == Some(name)
}
