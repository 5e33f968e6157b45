//! `wasi:http/outgoing-handler`: requests, made by `crate::http` with the rights that the job was
//! granted.

use bytes::Bytes;
use http::HeaderMap;
use http::Uri;
use http::header::CONTENT_LENGTH;
use http_body_util::BodyExt;
use http_body_util::Empty;
use wasmtime::StoreContextMut;
use wasmtime::component::Linker;
use wasmtime::component::Resource;
use wasmtime_wasi::WasiView;
use wasmtime_wasi_http::Error;
use wasmtime_wasi_http::RequestOptions;
use wasmtime_wasi_http::WasiBody;
use wasmtime_wasi_http::WasiHttpCtxView;
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::HttpResult;
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::p2::bindings::http::types::HostOutgoingRequest as HostRequest;
use wasmtime_wasi_http::p2::bindings::http::types::IoError;
use wasmtime_wasi_http::p2::bindings::http::types::Method;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::p2::types::HostFutureIncomingResponse;
use wasmtime_wasi_http::p2::types::HostOutgoingRequest;

use crate::host::Host;

/// The interfaces in the version that the engine links. Components that import another 0.2 version
/// also get these.
const TYPES: &str = "wasi:http/types@0.2.12";
const HANDLER: &str = "wasi:http/outgoing-handler@0.2.12";

/// The longest method, in bytes.
const LONGEST_METHOD: usize = 64;

/// The longest host with its port: a name has 253 bytes.
const LONGEST_AUTHORITY: usize = 300;

/// The longest path with its query, in bytes. Servers refuse paths longer than 8 KiB.
const LONGEST_PATH: usize = 16 << 10;

/// Adds both interfaces to a linker that allows shadowing.
pub(super) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    // The engine's own version makes each request in an extra task on the guest threads.
    linker.instance(HANDLER)?.func_wrap_async(
        "handle",
        |store, (request, options): (Resource<HostOutgoingRequest>, Option<Resource<RequestOptions>>)| {
            Box::new(async move { answer(handle(store, request, options).await) })
        },
    )?;
    let mut types = linker.instance(TYPES)?;
    // The engine's own version looks for another error type than the bodies of responses fail with.
    types.func_wrap("http-error-code", |mut store, (error,): (Resource<IoError>,)| {
        let error = store.data_mut().ctx().table.get(&error)?;
        let of_response = error.downcast_ref::<Error>().map(code_of_body);
        Ok((of_response.or_else(|| error.downcast_ref::<ErrorCode>().cloned()),))
    })?;
    // The engine accepts text of any length, and the host would hold it.
    types.func_wrap("[method]outgoing-request.set-method", |mut store, (request, method): (_, Method)| {
        let fits = !matches!(&method, Method::Other(name) if name.len() > LONGEST_METHOD);
        let view = &mut store.data_mut().http();
        Ok((if fits { HostRequest::set_method(view, request, method)? } else { Err(()) },))
    })?;
    types.func_wrap(
        "[method]outgoing-request.set-authority",
        |mut store, (request, authority): (_, Option<String>)| {
            let fits = authority.as_ref().is_none_or(|authority| authority.len() <= LONGEST_AUTHORITY);
            let view = &mut store.data_mut().http();
            Ok((if fits { HostRequest::set_authority(view, request, authority)? } else { Err(()) },))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-path-with-query",
        |mut store, (request, path): (_, Option<String>)| {
            let fits = path.as_ref().is_none_or(|path| path.len() <= LONGEST_PATH);
            let view = &mut store.data_mut().http();
            Ok((if fits { HostRequest::set_path_with_query(view, request, path)? } else { Err(()) },))
        },
    )
}

/// Returns an error of HTTP to the guest; any other error ends the guest.
fn answer<T>(result: HttpResult<T>) -> wasmtime::Result<(Result<T, ErrorCode>,)> {
    match result {
        Ok(value) => Ok((Ok(value),)),
        Err(error) => Ok((Err(error.downcast()?),)),
    }
}

/// Makes a request, and returns the future that the guest waits for.
async fn handle(
    mut store: StoreContextMut<'_, Host>,
    request: Resource<HostOutgoingRequest>,
    options: Option<Resource<RequestOptions>>,
) -> HttpResult<Resource<HostFutureIncomingResponse>> {
    let host = store.data_mut();
    let table = host.wasi.ctx().table;
    let options = options.map(|options| table.get(&options).copied()).transpose()?;
    let request = message(table.delete(request)?)?;
    let response = host.requests.begin(request, options).await;
    Ok(host.wasi.ctx().table.push(response)?)
}

/// Builds the request that the guest has put together.
fn message(request: HostOutgoingRequest) -> HttpResult<http::Request<WasiBody>> {
    let HostOutgoingRequest { method, scheme, authority, path_with_query, headers, body } = request;
    let headers = HeaderMap::from(headers);
    // A guest need not send the body that its headers announce.
    let length = length(&headers)?;
    if body.is_none() && length.is_some_and(|length| length != 0) {
        return Err(ErrorCode::HttpRequestBodySize(Some(0)).into());
    }
    let method: http::Method = method.try_into().map_err(|_| ErrorCode::HttpRequestMethodInvalid)?;
    let scheme = match scheme {
        None | Some(Scheme::Https) => "https",
        Some(Scheme::Http) => "http",
        Some(Scheme::Other(_)) => return Err(ErrorCode::HttpProtocolError.into()),
    };
    let mut uri = Uri::builder().scheme(scheme).authority(authority.unwrap_or_default());
    uri = uri.path_and_query(path_with_query.unwrap_or_else(|| "/".to_owned()));
    let uri = uri.build().map_err(|_| ErrorCode::HttpRequestUriInvalid)?;
    let empty = || Empty::<Bytes>::new().map_err(|never| match never {}).boxed_unsync();
    let mut message = http::Request::new(body.unwrap_or_else(empty));
    (*message.method_mut(), *message.uri_mut(), *message.headers_mut()) = (method, uri, headers);
    Ok(message)
}

/// Returns the body length that the headers declare, if any.
fn length(headers: &HeaderMap) -> Result<Option<u64>, ErrorCode> {
    let mut values = headers.get_all(CONTENT_LENGTH).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let text = value.to_str().ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    let length = text.filter(|_| values.next().is_none()).and_then(|text| text.parse().ok());
    length.map(Some).ok_or(ErrorCode::HttpProtocolError)
}

/// Returns the error code to report to the guest for an error that ended a body.
fn code_of_body(error: &Error) -> ErrorCode {
    match error {
        Error::ConnectionReadTimeout => ErrorCode::ConnectionReadTimeout,
        Error::ConnectionTerminated => ErrorCode::ConnectionTerminated,
        Error::HttpResponseIncomplete => ErrorCode::HttpResponseIncomplete,
        Error::HttpResponseTransferCoding(coding) => ErrorCode::HttpResponseTransferCoding(coding.clone()),
        Error::HttpResponseHeaderSectionSize(size) => ErrorCode::HttpResponseTrailerSectionSize(*size),
        Error::HttpRequestBodySize(size) => ErrorCode::HttpRequestBodySize(*size),
        _ => ErrorCode::HttpProtocolError,
    }
}

impl WasiHttpView for Host {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        self.requests.view(self.wasi.ctx().table)
    }
}
