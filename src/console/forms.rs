//! Fields of forms: each with its label, what is wrong with it, and what it is for.

use maud::{Markup, html};

use super::fields::{Faults, Fields};

/// Beyond so many, what can be chosen is typed, with suggestions; a list of thousands is no list.
const CHOSEN_FROM: usize = 200;
/// How many are suggested then: more than anybody reads.
const SUGGESTED: usize = 50;

/// A form that is being filled in: what was entered, and what is wrong with it.
#[derive(Clone, Copy)]
pub(super) struct Form<'a> {
    pub(super) fields: &'a Fields,
    pub(super) faults: &'a Faults,
}

/// What a field is called and what it is for.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    pub(super) name: &'static str,
    pub(super) label: &'a str,
    /// Empty: nothing that the label does not say.
    pub(super) hint: &'a str,
    pub(super) required: bool,
}

impl<'a> Field<'a> {
    pub(super) fn needed(name: &'static str, label: &'a str, hint: &'a str) -> Self {
        Self { name, label, hint, required: true }
    }

    pub(super) fn optional(name: &'static str, label: &'a str, hint: &'a str) -> Self {
        Self { name, label, hint, required: false }
    }
}

impl Form<'_> {
    /// Everything that is wrong, before the fields, so that it is seen and read out first.
    pub(super) fn faults(&self) -> Markup {
        html! {
            @if !self.faults.is_empty() {
                div class="fault" role="alert" {
                    p { "Nothing was changed:" }
                    ul {
                        @for (field, what) in self.faults.iter() {
                            li { @if field.is_empty() { (super::parts::sentence(what)) } @else { a href={ "#" (field) } { (super::parts::sentence(what)) } } }
                        }
                    }
                }
            }
        }
    }

    fn around(&self, field: Field<'_>, input: &Markup) -> Markup {
        let Field { name, label, hint, required } = field;
        html! {
            div class="field" {
                label for=(name) { (label) @if !required { span class="quiet" { " (optional)" } } }
                (input)
                @if !hint.is_empty() { p class="hint" id={ (name) "-hint" } { (hint) } }
                @for what in self.faults.of(name) { p class="wrong" id={ (name) "-wrong" } { (super::parts::sentence(what)) } }
            }
        }
    }

    fn described(&self, field: Field<'_>) -> Option<String> {
        let hint = (!field.hint.is_empty()).then(|| format!("{}-hint", field.name));
        let wrong = self.is_wrong(field).then(|| format!("{}-wrong", field.name));
        let ids: Vec<String> = hint.into_iter().chain(wrong).collect();
        (!ids.is_empty()).then(|| ids.join(" "))
    }

    fn is_wrong(&self, field: Field<'_>) -> bool {
        self.faults.of(field.name).next().is_some()
    }

    /// A line of text.
    pub(super) fn text(&self, field: Field<'_>, longest: usize) -> Markup {
        self.line(field, "text", Some(longest))
    }

    /// A line of another kind: `datetime-local`, `number`, …
    pub(super) fn line(&self, field: Field<'_>, kind: &str, longest: Option<usize>) -> Markup {
        let name = field.name;
        let input = html! {
            input id=(name) name=(name) type=(kind) value=(self.fields.raw(name)) maxlength=[longest] required[field.required] autocomplete="off" spellcheck="false"
                aria-describedby=[self.described(field)] aria-invalid=[self.is_wrong(field).then_some("true")];
        };
        self.around(field, &input)
    }

    /// Several lines.
    pub(super) fn area(&self, field: Field<'_>, rows: u32) -> Markup {
        let name = field.name;
        // A line end at the beginning is not the author's.
        let input = html! {
            textarea id=(name) name=(name) rows=(rows) required[field.required] spellcheck="false"
                aria-describedby=[self.described(field)] aria-invalid=[self.is_wrong(field).then_some("true")] { "\n" (self.fields.raw(name)) }
        };
        self.around(field, &input)
    }

    /// One of several, each with what it is called: the first is what is chosen if nothing was.
    pub(super) fn choice<'b>(&self, field: Field<'_>, all: impl IntoIterator<Item = (&'b str, &'b str)>) -> Markup {
        let (name, chosen) = (field.name, self.fields.text(field.name));
        let input = html! {
            select id=(name) name=(name) required[field.required]
                aria-describedby=[self.described(field)] aria-invalid=[self.is_wrong(field).then_some("true")] {
                @for (value, text) in all { option value=(value) selected[value == chosen] { (text) } }
            }
        };
        self.around(field, &input)
    }

    /// One of those that there are, which may be many: chosen from a list, or typed with suggestions.
    pub(super) fn pick<'b>(&self, field: Field<'_>, all: impl IntoIterator<Item = (&'b str, String)>) -> Markup {
        let all: Vec<(&str, String)> = all.into_iter().take(CHOSEN_FROM + 1).collect();
        if all.len() <= CHOSEN_FROM {
            let none = ("", "Choose …".to_owned());
            let options = std::iter::once(&none).chain(&all).map(|(value, text)| (*value, text.as_str()));
            return self.choice(field, options);
        }
        self.suggested(field, None, all.iter().take(SUGGESTED).map(|(value, text)| (*value, text.as_str())))
    }

    /// A line of text, with suggestions: each with what it is called, if that is something else.
    pub(super) fn suggested<'b>(
        &self,
        field: Field<'_>,
        longest: Option<usize>,
        all: impl IntoIterator<Item = (&'b str, &'b str)>,
    ) -> Markup {
        let name = field.name;
        let input = html! {
            input id=(name) name=(name) list={ (name) "-list" } value=(self.fields.raw(name)) maxlength=[longest] required[field.required] autocomplete="off" spellcheck="false"
                aria-describedby=[self.described(field)] aria-invalid=[self.is_wrong(field).then_some("true")];
            datalist id={ (name) "-list" } { @for (value, text) in all { option value=(value) { (text) } } }
        };
        self.around(field, &input)
    }

    /// A box to be ticked.
    pub(super) fn tick(&self, field: Field<'_>) -> Markup {
        let Field { name, label, hint, required } = field;
        html! {
            div class="field box" {
                input type="checkbox" id=(name) name=(name) value="yes" required[required] checked[self.fields.given(name).is_some()] aria-describedby=[self.described(field)];
                label for=(name) { (label) @if !hint.is_empty() { " " span class="hint" id={ (name) "-hint" } { (hint) } } }
            }
        }
    }
}

/// One of this kind of change is asked about once more before it is made.
pub(super) fn danger(label: &str) -> Markup {
    html! { button class="danger" { (label) } }
}
