//! The OpenAPI 3.1 description of the whole API, generated from the routes.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use utoipa::OpenApi;
use utoipa::openapi::RefOr;
use utoipa::openapi::security::Http;
use utoipa::openapi::security::HttpAuthScheme;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::security::SecurityScheme;

/// The address of the description.
pub(in super::super) const PATH: &str = "/api/v1/openapi.json";

const JSON: &str = "application/json";
const PROBLEM_JSON: &str = "application/problem+json";

/// The schema of a problem document.
const PROBLEM: &str = "#/components/schemas/ProblemJson";

/// The general part of the description.
#[derive(OpenApi)]
#[openapi(info(
    title = "jobcontrol",
    description = "Jobs, builds, runs and their logs. Errors are problem documents (RFC 9457). Requests to a loopback \
                   address need no token while the store has none.",
))]
struct Head;

/// Returns the description of these routes as JSON text.
pub(in super::super) fn describe(routes: utoipa::openapi::OpenApi) -> Bytes {
    let mut whole = Head::openapi();
    whole.merge(routes);
    whole.info.version = env!("CARGO_PKG_VERSION").to_owned();
    let components = whole.components.get_or_insert_default();
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    components.security_schemes.insert("token".to_owned(), RefOr::T(bearer));
    let none: [&str; 0] = [];
    whole.security = Some(vec![SecurityRequirement::new("token", none), SecurityRequirement::default()]);
    // A description that the compiler generated can always be serialized.
    let mut whole = serde_json::to_value(&whole).unwrap_or_default();
    let paths = whole.get_mut("paths").and_then(Value::as_object_mut);
    let items = paths.into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut);
    let operations = items.flat_map(|item| item.iter_mut().filter(|(method, _)| *method != "parameters"));
    for responses in operations.filter_map(|(_, operation)| operation.get_mut("responses")?.as_object_mut()) {
        responses.values_mut().for_each(tell_problem);
        responses.insert("default".to_owned(), any_problem());
    }
    widen(&mut whole);
    serde_json::to_vec_pretty(&whole).unwrap_or_default().into()
}

/// Corrects the format of unsigned numbers, which may exceed `int64`.
fn widen(value: &mut Value) {
    match value {
        Value::Object(entries) => {
            if entries.get("minimum") == Some(&json!(0)) && entries.get("format") == Some(&json!("int64")) {
                entries.insert("format".to_owned(), json!("uint64"));
            }
            entries.values_mut().for_each(widen);
        }
        Value::Array(items) => items.iter_mut().for_each(widen),
        _ => {}
    }
}

/// Gives problem documents the content type that they are sent with.
fn tell_problem(response: &mut Value) {
    let Some(content) = response.get_mut("content").and_then(Value::as_object_mut) else { return };
    let is_problem = |schema: &Value| schema.pointer("/schema/$ref").is_some_and(|place| place == PROBLEM);
    if content.get(JSON).is_some_and(is_problem)
        && let Some(schema) = content.remove(JSON)
    {
        content.insert(PROBLEM_JSON.to_owned(), schema);
    }
}

/// Describes the responses that any request may get, such as those without a token or over the rate
/// limit.
fn any_problem() -> Value {
    json!({
        "description": "A problem with any other status, such as 401 without a token, or 429",
        "content": { PROBLEM_JSON: { "schema": { "$ref": PROBLEM } } },
    })
}

/// Builds the response with the description.
pub(in super::super) fn response(text: Bytes) -> Response {
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    response
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::super::gate::HEALTH;
    use super::super::base::BASE;
    use super::*;

    fn described() -> Value {
        let (_, routes) = super::super::routes().split_for_parts();
        serde_json::from_slice(&describe(routes)).unwrap()
    }

    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(entries) => {
                found.extend(entries.get("$ref").and_then(Value::as_str).map(str::to_owned));
                entries.values().for_each(|inner| references(inner, found));
            }
            Value::Array(items) => items.iter().for_each(|inner| references(inner, found)),
            _ => {}
        }
    }

    #[test]
    fn all_that_is_referred_to_is_described() {
        let whole = described();
        let mut found = Vec::new();
        references(&whole, &mut found);
        assert!(found.len() > 50, "{found:?}");
        for reference in found {
            let place = reference.strip_prefix('#').unwrap();
            assert!(whole.pointer(place).is_some(), "{reference}");
        }
    }

    #[test]
    fn each_operation_says_what_it_does_and_has_a_name_of_its_own() {
        let whole = described();
        assert_eq!(whole["openapi"], "3.1.0");
        let mut names = BTreeSet::new();
        for (path, item) in whole["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                assert!(operation["summary"].as_str().is_some_and(|text| text.len() > 5), "{method} {path}");
                let name = operation["operationId"].as_str().unwrap();
                assert!(names.insert(name.to_owned()), "`{name}` twice: {method} {path}");
                let is_outside = HEALTH.contains(&path.as_str()) || path == "/metrics";
                assert!(path.starts_with(BASE) || is_outside, "{path}");
            }
        }
        assert!(names.len() > 20, "{names:?}");
    }
}
