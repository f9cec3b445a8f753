//! What the builtins take and what they answer with, as OPA declares it.

use super::rego_type::Type::{self, Any, Bool, Null, Number, Text};

/// What a builtin takes, and its answer, where it has one.
pub(super) fn signature(name: &str) -> Option<(Vec<Type>, Type)> {
    let (array, set, object) = (Type::array, Type::set, Type::object);
    let either = |one: Type, other: Type| Type::one_of([one, other]);
    let any_object = || object(Any, Any);
    let items = |item: Type| either(array(item.clone()), set(item));
    let moment = || either(Number, Type::Tuple(vec![Number, Text]));
    let numbers = |count: usize| Type::Tuple(vec![Number; count]);
    let keys = || Type::one_of([array(Any), set(Any), any_object()]);
    let texts = || Type::one_of([Text, array(Text), set(Text)]);
    let paths = || items(either(Text, array(Any)));
    let networks = || {
        let one = || either(Text, array(Any));
        Type::one_of([Text, array(one()), set(one()), object(Text, one())])
    };
    Some(match name {
        "contains"
        | "crypto.hmac.equal"
        | "endswith"
        | "net.cidr_contains"
        | "net.cidr_intersects"
        | "re_match"
        | "regex.match"
        | "startswith" => (vec![Text, Text], Bool),
        "crypto.hmac.sha1" | "crypto.hmac.sha256" | "crypto.hmac.sha512" | "trim" | "trim_left" | "trim_prefix" | "trim_right"
        | "trim_suffix" => (vec![Text, Text], Text),
        "indexof" | "semver.compare" | "strings.count" | "time.parse_ns" => (vec![Text, Text], Number),
        "base64.decode"
        | "base64.encode"
        | "base64url.decode"
        | "base64url.encode"
        | "base64url.encode_no_pad"
        | "crypto.sha1"
        | "crypto.sha256"
        | "glob.quote_meta"
        | "hex.decode"
        | "hex.encode"
        | "lower"
        | "strings.reverse"
        | "trim_space"
        | "upper" => (vec![Text], Text),
        "base64.is_valid" | "json.is_valid" | "net.cidr_is_valid" | "regex.is_valid" => (vec![Text], Bool),
        "time.parse_duration_ns" | "time.parse_rfc3339_ns" => (vec![Text], Number),
        "regex.split" | "split" => (vec![Text, Text], array(Text)),
        "regex.replace" | "replace" => (vec![Text, Text, Text], Text),
        "abs" | "bits.negate" | "ceil" | "floor" | "round" => (vec![Number], Number),
        "bits.and" | "bits.lsh" | "bits.or" | "bits.rsh" | "bits.xor" => (vec![Number, Number], Number),
        "cast_boolean" | "is_array" | "is_boolean" | "is_null" | "is_number" | "is_object" | "is_set" | "is_string" | "semver.is_valid" => {
            (vec![Any], Bool)
        }
        "json.marshal" | "type_name" => (vec![Any], Text),
        "object.filter" | "object.remove" => (vec![any_object(), keys()], any_object()),
        "json.filter" | "json.remove" => (vec![any_object(), paths()], any_object()),
        "strings.any_prefix_match" | "strings.any_suffix_match" => (vec![texts(), texts()], Bool),
        "product" | "sum" => (vec![items(Number)], Number),
        "max" | "min" => (vec![items(Any)], Any),
        "intersection" | "union" => (vec![set(set(Any))], set(Any)),
        "all" | "any" => (vec![items(Any)], Bool),
        "array.flatten" | "array.reverse" => (vec![array(Any)], array(Any)),
        "time.clock" | "time.date" => (vec![moment()], numbers(3)),
        "array.concat" => (vec![array(Any), array(Any)], array(Any)),
        "array.slice" => (vec![array(Any), Number, Number], array(Any)),
        "cast_array" => (vec![Any], array(Any)),
        "cast_number" => (vec![Any], Number),
        "cast_null" => (vec![Any], Null),
        "concat" => (vec![Text, items(Text)], Text),
        "count" => (vec![Type::one_of([Text, array(Any), any_object(), set(Any)])], Number),
        "format_int" => (vec![Number, Number], Text),
        "glob.match" => (vec![Text, either(Null, array(Text)), Text], Bool),
        "indexof_n" => (vec![Text, Text], array(Number)),
        "json.marshal_with_options" => {
            let known = [("indent", Text), ("prefix", Text), ("pretty", Bool)].map(|(name, of)| (name.into(), of));
            (vec![Any, Type::Object(known.into(), Some(Box::new((Text, Any))))], Text)
        }
        "json.unmarshal" => (vec![Text], Any),
        "net.cidr_contains_matches" => (vec![networks(), networks()], set(Type::Tuple(vec![Any, Any]))),
        "net.cidr_expand" => (vec![Text], set(Text)),
        "net.cidr_merge" => (vec![items(Text)], set(Text)),
        "numbers.range" => (vec![Number, Number], array(Number)),
        "numbers.range_step" => (vec![Number, Number, Number], array(Number)),
        "object.get" => (vec![any_object(), Any, Any], Any),
        "object.keys" => (vec![any_object()], set(Any)),
        "object.subset" => (vec![keys(), keys()], Bool),
        "object.union" => (vec![any_object(), any_object()], any_object()),
        "object.union_n" => (vec![array(any_object())], any_object()),
        "regex.find_all_string_submatch_n" => (vec![Text, Text, Number], array(array(Text))),
        "regex.find_n" => (vec![Text, Text, Number], array(Text)),
        "set_diff" => (vec![set(Any), set(Any)], set(Any)),
        "sort" => (vec![items(Any)], array(Any)),
        "sprintf" => (vec![Text, array(Any)], Text),
        "strings.replace_n" => (vec![object(Text, Text), Text], Text),
        "substring" => (vec![Text, Number, Number], Text),
        "time.add_date" => (vec![Number, Number, Number, Number], Number),
        "time.diff" => (vec![moment(), moment()], numbers(6)),
        "time.format" => (vec![Type::one_of([moment(), Type::Tuple(vec![Number, Text, Text])])], Text),
        "time.weekday" => (vec![moment()], Text),
        "to_number" => (vec![Type::one_of([Null, Bool, Number, Text])], Number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::builtins;

    #[test]
    fn every_builtin_has_a_signature_with_its_number_of_arguments() {
        for name in builtins::names() {
            let taken = signature(name).map(|(arguments, _)| arguments.len());
            assert_eq!(taken, builtins::arity(name).ok(), "{name}");
        }
    }
}
