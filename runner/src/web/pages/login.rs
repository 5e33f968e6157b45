//! Signing in: a browser keeps a token in a cookie that no script can read and no other site can
//! send.

use axum::Extension;
use axum::extract::Request;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::Response;
use http::HeaderValue;
use http::header::SET_COOKIE;
use jobcontrol_core::clock::Timestamp;

use super::super::access::COOKIE_NAME;
use super::super::access::cookie;
use super::super::access::good;
use super::super::client::Client;
use super::super::posted::Posted;
use super::super::posted::read;
use super::super::problem::Problem;
use super::super::problem::Sort;
use super::super::reply::Answer;
use super::super::state::Web;
use super::actions::own_page;
use super::actions::see_other;

/// Longest lifetime of a cookie, in seconds: 30 days. It never outlives its token.
const LONGEST: u64 = 30 * 86_400;

pub(super) async fn login(State(web): State<Web>, Extension(client): Extension<Client>, request: Request) -> Response {
    match sign_in(&web, &client, request).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn sign_in(web: &Web, client: &Client, request: Request) -> Answer {
    let form = read(request).await?;
    let token = form.get("token").unwrap_or_default().trim().to_owned();
    let presented = token.clone();
    let lives = web
        .blocking(move |service| {
            let now = service.storage().clock().now();
            let tokens = service.storage().get_tokens()?;
            let token = good(&presented, &tokens, now)?;
            Ok(lifetime(token.expires, now))
        })
        .await?;
    let mut response = see_other(own_page(form.get("to")))?;
    set(&mut response, &token, lives, client.secure)?;
    Ok(response)
}

fn lifetime(expires: Option<Timestamp>, now: Timestamp) -> u64 {
    expires.map_or(LONGEST, |expires| (expires.since(now) / 1_000_000).min(LONGEST))
}

fn set(response: &mut Response, token: &str, lives: u64, secure: bool) -> Result<(), Problem> {
    let secure = if secure { "; Secure" } else { "" };
    let text = format!("{COOKIE_NAME}={token}; Path=/; Max-Age={lives}; HttpOnly; SameSite=Strict{secure}");
    let value = HeaderValue::from_str(&text).map_err(|_| Problem::new(Sort::Usage, "the token is not one of ours"))?;
    response.headers_mut().append(SET_COOKIE, value);
    Ok(())
}

pub(super) async fn logout(Extension(client): Extension<Client>, headers: http::HeaderMap, _form: Posted) -> Answer {
    let mut response = see_other("/")?;
    if cookie(&headers, COOKIE_NAME).is_some() {
        set(&mut response, "", 0, client.secure)?;
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_outlives_no_token() {
        let second = |seconds: i64| Timestamp(seconds * 1_000_000);
        assert_eq!(lifetime(Some(second(100)), second(40)), 60);
        assert_eq!(
            (lifetime(None, second(1)), lifetime(Some(second(i64::MAX / 1_000_000)), second(1))),
            (LONGEST, LONGEST)
        );
        let mut response = see_other("/").unwrap();
        set(&mut response, "jc_x", 60, true).unwrap();
        let cookie = response.headers()[SET_COOKIE].to_str().unwrap();
        assert_eq!(cookie, "jobcontrol=jc_x; Path=/; Max-Age=60; HttpOnly; SameSite=Strict; Secure");
    }
}
