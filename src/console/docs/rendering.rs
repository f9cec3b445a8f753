//! From Markdown to HTML: headings that can be linked to, links that lead to pages of the console, and nothing but text for the rest.

use std::collections::HashSet;

use maud::{Markup, PreEscaped, html};
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd};

use super::document::Document;

/// A page's text, as it is shown. It is the project's own; what it holds of HTML is shown as text all the same.
pub(super) fn rendered(page: Document) -> Markup {
    let events: Vec<Event<'_>> = Parser::new_ext(page.text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH).collect();
    let mut places = Places::default();
    // Of each link that is open, whether it leads somewhere.
    let mut links: Vec<bool> = Vec::new();
    let mut shown = Vec::new();
    for (number, event) in events.iter().enumerate() {
        match event {
            // A remark to whoever writes the page is nothing to read.
            Event::Html(text) | Event::InlineHtml(text) if text.trim_start().starts_with("<!--") => {}
            Event::Html(text) | Event::InlineHtml(text) => shown.push(Event::Text(text.clone())),
            Event::Start(Tag::HtmlBlock | Tag::Image { .. }) | Event::End(TagEnd::HtmlBlock | TagEnd::Image) => {}
            Event::Start(Tag::Heading { level, classes, attrs, .. }) => {
                let id = Some(CowStr::from(places.take(&heading(events.iter().skip(number + 1)))));
                shown.push(Event::Start(Tag::Heading { level: *level, id, classes: classes.clone(), attrs: attrs.clone() }));
            }
            Event::Start(Tag::Link { dest_url, .. }) => {
                let tag = link(page, dest_url);
                links.push(tag.is_some());
                shown.extend(tag.map(|tag| Event::InlineHtml(tag.into())));
            }
            Event::End(TagEnd::Link) => {
                if links.pop() == Some(true) {
                    shown.push(Event::InlineHtml("</a>".into()));
                }
            }
            Event::Start(Tag::Table(_)) => shown.extend([Event::Html("<div class=\"table\" tabindex=\"0\">".into()), event.clone()]),
            Event::End(TagEnd::Table) => shown.extend([event.clone(), Event::Html("</div>".into())]),
            Event::Start(_)
            | Event::End(_)
            | Event::Text(_)
            | Event::Code(_)
            | Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::FootnoteReference(_)
            | Event::SoftBreak
            | Event::HardBreak
            | Event::Rule
            | Event::TaskListMarker(_) => shown.push(event.clone()),
        }
    }
    let mut text = String::new();
    pulldown_cmark::html::push_html(&mut text, shown.into_iter());
    // What is too wide scrolls, for those without a mouse, too. Of a page's own text, no such tag comes here: it is escaped.
    // A heading that says nothing heads nothing.
    PreEscaped(text.replace("<pre>", "<pre tabindex=\"0\">").replace("<th></th>", "<td></td>"))
}

/// What stands in a heading, from behind its beginning.
fn heading<'a, 'b: 'a>(events: impl Iterator<Item = &'a Event<'b>>) -> String {
    let inside = events.take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_))));
    let texts = inside.filter_map(|event| if let Event::Text(text) | Event::Code(text) = event { Some(text.as_ref()) } else { None });
    texts.collect()
}

/// Names of headings, each once.
#[derive(Default)]
struct Places(HashSet<String>);

impl Places {
    /// As it is made of a heading where the repository is read, so that links lead to the same place here and there.
    fn take(&mut self, heading: &str) -> String {
        let sign = |sign: char| match sign {
            ' ' => Some('-'),
            sign if sign.is_alphanumeric() || sign == '-' || sign == '_' => Some(sign),
            _ => None,
        };
        let name: String = heading.to_lowercase().chars().filter_map(sign).collect();
        let (mut taken, mut number) = (name.clone(), 0_u32);
        while !self.0.insert(taken.clone()) {
            number += 1;
            taken = format!("{name}-{number}");
        }
        taken
    }
}

/// The tag that begins a link; none where what it names is not here.
fn link(page: Document, url: &str) -> Option<String> {
    let tag = if url.starts_with("https://") || url.starts_with("http://") {
        html! { a href=(url) rel="noopener noreferrer" {} }
    } else {
        let (name, place) = page.target(url)?;
        let path = if name.is_empty() { "/docs".to_owned() } else { format!("/docs/{name}") };
        let place = place.map(|place| format!("#{place}")).unwrap_or_default();
        html! { a href={ (path) (place) } {} }
    };
    tag.into_string().strip_suffix("</a>").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &'static str) -> String {
        rendered(Document { name: "audit", text }).into_string()
    }

    fn has_place(page: &str, place: &str) -> bool {
        page.contains(&format!("id=\"{place}\""))
    }

    #[test]
    fn every_link_on_every_page_leads_to_a_page_and_a_place_that_are_there() {
        let pages: Vec<(&str, String)> = Document::all().map(|page| (page.name, rendered(page).into_string())).collect();
        let mut broken = Vec::new();
        for (name, page) in &pages {
            let hrefs = page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
            for href in hrefs.filter(|href| !href.contains("://")) {
                let (path, place) = href.split_once('#').map_or((href, None), |(path, place)| (path, Some(place)));
                let target = path.strip_prefix("/docs").unwrap().trim_start_matches('/');
                let leads = match (pages.iter().find(|(name, _)| *name == target), place) {
                    (None, place) => target.is_empty() && place.is_none_or(|place| ["errors", "runbooks"].contains(&place)),
                    (Some(_), None) => true,
                    (Some((_, page)), Some(place)) => has_place(page, place),
                };
                if !leads {
                    broken.push(format!("{name}: {href}"));
                }
            }
        }
        assert!(broken.is_empty(), "{broken:#?}");
    }

    #[test]
    fn what_is_no_page_here_is_known() {
        let not_here = ["ARCHITECTURE.md", "SECURITY.md", "CONTRIBUTING.md", "LICENSE", "claviger.toml", "access.schema.json"];
        for page in Document::all() {
            for target in page.text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
                if target.contains("://") || target.contains(char::is_whitespace) || page.target(target).is_some() {
                    continue;
                }
                assert!(not_here.iter().any(|name| target.ends_with(name)), "{}: {target}", page.name);
            }
        }
    }

    #[test]
    fn a_page_has_one_heading_of_the_first_level() {
        for page in Document::all() {
            assert_eq!(rendered(page).into_string().matches("<h1").count(), 1, "{}", page.name);
        }
    }

    #[test]
    fn a_column_without_a_name_has_no_heading() {
        let page = shown("# A\n\n| field | |\n|---|---|\n| a | b |\n");
        assert!(page.contains("<th>field</th><td></td>") && !page.contains("<th></th>"), "{page}");
    }

    #[test]
    fn html_is_shown_as_text_and_pictures_are_left_out() {
        let page = shown(
            "# A\n\nx <b onclick=\"y\">z</b> ![alt](https://elsewhere.example/a.png)\n\n<script>alert(1)</script>\n\n<!-- a remark -->\n",
        );
        assert!(page.contains("&lt;b onclick=") && page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{page}");
        assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("elsewhere") && !page.contains("a remark"), "{page}");
    }

    #[test]
    fn links_elsewhere_say_nothing_of_where_they_are_followed_from() {
        let page = shown("[a](https://elsewhere.example/?a=1&c) [b](errors.md#denied) [c](../src/x.rs)");
        assert!(page.contains("<a href=\"https://elsewhere.example/?a=1&amp;c\" rel=\"noopener noreferrer\">a</a>"), "{page}");
        assert!(page.contains("<a href=\"/docs/errors#denied\">b</a> c"), "{page}");
        for text in ["[a](javascript:alert(1))", "[a](javascript://x)", "[a](//elsewhere.example)", "[a](data:text/html,x)"] {
            assert!(!shown(text).contains("<a"), "{text}");
        }
    }

    #[test]
    fn headings_are_called_as_where_the_repository_is_read() {
        let page = shown("# On `several` machines, too\n\n## Same\n\n## Same\n\n## `too_large`");
        for id in ["on-several-machines-too", "same", "same-1", "too_large"] {
            assert!(has_place(&page, id), "{id}: {page}");
        }
    }
}
