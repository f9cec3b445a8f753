//! Lists, a page at a time. A cursor names the last item of a page, so that pages neither skip nor repeat what stays, whatever changes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::problem::ApiError;

/// How many items a page has if nothing is said, and at most.
const USUAL: u32 = 100;
const MOST: u32 = 500;

/// Which page of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    /// How many items at most; else 100.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Only items that this text stands in, letter by letter.
    q: Option<String>,
}

impl PageQuery {
    pub(super) fn limit(&self) -> Result<u32, ApiError> {
        limit(self.limit)
    }

    /// The last item of the page before.
    pub(super) fn after<A: std::str::FromStr>(&self) -> Result<Option<A>, ApiError> {
        after(self.cursor.as_deref())
    }

    pub(super) fn text(&self) -> Option<String> {
        self.q.clone().filter(|text| !text.is_empty())
    }

    /// The page of a list that is at hand as a whole, in the order of what items are called.
    pub(super) fn of<T, A: std::str::FromStr + Ord + ToString>(
        &self,
        items: impl Iterator<Item = T>,
        called: impl Fn(&T) -> A,
        holds: impl Fn(&T, &str) -> bool,
    ) -> Result<Page<T>, ApiError> {
        let (limit, after, text) = (self.limit()?, self.after::<A>()?, self.text());
        let later = items
            .filter(|item| after.as_ref().is_none_or(|after| called(item) > *after))
            .filter(|item| text.as_deref().is_none_or(|text| holds(item, text)))
            .take(limit as usize + 1)
            .collect();
        Ok(Page::of(later, limit, |item| called(item).to_string()))
    }
}

pub(super) fn limit(limit: Option<u32>) -> Result<u32, ApiError> {
    let limit = limit.unwrap_or(USUAL);
    if (1..=MOST).contains(&limit) { Ok(limit) } else { Err(ApiError::bad_request(format!("limit must be from 1 to {MOST}"))) }
}

pub(super) fn after<A: std::str::FromStr>(cursor: Option<&str>) -> Result<Option<A>, ApiError> {
    let Some(cursor) = cursor.filter(|cursor| !cursor.is_empty()) else { return Ok(None) };
    let read = || String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?.parse().ok();
    read().map(Some).ok_or_else(|| ApiError::bad_request("cursor must be the next_cursor of a page before"))
}

/// A page of a list.
#[derive(Serialize, ToSchema)]
pub(super) struct Page<T> {
    items: Vec<T>,
    /// For the page after this one; null if this is the last.
    next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// `items` are those of the page, and one more if there is another page.
    pub(super) fn of(mut items: Vec<T>, limit: u32, called: impl Fn(&T) -> String) -> Self {
        let limit = limit as usize;
        let is_last = items.len() <= limit;
        items.truncate(limit);
        let next_cursor = items.last().filter(|_| !is_last).map(|item| URL_SAFE_NO_PAD.encode(called(item)));
        Self { items, next_cursor }
    }

    pub(super) fn map<U>(self, of: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(of).collect(), next_cursor: self.next_cursor }
    }
}

impl<T> Page<T> {
    /// The same, where there may be more though nothing more was found.
    pub(super) fn going_on_after(self, last: &str) -> Self {
        let next_cursor = self.next_cursor.or_else(|| Some(URL_SAFE_NO_PAD.encode(last)));
        Self { items: self.items, next_cursor }
    }
}
