//! The list of the pages, and one of them.

use axum::extract::Path;
use axum::response::Response;
use maud::{Markup, html};

use super::document::Document;
use super::rendering::rendered;
use crate::console::refusal::Refusal;
use crate::console::visit::Visit;

/// Folders of pages, each with what they are.
const FOLDERS: [(&str, &str); 2] = [("errors", "Refusals of the admin API"), ("runbooks", "When an alert comes")];

pub(super) async fn list(visit: Visit) -> Response {
    let in_folder = |folder: Option<&str>| {
        let mut pages: Vec<Document> = Document::all().filter(|page| page.folder() == folder).collect();
        pages.sort_by_key(|page| page.title().to_lowercase());
        pages
    };
    let body = html! {
        h1 { "Help" }
        p { "The documentation of this very version, " (env!("CARGO_PKG_VERSION")) "." }
        (titles(&in_folder(None)))
        @for (folder, title) in FOLDERS {
            h2 id=(folder) { (title) }
            (titles(&in_folder(Some(folder))))
        }
    };
    visit.page("Help", &body)
}

fn titles(pages: &[Document]) -> Markup {
    html! { ul { @for page in pages { li { a href={ "/docs/" (page.name) } { (page.title()) } } } } }
}

pub(super) async fn page(visit: Visit, Path(name): Path<String>) -> Result<Response, Refusal> {
    one(&visit, &name)
}

pub(super) async fn page_in_folder(visit: Visit, Path((folder, name)): Path<(String, String)>) -> Result<Response, Refusal> {
    one(&visit, &format!("{folder}/{name}"))
}

fn one(visit: &Visit, name: &str) -> Result<Response, Refusal> {
    let page = Document::called(name).ok_or_else(|| Refusal::not_found("there is no such page of the documentation"))?;
    let body = html! {
        p { a href="/docs" { "Help" } }
        article class="document" { (rendered(page)) }
    };
    Ok(visit.page(page.title(), &body))
}
