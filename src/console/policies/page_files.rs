//! What pages of policies are shown with, beside what all pages have.

use maud::{Markup, html};

use crate::console::assets;

/// The page with its own styles and its script.
pub(super) fn with_files(body: &Markup) -> Markup {
    html! {
        link rel="stylesheet" href=(assets::path("policy.css"));
        (body)
        script type="module" src=(assets::path("policy.js")) {}
    }
}
