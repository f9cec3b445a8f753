//! The files that say who has access, and everything that is wrong with them.

use std::path::{Path, PathBuf};

use super::text::{At, PlacedText, Style};
use crate::diagnostics::{Diagnostic, Place, Spot};
use crate::model::KEY_PREFIX;

/// What begins like a key's text and is at least this long, in characters, is shown to nobody.
const KEY_LIKE: usize = 30;

/// One file, read already.
#[derive(Clone, Debug)]
pub struct DeclaredFile {
    /// What messages call it, and what the paths in it start from.
    pub name: PathBuf,
    /// The whole of it.
    pub text: String,
}

/// What is wrong, gathered until all has been looked at.
pub(super) struct Faults<'f> {
    files: &'f [DeclaredFile],
    /// Of each file.
    lines: Vec<Vec<&'f str>>,
    found: Vec<(At, Diagnostic)>,
    /// Some file cannot be read to its end, so that more may be there than is known.
    is_cut_short: bool,
}

impl<'f> Faults<'f> {
    pub(super) fn of(files: &'f [DeclaredFile]) -> Self {
        let lines = files.iter().map(|file| file.text.trim_start_matches('\u{feff}').lines().collect()).collect();
        Self { files, lines, found: Vec::new(), is_cut_short: false }
    }

    pub(super) fn add(&mut self, at: &At, why: impl Into<String>) {
        let place = self.place(at);
        self.found.push((*at, Diagnostic::error(place, without_keys(&why.into()))));
    }

    /// With what to write instead, if that can be guessed.
    pub(super) fn add_with(&mut self, at: &At, why: impl Into<String>, suggestion: Option<String>) {
        let suggestion =
            suggestion.or_else(|| self.is_cut_short.then(|| "it may stand in a file that cannot be read to its end".to_owned()));
        let fault = Diagnostic::error(self.place(at), without_keys(&why.into()));
        self.found.push((*at, Diagnostic { suggestion: suggestion.map(|text| without_keys(&text)), ..fault }));
    }

    /// What has a place of its own, told in the order of what it was found at.
    pub(super) fn add_elsewhere(&mut self, at: &At, fault: Diagnostic) {
        self.found.push((*at, fault));
    }

    /// The rest of the file cannot be read.
    pub(super) fn cut_short(&mut self, at: &At, why: impl Into<String>) {
        self.is_cut_short = true;
        self.add(at, why);
    }

    pub(super) fn place(&self, at: &At) -> Place {
        let name = self.name(at);
        let line = self.lines.get(at.file).and_then(|lines| lines.get(at.line.saturating_sub(1))).copied().unwrap_or_default();
        let spot = Some(Spot::new(at.line, at.column, &without_keys(line), at.width));
        Place::File { file: name.to_owned(), spot }
    }

    /// A place within a text of several lines that stands there as it is; `None` if it is written in another way.
    pub(super) fn within(&self, text: &PlacedText, line: usize, column: usize, width: usize) -> Option<At> {
        let lines = self.lines.get(text.at.file).filter(|_| text.style == Style::Block)?;
        let (blank, written) = (0..).zip(text.text.lines()).find(|(_, line)| !line.is_empty())?;
        // Whether it begins with its first line, or with the first that is not empty, is the parser's taste.
        let first = text.at.line.saturating_sub(1);
        let starts = [Some(first), first.checked_sub(blank), Some(first + 1)];
        starts.into_iter().flatten().find_map(|start| {
            let indent = lines.get(start + blank)?.strip_suffix(written).filter(|indent| indent.chars().all(|blank| blank == ' '))?;
            Some(At { file: text.at.file, line: start + line, column: column + indent.len(), width })
        })
    }

    /// `access.yaml:3`, as one fault names the place of another thing.
    pub(super) fn named(&self, at: &At) -> String {
        format!("{}:{}", self.name(at).display(), at.line)
    }

    pub(super) fn name(&self, at: &At) -> &'f Path {
        self.files.get(at.file).map_or(Path::new(""), |file| &file.name)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// All of them, in the order of files and lines.
    pub(super) fn end(mut self) -> Vec<Diagnostic> {
        self.found.sort_by_key(|(at, _)| *at);
        self.found.into_iter().map(|(_, fault)| fault).collect()
    }
}

/// The text with each character of what looks like a key as `*`: a key that is pasted into the wrong place must not stand in a build's log too.
fn without_keys(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(KEY_PREFIX) {
        let (before, from) = rest.split_at(start);
        let length = from.find(|character: char| !character.is_ascii_alphanumeric() && character != '_').unwrap_or(from.len());
        let (word, after) = from.split_at(length);
        shown.push_str(before);
        if length < KEY_LIKE {
            shown.push_str(word);
        } else {
            shown.extend(word.chars().map(|_| '*'));
        }
        rest = after;
    }
    shown.push_str(rest);
    shown
}
