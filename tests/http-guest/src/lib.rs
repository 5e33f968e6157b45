//! A test plugin that makes HTTP requests in every way.

#[path = "../../../examples/fetch/src/http.rs"]
mod http;

use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::ErrorCode;
use wasip2::http::types::Fields;
use wasip2::http::types::IncomingResponse;
use wasip2::http::types::Method;
use wasip2::http::types::OutgoingBody;
use wasip2::http::types::OutgoingRequest;
use wasip2::http::types::RequestOptions;
use wasip2::http::types::Scheme;

wit_bindgen::generate!({ path: "wit", world: "requests" });
export!(Requests);

struct Requests;

/// The name of a code, with what it carries.
fn name(code: ErrorCode) -> String {
    format!("{code:?}")
}

fn method(text: &str) -> Method {
    match text {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "CONNECT" => Method::Connect,
        other => Method::Other(other.to_owned()),
    }
}

fn answer(response: &IncomingResponse) -> Result<Answer, ErrorCode> {
    let mut body = Vec::new();
    let headers = response.headers().entries();
    let headers = headers.into_iter().map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned()));
    let headers = headers.collect();
    http::read(response, |bytes| body.extend_from_slice(bytes))?;
    Ok(Answer { status: response.status(), headers, body: String::from_utf8_lossy(&body).into_owned() })
}

fn got(url: &str) -> Result<Answer, ErrorCode> {
    answer(&http::send(http::request(&Method::Get, url)?)?)
}

/// A request with headers and everything else of another one.
fn with_headers(request: &OutgoingRequest, headers: Fields) -> OutgoingRequest {
    let with = OutgoingRequest::new(headers);
    let _ = with.set_method(&request.method());
    let _ = with.set_scheme(request.scheme().as_ref());
    let _ = with.set_authority(request.authority().as_deref());
    let _ = with.set_path_with_query(request.path_with_query().as_deref());
    with
}

impl Guest for Requests {
    fn get(url: String) -> Result<Answer, String> {
        got(&url).map_err(name)
    }

    fn send(
        verb: String,
        url: String,
        headers: Option<Vec<(String, String)>>,
        body: Option<String>,
        wait: Option<u64>,
    ) -> Result<Answer, String> {
        let fields = Fields::new();
        for (header, value) in headers.unwrap_or_default() {
            fields.append(&header, value.as_bytes()).map_err(|error| format!("{error:?}"))?;
        }
        let request = with_headers(&http::request(&method(&verb), &url).map_err(name)?, fields);
        let outgoing = request.body().map_err(|()| "no body".to_owned())?;
        let options = RequestOptions::new();
        if let Some(millis) = wait {
            let _ = options.set_connect_timeout(Some(millis * 1_000_000));
            let _ = options.set_first_byte_timeout(Some(millis * 1_000_000));
            let _ = options.set_between_bytes_timeout(Some(millis * 1_000_000));
        }
        let response = handle(request, Some(options)).map_err(name)?;
        if let Some(body) = body {
            let stream = outgoing.write().map_err(|()| "no stream".to_owned())?;
            stream.blocking_write_and_flush(body.as_bytes()).map_err(|error| format!("{error:?}"))?;
        }
        OutgoingBody::finish(outgoing, None).map_err(name)?;
        response.subscribe().block();
        let response = response.get().ok_or("not ready")?.map_err(|()| "taken")?.map_err(name)?;
        answer(&response).map_err(name)
    }

    fn code(url: String) -> Option<String> {
        got(&url).err().map(name)
    }

    fn raw(authority: String, path: String) -> Option<String> {
        let request = OutgoingRequest::new(Fields::new());
        let _ = request.set_scheme(Some(&Scheme::Http));
        if request.set_authority(Some(&authority)).is_err() {
            return Some("authority".to_owned());
        }
        if request.set_path_with_query(Some(&path)).is_err() {
            return Some("path".to_owned());
        }
        http::send(request).err().map(name)
    }

    fn many(url: String, count: u32) -> u64 {
        let responses = (0..count).filter_map(|_| http::get(&url).ok());
        responses.filter(|response| response.status == 200).map(|response| response.body.len() as u64).sum()
    }

    fn download(url: String) -> Result<u64, String> {
        let response = http::send(http::request(&Method::Get, &url).map_err(name)?).map_err(name)?;
        let mut count = 0;
        http::read(&response, |bytes| count += bytes.len() as u64).map_err(name)?;
        Ok(count)
    }

    fn upload(url: String, bytes: u64) -> Result<u16, String> {
        let request = http::request(&Method::Post, &url).map_err(name)?;
        let outgoing = request.body().map_err(|()| "no body".to_owned())?;
        let response = handle(request, None).map_err(name)?;
        {
            let stream = outgoing.write().map_err(|()| "no stream".to_owned())?;
            let mut left = bytes;
            while left > 0 {
                let piece = vec![b'x'; left.min(4096) as usize];
                stream.blocking_write_and_flush(&piece).map_err(|error| format!("{error:?}"))?;
                left -= piece.len() as u64;
            }
        }
        OutgoingBody::finish(outgoing, None).map_err(name)?;
        response.subscribe().block();
        let response = response.get().ok_or("not ready")?.map_err(|()| "taken")?.map_err(name)?;
        Ok(response.status())
    }

    fn together(url: String, count: u32) -> Vec<String> {
        let begin = |_| handle(http::request(&Method::Get, &url)?, None);
        let waiting: Vec<_> = (0..count).map(begin).collect();
        let mut kept = Vec::new();
        let mut codes = Vec::new();
        for response in waiting {
            let ended = response.and_then(|response| {
                response.subscribe().block();
                response.get().unwrap_or(Err(())).unwrap_or(Err(ErrorCode::InternalError(None)))
            });
            match ended {
                // Kept open.
                Ok(response) => kept.push(response),
                Err(code) => codes.push(name(code)),
            }
        }
        codes
    }

    fn spam(url: String, count: u32) {
        for _ in 0..count {
            if let Ok(request) = http::request(&Method::Get, &url) {
                drop(handle(request, None));
            }
        }
    }

    fn hoard(count: u32, bytes: u32) -> u32 {
        let value = vec![b'x'; bytes as usize];
        let fields = (0..count).filter_map(|_| Fields::from_list(&[("x".to_owned(), value.clone())]).ok());
        let kept: Vec<_> = fields.collect();
        kept.len() as u32
    }

    fn follow(url: String) -> Result<Answer, String> {
        let mut url = url;
        for _ in 0..5 {
            let answer = got(&url).map_err(name)?;
            let location = answer.headers.iter().find(|(header, _)| header == "location");
            match location {
                Some((_, to)) if (300..400).contains(&answer.status) => url.clone_from(to),
                _ => return Ok(answer),
            }
        }
        Err("too many redirects".to_owned())
    }

    fn compute(rounds: u64) -> u64 {
        (0..rounds).fold(1, |sum, round| std::hint::black_box(sum ^ round).wrapping_mul(6_364_136_223_846_793_005))
    }
}
