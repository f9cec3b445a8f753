//! Values of headers that are others each time.

use http::HeaderValue;

/// Marks a value as one that does not come again.
///
/// Over HTTP/2, what has been said is kept to be referred to (RFC 7541, section 2.3.2), and whatever is said under a name is compared with all that
/// was said under it. A value that is another one each time fills that table with what nobody refers to: it is said as one that is never kept.
pub(crate) fn mark_unrepeated(value: &mut HeaderValue) {
    value.set_sensitive(true);
}
