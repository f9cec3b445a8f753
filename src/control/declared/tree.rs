//! YAML as a tree in which everything knows where it stands.
//!
//! JSON is YAML. A text that is broken somewhere gives what stands before that place: whatever else is wrong is told in the same go, and
//! what other files refer to is still known.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::files::{DeclaredFile, Faults};
use super::text::{At, PlacedText, Style};
use crate::diagnostics::Diagnostic;

/// What is given up where somebody hides a whole world in a few aliases.
const NODES_MAX: usize = 2_000_000;
/// Deeper than anything that makes sense here.
const DEPTH_MAX: usize = 64;

#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) at: At,
    /// How many values it is, itself and all within.
    weight: usize,
}

#[derive(Clone)]
pub(crate) enum Value {
    Text(PlacedText),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// Nothing at all.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Text(PlacedText { text, style: Style::Plain, .. }) if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }
}

/// Every document of a file that is YAML, whatever it is about, and what keeps it from being read to its end.
pub(crate) fn documents(file: &DeclaredFile) -> (Vec<Node>, Vec<Diagnostic>) {
    let files = std::slice::from_ref(file);
    let mut faults = Faults::of(files);
    let documents = read(&file.text, 0, &mut faults);
    (documents, faults.end())
}

/// Every document of the text.
pub(super) fn read(text: &str, file: usize, faults: &mut Faults<'_>) -> Vec<Node> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let json = is_json(text).then(|| without_surrogates(text));
    let mut builder = Builder { file, documents: Vec::new(), open: Vec::new(), anchors: HashMap::new(), nodes: 0 };
    for event in Parser::new_from_str(json.as_deref().unwrap_or(text)) {
        let told = match event {
            Ok((event, span)) => builder.take(event, span),
            Err(error) => {
                let mark = error.marker();
                let at = At { file, line: mark.line(), column: mark.col() + 1, width: 1 };
                Err((at, format!("this is not YAML: {}", error.info())))
            }
        };
        if let Err((at, why)) = told {
            faults.cut_short(&at, why);
            break;
        }
    }
    builder.end()
}

fn is_json(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

/// JSON writes characters beyond the first plane as two halves, which YAML does not know.
fn without_surrogates(text: &str) -> String {
    let unit = |at: usize| text.get(at..at + 6)?.strip_prefix("\\u").and_then(|hex| u16::from_str_radix(hex, 16).ok());
    let mut whole = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let pair = [unit(at), unit(at + 6)];
        let character = match pair {
            [Some(high @ 0xd800..0xdc00), Some(low @ 0xdc00..0xe000)] => char::decode_utf16([high, low]).next().and_then(Result::ok),
            _ => None,
        };
        // A backslash that is itself escaped begins nothing.
        let step = if let Some(character) = character {
            whole.push(character);
            12
        } else {
            let taken = if rest.starts_with("\\\\") { 2 } else { rest.chars().next().map_or(1, char::len_utf8) };
            whole.push_str(rest.get(..taken).unwrap_or_default());
            taken
        };
        at += step;
    }
    whole
}

struct Builder {
    file: usize,
    documents: Vec<Node>,
    /// What is being read, outermost first.
    open: Vec<(Open, usize)>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
}

enum Open {
    List(At, Vec<Node>),
    /// The key waits for its value.
    Map(At, Vec<(Node, Node)>, Option<Node>),
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), (At, String)> {
        let at = self.at(span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = tag.is_some_and(|tag| tag.is_yaml_core_schema() && tag.suffix == "str");
                let style = match style {
                    ScalarStyle::Plain if !is_text => Style::Plain,
                    ScalarStyle::Plain | ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted | ScalarStyle::Folded => Style::Quoted,
                    ScalarStyle::Literal => Style::Block,
                };
                let value = Value::Text(PlacedText { text: text.into_owned(), at, style });
                self.put(Node { value, at, weight: 1 }, anchor)
            }
            Event::SequenceStart(anchor, _) => self.begin(Open::List(at, Vec::new()), anchor, at),
            Event::MappingStart(anchor, _) => self.begin(Open::Map(at, Vec::new(), None), anchor, at),
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                // Before it is copied: a few aliases of aliases are more than fits anywhere.
                Some(node) if self.nodes + node.weight > NODES_MAX => Err(too_many(at)),
                Some(node) => {
                    let node = Node { at, ..node.clone() };
                    self.nodes += node.weight - 1;
                    self.put(node, 0)
                }
                None => Err((at, "an alias stands for what is not complete yet".to_owned())),
            },
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => Ok(()),
        }
    }

    fn at(&self, span: Span) -> At {
        let (start, end) = (span.start, span.end);
        let width = if start.line() == end.line() { end.col().saturating_sub(start.col()).max(1) } else { 1 };
        At { file: self.file, line: start.line(), column: start.col() + 1, width }
    }

    fn begin(&mut self, open: Open, anchor: usize, at: At) -> Result<(), (At, String)> {
        if self.open.len() >= DEPTH_MAX {
            return Err((at, format!("it is more than {DEPTH_MAX} levels deep")));
        }
        self.open.push((open, anchor));
        Ok(())
    }

    fn close(&mut self) -> Result<(), (At, String)> {
        let Some((open, anchor)) = self.open.pop() else { return Ok(()) };
        let node = match open {
            Open::List(at, items) => {
                let weight = 1 + items.iter().map(|item| item.weight).sum::<usize>();
                Node { value: Value::List(items), at, weight }
            }
            Open::Map(at, entries, _) => {
                let weight = 1 + entries.iter().map(|(key, value)| key.weight + value.weight).sum::<usize>();
                Node { value: Value::Map(entries), at, weight }
            }
        };
        self.put(node, anchor)
    }

    fn put(&mut self, node: Node, anchor: usize) -> Result<(), (At, String)> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(too_many(node.at));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut() {
            None => self.documents.push(node),
            Some((Open::List(_, items), _)) => items.push(node),
            Some((Open::Map(_, entries, key), _)) => match key.take() {
                None => *key = Some(node),
                Some(key) => entries.push((key, node)),
            },
        }
        Ok(())
    }

    /// Closes what the text has left open.
    fn end(mut self) -> Vec<Node> {
        while !self.open.is_empty() {
            if self.close().is_err() {
                break;
            }
        }
        self.documents
    }
}

fn too_many(at: At) -> (At, String) {
    (at, format!("it holds more than {NODES_MAX} values"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_stands_in_a_file_is_read_or_refused(text in "[a-c \\n\\t:#'\"|>*&!%@`{}\\[\\],?~0-9.-]{0,80}|\\PC{0,40}") {
            let files = [DeclaredFile { name: "access.yaml".into(), text: text.clone() }];
            let mut faults = Faults::of(&files);
            let documents = read(&text, 0, &mut faults);
            prop_assert!(documents.len() <= text.len() + 1);
            for fault in faults.end() {
                prop_assert!(fault.place.spot().is_some_and(|spot| spot.line >= 1 && spot.column >= 1));
            }
        }
    }
}
