//! Arguments whose own syntax says that a builtin cannot take them. OPA refuses such a call when it loads a policy.

use regorus::unstable::Expr;

use super::rules::Rules;
use super::{Faults, ast, calls};

/// What an argument may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Text,
    Number,
    Array,
    Object,
    /// An object of texts.
    TextsByText,
    /// An array or a set.
    Items,
    /// An array or a set of texts.
    Texts,
    /// An array or a set of numbers.
    Numbers,
    /// A text, or an array or a set of texts.
    TextOrTexts,
    /// Anything that has a size.
    Sized,
    /// A number, or an array of a number and a zone.
    Moment,
    /// A number, a text, a boolean or null.
    Scalar,
    /// An array of texts, or null.
    Delimiters,
}

impl Wanted {
    fn noun(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Number => "a number",
            Self::Array => "an array",
            Self::Object => "an object",
            Self::TextsByText => "an object of strings",
            Self::Items => "an array or a set",
            Self::Texts => "an array or a set of strings",
            Self::Numbers => "an array or a set of numbers",
            Self::TextOrTexts => "a string, or an array or a set of strings",
            Self::Sized => "a string, an array, a set or an object",
            Self::Moment => "nanoseconds, or an array of nanoseconds and the name of a zone",
            Self::Scalar => "a number, a string, a boolean or null",
            Self::Delimiters => "an array of strings, or null",
        }
    }

    /// Whether an expression could be that.
    fn fits(self, expr: &Expr) -> bool {
        let Some(kind) = kind(expr) else { return true };
        let all = |wanted: Self| items(expr).is_none_or(|items| items.iter().all(|item| wanted.fits(item)));
        let is_items = matches!(kind, Kind::Array | Kind::Set);
        match self {
            Self::Text => kind == Kind::Text,
            Self::Number => kind == Kind::Number,
            Self::Array => kind == Kind::Array,
            Self::Object => kind == Kind::Object,
            Self::TextsByText => {
                kind == Kind::Object
                    && match expr {
                        Expr::Object { fields, .. } => fields.iter().all(|(_, key, value)| Self::Text.fits(key) && Self::Text.fits(value)),
                        _ => true,
                    }
            }
            Self::Items => is_items,
            Self::Texts => is_items && all(Self::Text),
            Self::Numbers => is_items && all(Self::Number),
            Self::TextOrTexts => kind == Kind::Text || (is_items && all(Self::Text)),
            Self::Sized => !matches!(kind, Kind::Number | Kind::Bool | Kind::Null),
            Self::Moment => match (kind, items(expr).as_deref()) {
                (Kind::Number, _) | (Kind::Array, None) => true,
                (Kind::Array, Some([moment, zone])) => Self::Number.fits(moment) && Self::Text.fits(zone),
                _ => false,
            },
            Self::Scalar => matches!(kind, Kind::Number | Kind::Text | Kind::Bool | Kind::Null),
            Self::Delimiters => kind == Kind::Null || (kind == Kind::Array && all(Self::Text)),
        }
    }
}

/// What an expression is by its syntax.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Bool,
    Null,
    Array,
    Set,
    Object,
}

fn kind(expr: &Expr) -> Option<Kind> {
    Some(match expr {
        Expr::String { .. } | Expr::RawString { .. } => Kind::Text,
        Expr::Number { .. } => Kind::Number,
        Expr::Bool { .. } => Kind::Bool,
        Expr::Null { .. } => Kind::Null,
        Expr::Array { .. } | Expr::ArrayCompr { .. } => Kind::Array,
        Expr::Set { .. } | Expr::SetCompr { .. } => Kind::Set,
        Expr::Object { .. } | Expr::ObjectCompr { .. } => Kind::Object,
        _ => return None,
    })
}

/// The items of an array or a set that is written out.
fn items(expr: &Expr) -> Option<Vec<&Expr>> {
    match expr {
        Expr::Array { items, .. } | Expr::Set { items, .. } => Some(items.iter().map(AsRef::as_ref).collect()),
        _ => None,
    }
}

/// What the builtins take that login policies use.
fn wanted(name: &str) -> &'static [Wanted] {
    use Wanted::{Array, Delimiters, Items, Moment, Number, Numbers, Object, Scalar, Sized, Text, TextOrTexts, Texts, TextsByText};
    match name {
        "startswith"
        | "endswith"
        | "contains"
        | "indexof"
        | "indexof_n"
        | "split"
        | "trim"
        | "trim_left"
        | "trim_right"
        | "trim_prefix"
        | "trim_suffix"
        | "strings.count"
        | "regex.match"
        | "regex.split"
        | "re_match"
        | "net.cidr_contains"
        | "net.cidr_intersects"
        | "semver.compare"
        | "time.parse_ns"
        | "crypto.hmac.equal"
        | "crypto.hmac.sha1"
        | "crypto.hmac.sha256"
        | "crypto.hmac.sha512" => &[Text, Text],
        "lower"
        | "upper"
        | "trim_space"
        | "strings.reverse"
        | "json.unmarshal"
        | "base64.encode"
        | "base64.decode"
        | "base64.is_valid"
        | "base64url.encode"
        | "base64url.encode_no_pad"
        | "base64url.decode"
        | "hex.encode"
        | "hex.decode"
        | "net.cidr_expand"
        | "time.parse_rfc3339_ns"
        | "time.parse_duration_ns"
        | "glob.quote_meta"
        | "crypto.sha1"
        | "crypto.sha256" => &[Text],
        "replace" | "regex.replace" => &[Text, Text, Text],
        "substring" => &[Text, Number, Number],
        "concat" => &[Text, Texts],
        "sprintf" => &[Text, Array],
        "strings.replace_n" => &[TextsByText, Text],
        "strings.any_prefix_match" | "strings.any_suffix_match" => &[TextOrTexts, TextOrTexts],
        "regex.find_n" | "regex.find_all_string_submatch_n" => &[Text, Text, Number],
        "glob.match" => &[Text, Delimiters, Text],
        "count" => &[Sized],
        "sum" | "product" => &[Numbers],
        "max" | "min" | "sort" => &[Items],
        "abs" | "ceil" | "floor" | "round" | "bits.negate" => &[Number],
        "format_int" | "numbers.range" | "bits.and" | "bits.or" | "bits.xor" | "bits.lsh" | "bits.rsh" => &[Number, Number],
        "numbers.range_step" => &[Number, Number, Number],
        "to_number" => &[Scalar],
        "array.concat" => &[Array, Array],
        "array.slice" => &[Array, Number, Number],
        "array.reverse" | "array.flatten" => &[Array],
        "object.get" | "object.keys" => &[Object],
        "object.union" => &[Object, Object],
        "time.clock" | "time.date" | "time.weekday" => &[Moment],
        "time.add_date" => &[Number, Number, Number, Number],
        "time.diff" => &[Moment, Moment],
        _ => &[],
    }
}

pub(super) fn check(rules: &Rules<'_>, faults: &mut Faults<'_>) {
    for definition in &rules.definitions {
        calls::visit(definition, &mut |expr| match expr {
            Expr::Call { fcn, params, .. } => {
                let Some(names) = ast::path(fcn) else { return };
                // A function of the policy's own may have the name of a builtin.
                if let [name] = names.as_slice()
                    && rules.kind(name).is_some()
                {
                    return;
                }
                let name = names.join(".");
                for (param, wanted) in params.iter().zip(wanted(&name)) {
                    if !wanted.fits(param) {
                        faults.push(param.span(), format!("`{name}` takes {} here", wanted.noun()));
                    }
                }
            }
            Expr::ArithExpr { lhs, rhs, .. } => {
                for side in [lhs, rhs] {
                    if kind(side).is_some_and(|kind| !matches!(kind, Kind::Number | Kind::Set)) {
                        faults.push(side.span(), "only numbers and sets can be computed with");
                    }
                }
            }
            _ => {}
        });
    }
}
