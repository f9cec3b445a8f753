//! What comes in with a form, or stands in an address.

use std::fmt;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Request};
use http::header::{CONTENT_TYPE, HOST, HeaderMap, ORIGIN};
use http::request::Parts;
use http_body_util::{BodyExt as _, Limited};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::refusal::Refusal;
use crate::model::Revision;

/// The longest form, in bytes: a policy is the longest thing that stands in one.
const LONGEST: usize = 2 * 1024 * 1024;
/// How many fields a form may have: of a page of keys, each with its box.
const MOST: usize = 2000;

/// Names and values, in their order.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields(Vec<(String, String)>);

/// What is wrong with the fields of a form: each with its field's name.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults(Vec<(&'static str, String)>);

impl Fields {
    pub(super) fn read(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).take(MOST).map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// With these values: what a form shows that nobody has filled in yet.
    pub(super) fn of<'a>(values: impl IntoIterator<Item = (&'a str, String)>) -> Self {
        Self(values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// The field's value without blanks around it; empty if there is none.
    pub(super) fn text(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// The field's value as it was sent; empty if there is none.
    pub(super) fn raw(&self, name: &str) -> &str {
        self.0.iter().find(|(called, _)| called == name).map_or("", |(_, value)| value)
    }

    /// The field's value, if anything was entered.
    pub(super) fn given(&self, name: &str) -> Option<&str> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    /// Every value of a field that may come several times.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(called, _)| called == name).map(|(_, value)| value.as_str())
    }

    /// What stands in the lines of a field, empty ones left out.
    pub(super) fn lines<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.all(name).flat_map(str::lines).map(str::trim).filter(|line| !line.is_empty())
    }

    /// The field's value with line ends as they are kept, noted if it is longer than so many characters.
    pub(super) fn short(&self, name: &'static str, longest: usize, faults: &mut Faults) -> String {
        let text = self.text(name).replace("\r\n", "\n");
        if text.chars().count() > longest {
            faults.note(name, format!("it is longer than {longest} characters"));
        }
        text
    }

    /// The revision of the thing that the form was made for.
    pub(super) fn at(&self) -> Option<Revision> {
        self.text("at").parse::<u64>().ok().map(Revision)
    }

    /// The field as such a value; what is wrong with it is noted.
    pub(super) fn parsed<T: FromStr<Err: fmt::Display>>(&self, name: &'static str, faults: &mut Faults) -> Option<T> {
        match self.text(name).parse::<T>() {
            Ok(value) => Some(value),
            Err(error) => {
                faults.note(name, error.to_string());
                None
            }
        }
    }

    /// The field as a time, if anything was entered: as browsers' fields have it, which is taken as UTC, or by RFC 3339. What is wrong with it
    /// is noted.
    pub(super) fn time(&self, name: &'static str, faults: &mut Faults) -> Option<Timestamp> {
        let text = self.given(name)?;
        let in_utc = || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp());
        let at = text.parse::<Timestamp>().ok().or_else(in_utc);
        if at.is_none() {
            faults.note(name, "a date and a time are needed, such as 2027-01-31T12:00");
        }
        at
    }

    /// Its lines as such values; what is wrong with them is noted.
    pub(super) fn parsed_lines<T: FromStr<Err: fmt::Display>>(&self, name: &'static str, faults: &mut Faults) -> Vec<T> {
        let mut values = Vec::new();
        for line in self.lines(name) {
            match line.parse::<T>() {
                Ok(value) => values.push(value),
                Err(error) => faults.note(name, error.to_string()),
            }
        }
        values
    }
}

impl Faults {
    pub(super) fn note(&mut self, field: &'static str, what: impl Into<String>) {
        self.0.push((field, what.into()));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(field, what)| (*field, what.as_str()))
    }

    /// What is wrong with this field.
    pub(super) fn of<'a>(&'a self, field: &'a str) -> impl Iterator<Item = &'a str> {
        self.iter().filter(move |(of, _)| *of == field).map(|(_, what)| what)
    }
}

/// What stands in a page's address behind the question mark.
pub(super) struct Query(pub(super) Fields);

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        Ok(Self(Fields::read(parts.uri.query().unwrap_or_default().as_bytes())))
    }
}

/// Reads a form that a page of this listener's has sent.
pub(super) async fn form(request: Request) -> Result<Fields, Refusal> {
    let (parts, body) = request.into_parts();
    if is_foreign(&parts.headers, parts.uri.authority().map(http::uri::Authority::as_str)) {
        return Err(Refusal::forged());
    }
    let kind = parts.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(Refusal::bad_form("a form comes as application/x-www-form-urlencoded"));
    }
    let read = Limited::new(body, LONGEST).collect().await;
    let bytes = read.map_err(|_| Refusal::bad_form(format!("the form is longer than {LONGEST} bytes, or has not come whole")))?;
    Ok(Fields::read(&bytes.to_bytes()))
}

/// Whether a browser says that a page from elsewhere has sent it. One that says nothing of it is no reason to refuse: the form's own token and the
/// cookie's `SameSite` are asked as well.
fn is_foreign(headers: &HeaderMap, authority: Option<&str>) -> bool {
    // W3C Fetch Metadata: what newer browsers say, whatever stands between them and here.
    if let Some(site) = headers.get("sec-fetch-site") {
        return site != "same-origin" && site != "none";
    }
    let Some(origin) = headers.get(ORIGIN) else { return false };
    let host = authority.map(str::as_bytes).or_else(|| headers.get(HOST).map(http::HeaderValue::as_bytes));
    let of = origin.as_bytes();
    let of = of.strip_prefix(b"http://").or_else(|| of.strip_prefix(b"https://"));
    of.is_none() || of != host
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_their_order_and_blanks_are_taken_from_their_ends() {
        let fields = Fields::read(b"name=+a+b+&id=1&id=2&groups=x%0D%0A%0D%0A+y+%0A&at=7&empty=");
        assert_eq!((fields.text("name"), fields.raw("name")), ("a b", " a b "));
        assert_eq!(fields.all("id").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(fields.lines("groups").collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!((fields.at(), fields.given("empty"), fields.given("none")), (Some(Revision(7)), None, None));
    }

    #[test]
    fn a_time_is_one_of_utc_unless_it_says_otherwise() {
        let read = |text: &str| {
            let (fields, mut faults) = (Fields::of([("at", text.to_owned())]), Faults::default());
            (fields.time("at", &mut faults).map(|at| at.to_string()), faults.is_empty())
        };
        assert_eq!(read("2027-01-31T12:00"), (Some("2027-01-31T12:00:00Z".to_owned()), true));
        assert_eq!(read("2027-01-31T12:00:30+02:00"), (Some("2027-01-31T10:00:30Z".to_owned()), true));
        assert_eq!(read(""), (None, true));
        assert_eq!(read("tomorrow"), (None, false));
    }

    #[test]
    fn a_form_from_elsewhere_is_told_by_what_browsers_say_of_it() {
        let said = |pairs: &[(&'static str, &'static str)]| {
            let lines = pairs.iter().map(|(name, value)| (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap()));
            is_foreign(&lines.collect(), None)
        };
        assert!(!said(&[]));
        assert!(!said(&[("sec-fetch-site", "same-origin"), ("origin", "https://c.example"), ("host", "c:8081")]), "behind a proxy");
        assert!(!said(&[("origin", "http://c:8081"), ("host", "c:8081")]));
        assert!(said(&[("sec-fetch-site", "cross-site")]));
        assert!(said(&[("sec-fetch-site", "same-site")]));
        assert!(said(&[("origin", "http://c:8082"), ("host", "c:8081")]));
        assert!(said(&[("origin", "null"), ("host", "c:8081")]));
    }
}
