//! Which pages there are, what they are called, and where links between them lead.

/// A page of the documentation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Document {
    /// As addresses have it: `audit`, `errors/not_found`, `README`.
    pub(super) name: &'static str,
    /// Markdown.
    pub(super) text: &'static str,
}

/// Made of the folder `docs` when the program is built.
static ALL: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/documents.rs"));

impl Document {
    pub(super) fn all() -> impl Iterator<Item = Self> {
        ALL.iter().map(|(name, text)| Self { name, text })
    }

    pub(super) fn called(name: &str) -> Option<Self> {
        Self::all().find(|page| page.name == name)
    }

    /// Its first heading.
    pub(super) fn title(self) -> &'static str {
        self.text.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or(self.name)
    }

    pub(super) fn folder(self) -> Option<&'static str> {
        self.name.split_once('/').map(|(folder, _)| folder)
    }

    /// Where a link on it leads that names another file of the repository: the page's name, which is empty for the list of all, and the place
    /// on it. `None`: to no page.
    pub(super) fn target(self, link: &str) -> Option<(String, Option<String>)> {
        let (file, place) = link.split_once('#').map_or((link, None), |(file, place)| (file, Some(place.to_owned())));
        if file.is_empty() {
            return Some((self.name.to_owned(), place));
        }
        // As paths of the repository: the README stands above `docs`.
        let mut path: Vec<&str> = if self.name == "README" { Vec::new() } else { vec!["docs"] };
        path.extend(self.folder());
        for step in file.split('/').filter(|step| !step.is_empty() && *step != ".") {
            if step == ".." {
                path.pop()?;
            } else {
                path.push(step);
            }
        }
        match path.as_slice() {
            ["README.md"] => Some(("README".to_owned(), place)),
            ["docs"] => Some((String::new(), place)),
            // A folder's pages stand in the list of all.
            ["docs", folder @ ("errors" | "runbooks")] => Some((String::new(), Some((*folder).to_owned()))),
            ["docs", rest @ ..] => {
                let name = rest.join("/");
                Self::called(name.strip_suffix(".md")?).map(|page| (page.name.to_owned(), place))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_page_of_the_folder_is_there_and_has_a_title() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut files = vec![root.join("README.md")];
        for folder in ["docs", "docs/errors", "docs/runbooks"] {
            let entries = std::fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
            files.extend(entries.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
        }
        assert_eq!(files.len(), ALL.len());
        for file in files {
            let name = file.strip_prefix(root).unwrap().with_extension("");
            let name = name.strip_prefix("docs").unwrap_or(&name).to_str().unwrap();
            let page = Document::called(name).unwrap_or_else(|| panic!("there is no page {name}"));
            assert_eq!(page.text, std::fs::read_to_string(&file).unwrap(), "{name}");
            assert!(page.text.starts_with(&format!("# {}\n", page.title())), "{name}");
        }
    }

    #[test]
    fn what_explains_a_page_of_the_console_is_there() {
        for (place, name) in crate::console::shell::HELP {
            assert!(Document::called(name).is_some(), "{place}: {name}");
        }
    }

    #[test]
    fn links_are_found_from_where_they_stand() {
        let from = |page: &str, link: &str| Document::called(page).unwrap().target(link);
        let to = |name: &str, place: Option<&str>| Some((name.to_owned(), place.map(str::to_owned)));
        assert_eq!(from("audit", "admin-api.md#pages"), to("admin-api", Some("pages")));
        assert_eq!(from("errors/too_early", "../signing-keys.md"), to("signing-keys", None));
        assert_eq!(from("README", "docs/errors.md"), to("errors", None));
        assert_eq!(from("audit", "errors/"), to("", Some("errors")));
        assert_eq!(from("audit", "../README.md"), to("README", None));
        assert_eq!(from("audit", "#hashes"), to("audit", Some("hashes")));
        for link in ["../src/ARCHITECTURE.md", "../../etc/passwd", "../../../x.md", "nothing.md", "access.schema.json"] {
            assert_eq!(from("audit", link), None, "{link}");
        }
    }
}
