//! The style, script and icon of the pages. They are compiled in. Their names change with their
//! content, which lets browsers cache each one for good.

use std::sync::LazyLock;

use axum::body::Body;
use axum::response::Response;
use data_encoding::HEXLOWER;
use http::HeaderValue;
use http::header::CACHE_CONTROL;
use http::header::CONTENT_TYPE;
use sha2::Digest;
use sha2::Sha256;

use super::extract::Path;
use super::problem::Problem;
use super::problem::Sort;
use super::reply::Answer;

/// The route of the assets.
pub(super) const PATH: &str = "/assets/{name}";

/// The prefix of their addresses. These need no token because the login page uses them too.
pub(super) const FOLDER: &str = "/assets/";

/// Bytes of the digest in a name.
const DIGEST: usize = 6;

/// A file that is served unchanged.
struct Asset {
    name: String,
    kind: &'static str,
    content: &'static str,
}

/// The addresses of the assets, for use in pages.
#[derive(Clone, Debug)]
pub(super) struct Assets {
    pub(super) style: String,
    pub(super) script: String,
    pub(super) icon: String,
}

static ALL: LazyLock<[Asset; 3]> = LazyLock::new(|| {
    [
        asset("app", "css", "text/css; charset=utf-8", include_str!("../../web/app.css")),
        asset("app", "js", "text/javascript; charset=utf-8", include_str!("../../web/app.js")),
        asset("icon", "svg", "image/svg+xml", include_str!("../../web/icon.svg")),
    ]
});

fn asset(stem: &str, ending: &str, kind: &'static str, content: &'static str) -> Asset {
    let digest = HEXLOWER.encode(&Sha256::digest(content)[..DIGEST]);
    Asset { name: format!("{stem}.{digest}.{ending}"), kind, content }
}

impl Assets {
    /// Returns the addresses.
    pub(super) fn new() -> Self {
        let [style, script, icon] = &*ALL;
        let path = |asset: &Asset| format!("/assets/{}", asset.name);
        Self { style: path(style), script: path(script), icon: path(icon) }
    }
}

/// Serves an asset.
pub(super) async fn serve(Path(name): Path<String>) -> Answer {
    let Some(asset) = ALL.iter().find(|asset| asset.name == name) else {
        return Err(Problem::new(Sort::NotFound, "this version has no such file"));
    };
    let mut response = Response::new(Body::from(asset.content));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    Ok(response)
}
