//! The whole API as OpenAPI 3.1, made from the routes.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use utoipa::OpenApi;
use utoipa::openapi::RefOr;
use utoipa::openapi::security::Http;
use utoipa::openapi::security::HttpAuthScheme;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::security::SecurityScheme;

/// Where the description is.
pub(in super::super) const PATH: &str = "/api/v1/openapi.json";

/// The head of the description.
#[derive(OpenApi)]
#[openapi(info(
    title = "jobcontrol",
    description = "Jobs, builds, runs and their logs. Errors are problem documents (RFC 9457). On a loopback address \
                   without tokens none is needed.",
))]
struct Head;

/// The description of these routes, as it is sent.
pub(in super::super) fn describe(routes: utoipa::openapi::OpenApi) -> Bytes {
    let mut whole = Head::openapi();
    whole.merge(routes);
    whole.info.version = env!("CARGO_PKG_VERSION").to_owned();
    let components = whole.components.get_or_insert_default();
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    components.security_schemes.insert("token".to_owned(), RefOr::T(bearer));
    let none: [&str; 0] = [];
    whole.security = Some(vec![SecurityRequirement::new("token", none), SecurityRequirement::default()]);
    // What was described by the compiler can be written.
    serde_json::to_vec_pretty(&whole).unwrap_or_default().into()
}

/// The answer that has it.
pub(in super::super) fn response(text: Bytes) -> Response {
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

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
                assert!(path.starts_with(BASE) || HEALTH.contains(&path.as_str()), "{path}");
            }
        }
        assert!(names.len() > 20, "{names:?}");
    }
}
