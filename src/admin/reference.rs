//! The description of the API as a page that people read: no script, and nothing from elsewhere.

use std::fmt::Write as _;

use serde_json::Value;

pub(super) const STYLE: &str = include_str!("reference.css");

/// The page. It shows what the JSON says, and nothing else.
pub(super) fn page(api: &Value) -> String {
    let mut page = String::from("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">");
    page.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
    page.push_str("<title>Claviger admin API</title><link rel=\"stylesheet\" href=\"/api/reference.css\"></head><body><main>");
    let _ = write!(page, "<h1>{}</h1><p>{}</p>", text(part(part(api, "info"), "title")), text(part(part(api, "info"), "description")));
    page.push_str("<p>For programs: <a href=\"/openapi.json\">/openapi.json</a> (OpenAPI 3.1).</p>");
    let mut last = String::new();
    for (path, item) in part(api, "paths").as_object().into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            let tag = operation.pointer("/tags/0").and_then(Value::as_str).unwrap_or_default();
            if tag != last {
                let _ = write!(page, "<h2 id=\"{0}\">{0}</h2>", escaped(tag));
                tag.clone_into(&mut last);
            }
            operation_of(&mut page, path, method, operation, api);
        }
    }
    page.push_str("</main></body></html>\n");
    page
}

fn operation_of(page: &mut String, path: &str, method: &str, operation: &Value, api: &Value) {
    let method = method.to_ascii_uppercase();
    let summary = part(operation, "summary").as_str().or(part(operation, "description").as_str()).unwrap_or_default();
    let _ = write!(page, "<details><summary><b>{method}</b> <code>/api/v1{}</code> {}</summary>", escaped(path), escaped(summary));
    let parameters: Vec<&Value> = part(operation, "parameters").as_array().into_iter().flatten().collect();
    if !parameters.is_empty() {
        page.push_str("<table><tr><th>Parameter</th><th>In</th><th>Meaning</th></tr>");
        for parameter in parameters {
            let (name, place, what) = (text(part(parameter, "name")), text(part(parameter, "in")), text(part(parameter, "description")));
            let _ = write!(page, "<tr><td><code>{name}</code></td><td>{place}</td><td>{what}</td></tr>");
        }
        page.push_str("</table>");
    }
    let body = part(part(part(part(operation, "requestBody"), "content"), "application/json"), "schema");
    if !body.is_null() {
        page.push_str("<p>Body:</p>");
        schema(page, resolved(body, api), api);
    }
    for (status, response) in part(operation, "responses").as_object().into_iter().flatten() {
        let _ = write!(page, "<p><b>{}</b> <span class=\"quiet\">{}</span></p>", escaped(status), text(part(response, "description")));
        for content in part(response, "content").as_object().into_iter().flat_map(|all| all.values()) {
            schema(page, resolved(part(content, "schema"), api), api);
        }
    }
    page.push_str("</details>");
}

/// The fields of an object, a row for each.
fn schema(page: &mut String, schema: &Value, api: &Value) {
    let parts: Vec<&Value> = match part(schema, "allOf").as_array() {
        Some(all) => all.iter().map(|part| resolved(part, api)).collect(),
        None => vec![schema],
    };
    page.push_str("<table>");
    for fields in parts {
        let required: Vec<&str> = part(fields, "required").as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (name, field) in part(fields, "properties").as_object().into_iter().flatten() {
            let needed = if required.contains(&name.as_str()) { "" } else { " <span class=\"quiet\">(optional)</span>" };
            let kind = kind(field);
            let _ = write!(
                page,
                "<tr><td><code>{}</code>{needed}</td><td>{}</td><td>{}</td></tr>",
                escaped(name),
                escaped(&kind),
                text(part(field, "description"))
            );
        }
    }
    page.push_str("</table>");
}

fn kind(field: &Value) -> String {
    if let Some(reference) = part(field, "$ref").as_str() {
        return reference.rsplit('/').next().unwrap_or_default().to_owned();
    }
    match part(field, "type") {
        Value::String(kind) if kind == "array" => format!("list of {}", kind_of_items(field)),
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => String::new(),
    }
}

fn kind_of_items(field: &Value) -> String {
    kind(part(field, "items"))
}

fn resolved<'a>(schema: &'a Value, api: &'a Value) -> &'a Value {
    let name = part(schema, "$ref").as_str().and_then(|reference| reference.rsplit('/').next());
    name.map_or(schema, |name| part(part(part(api, "components"), "schemas"), name))
}

/// A member of an object; null if there is none.
fn part<'a>(of: &'a Value, name: &str) -> &'a Value {
    of.get(name).unwrap_or(&Value::Null)
}

fn text(value: &Value) -> String {
    escaped(value.as_str().unwrap_or_default())
}

/// For HTML, in an element or in an attribute between double quotes.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
