//! A browser without script: it keeps a cookie, reads pages, fills forms in and follows where it is sent.

use std::fmt::Write as _;
use std::net::SocketAddr;

use crate::support::http::{self, Answer};
use crate::support::server::Server;

/// Somebody at a browser.
#[derive(Clone)]
pub(crate) struct Browser {
    pub(crate) address: SocketAddr,
    /// `name=value`, as it is sent back.
    pub(crate) cookie: Option<String>,
}

/// A form on a page, with what stands in its fields already.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) method: String,
    pub(crate) action: String,
    pub(crate) fields: Vec<(String, String)>,
}

impl Browser {
    pub(crate) fn at(server: &Server) -> Self {
        Self { address: server.admin(), cookie: None }
    }

    /// Signed in with this key.
    pub(crate) fn signed_in(server: &Server, key: &str) -> Self {
        let mut browser = Self::at(server);
        let answer = browser.sign_in(key);
        assert_eq!(answer.status, 303, "{}", answer.text());
        browser
    }

    /// A root admin who has signed in.
    pub(crate) fn of_root(server: &Server) -> Self {
        Self::signed_in(server, &server.key("root", &["--bind", "space-admin@root"]).text)
    }

    pub(crate) fn sign_in(&mut self, key: &str) -> Answer {
        let answer = self.post("/sign-in", &[("key", key)]);
        if let Some(cookie) = answer.header("set-cookie") {
            self.cookie = Some(cookie.split(';').next().unwrap().to_owned());
        }
        answer
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[("Accept", "text/html")], "")
    }

    /// A page that is there.
    pub(crate) fn page(&self, path: &str) -> String {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {:?} {}", answer.header("location"), answer.text());
        answer.text()
    }

    pub(crate) fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.post_with(path, fields, &[])
    }

    pub(crate) fn post_with(&self, path: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Answer {
        let encoded: Vec<String> = fields.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        let mut all = vec![("Accept", "text/html"), ("Content-Type", "application/x-www-form-urlencoded")];
        all.extend(headers);
        self.send("POST", path, &all, &encoded.join("&"))
    }

    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n", self.address, body.len());
        if let Some(cookie) = &self.cookie {
            write!(request, "Cookie: {cookie}\r\n").unwrap();
        }
        for (name, value) in headers {
            write!(request, "{name}: {value}\r\n").unwrap();
        }
        write!(request, "\r\n{body}").unwrap();
        http::exchange(self.address, request.as_bytes())
    }

    /// Fills in the form of this action on this page, in the place of what stands there, and sends it.
    pub(crate) fn fill_in(&self, page: &str, action: &str, entered: &[(&str, &str)]) -> Answer {
        let form = form(&self.page(page), action);
        self.submit(&form, entered)
    }

    pub(crate) fn submit(&self, form: &Form, entered: &[(&str, &str)]) -> Answer {
        let replaced = |name: &str| entered.iter().any(|(other, _)| *other == name);
        let kept = form.fields.iter().filter(|(name, _)| !replaced(name)).map(|(name, value)| (name.as_str(), value.as_str()));
        let all: Vec<(&str, &str)> = kept.chain(entered.iter().copied()).collect();
        assert_eq!(form.method, "post", "{form:?}");
        self.post(&form.action, &all)
    }

    /// The same, which must be taken: the page that it leads to.
    pub(crate) fn done(&self, page: &str, action: &str, entered: &[(&str, &str)]) -> String {
        let answer = self.fill_in(page, action, entered);
        assert_eq!(answer.status, 303, "{page} {action} {entered:?}: {}", answer.text());
        self.page(answer.header("location").unwrap())
    }
}

/// The form on a page that changes something by this action.
pub(crate) fn form(page: &str, action: &str) -> Form {
    let found = forms(page).into_iter().find(|form| form.action == action && form.method == "post");
    found.unwrap_or_else(|| {
        panic!("no form with action {action} among {:?}", forms(page).iter().map(|form| &form.action).collect::<Vec<_>>())
    })
}

/// Every form of a page.
pub(crate) fn forms(page: &str) -> Vec<Form> {
    let mut forms = Vec::new();
    for part in page.split("<form ").skip(1) {
        let (head, rest) = part.split_once('>').unwrap();
        let body = rest.split("</form>").next().unwrap();
        let mut fields = Vec::new();
        for input in body.split("<input ").skip(1) {
            let tag = input.split('>').next().unwrap();
            if ["hidden", "text", "datetime-local"].contains(&attribute(tag, "type").as_str()) {
                fields.push((attribute(tag, "name"), attribute(tag, "value")));
            }
        }
        for area in body.split("<textarea ").skip(1) {
            let (tag, text) = area.split_once('>').unwrap();
            let text = text.split("</textarea>").next().unwrap();
            fields.push((attribute(tag, "name"), unescaped(text.strip_prefix('\n').unwrap_or(text))));
        }
        for select in body.split("<select ").skip(1) {
            let (tag, options) = select.split_once('>').unwrap();
            let options = options.split("</select>").next().unwrap();
            let tags: Vec<&str> = options.split("<option ").skip(1).map(|option| option.split('>').next().unwrap()).collect();
            let chosen = tags.iter().find(|tag| tag.contains(" selected")).or(tags.first());
            fields.push((attribute(tag, "name"), chosen.map(|tag| attribute(tag, "value")).unwrap_or_default()));
        }
        let method = attribute(head, "method");
        forms.push(Form { method, action: attribute(head, "action"), fields });
    }
    forms
}

fn attribute(tag: &str, name: &str) -> String {
    let begins = format!("{name}=\"");
    let found = tag.find(&begins).filter(|at| *at == 0 || tag[..*at].ends_with(' '));
    let value = found.map(|at| &tag[at + begins.len()..]).and_then(|rest| rest.split('"').next()).unwrap_or_default();
    unescaped(value)
}

/// What a page shows of a text that was escaped.
pub(crate) fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'").replace("&amp;", "&")
}

/// For a form's body (WHATWG URL, application/x-www-form-urlencoded).
pub(crate) fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' => encoded.push(char::from(byte)),
            _ => write!(encoded, "%{byte:02X}").unwrap(),
        }
    }
    encoded
}

/// What stands in the element with this id.
pub(crate) fn text_of(page: &str, id: &str) -> String {
    let at = page.find(&format!("id=\"{id}\"")).unwrap_or_else(|| panic!("nothing is called {id} in {page}"));
    let rest = &page[at..];
    let begin = rest.find('>').unwrap() + 1;
    unescaped(rest[begin..].split('<').next().unwrap())
}
