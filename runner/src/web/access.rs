//! Finds out who sent a request and what the caller may do, from the token or from the origin of
//! the request.

use std::net::IpAddr;

use data_encoding::BASE32_NOPAD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::header::COOKIE;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::run::Requester;
use jobcontrol_core::token::Scopes;
use jobcontrol_core::token::Token;
use jobcontrol_core::token::TokenHash;
use jobcontrol_core::token::TokenState;
use jobcontrol_core::token::find;
use sha2::Digest;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::address::is_loopback;

/// The cookie that holds a browser's token.
pub(super) const COOKIE_NAME: &str = "jobcontrol";

/// The header in which a script of our pages proves that it has read one of our pages.
pub(super) const CSRF_HEADER: &str = "x-csrf-token";

/// Who sent a request, and what the caller may do.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// The name under which runs of this caller are recorded.
    pub(super) requester: Requester,
    /// The caller's rights.
    pub(super) scopes: Scopes,
    /// The proof that a change needs if the token came in a cookie. Browsers send the cookie with
    /// every form, also with one of another site.
    pub(super) csrf: Option<Csrf>,
}

/// Proves that the sender of a form has read one of our pages. Nobody can compute it without the
/// token.
#[derive(Clone, Debug)]
pub(super) struct Csrf(String);

impl Csrf {
    fn of(token: &str) -> Self {
        let digest = Sha256::new().chain_update("jobcontrol csrf\0").chain_update(token).finalize();
        Self(BASE32_NOPAD.encode(&digest).to_ascii_lowercase())
    }

    /// Builds the proof for callers without a token from the store's id. No page of another site
    /// can read that id.
    pub(super) fn of_store(id: &str) -> Self {
        Self::of(&format!("store\0{id}"))
    }

    /// Returns the text that a form sends back.
    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// Returns whether a form sent this proof.
    pub(super) fn is(&self, sent: &str) -> bool {
        self.0.as_bytes().ct_eq(sent.as_bytes()).into()
    }
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Denied {
    /// The request has no token.
    #[error("the request has no token")]
    NoToken,
    /// The token is not one of ours.
    #[error("the token is not known")]
    Unknown,
    /// The token has expired.
    #[error("the token has expired")]
    Expired,
    /// The token was revoked.
    #[error("the token was revoked")]
    Revoked,
}

/// A token that came with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Presented<'a> {
    Nothing,
    Bearer(&'a str),
    Cookie(&'a str),
}

/// Returns the token that came with the request. A header takes precedence over a cookie because
/// browsers never send it unasked.
fn presented(headers: &HeaderMap) -> Presented<'_> {
    if let Some(value) = headers.get(AUTHORIZATION) {
        let text = value.to_str().unwrap_or_default();
        let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
        return Presented::Bearer(if scheme.eq_ignore_ascii_case("bearer") { token.trim() } else { "" });
    }
    let token = cookie(headers, COOKIE_NAME).filter(|token| !token.is_empty());
    token.map_or(Presented::Nothing, Presented::Cookie)
}

/// Returns the value of the first cookie with this name.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(other, _)| *other == name).map(|(_, value)| value)
}

/// Where a request comes from, as far as it affects the caller's rights.
#[derive(Clone, Copy, Debug)]
pub(super) enum Entrance {
    /// The Unix socket, which only this user can open.
    Owner,
    /// A network address.
    Address {
        /// The client's address.
        ip: IpAddr,
        /// Whether a request needs a token even while the store has none, because other machines
        /// can reach the service.
        exposed: bool,
    },
}

/// Finds out who sent a request.
///
/// # Errors
///
/// Returns an error if the request needs a token and has none that is valid.
pub(super) fn caller(
    entrance: Entrance,
    headers: &HeaderMap,
    tokens: &[Token],
    now: Timestamp,
) -> Result<Caller, Denied> {
    let local = |name: &str| {
        Ok(Caller { requester: Requester::Api(name.to_owned()), scopes: Scopes::everything(), csrf: None })
    };
    let Entrance::Address { ip, exposed } = entrance else {
        return local("owner");
    };
    let (text, cookie) = match presented(headers) {
        // An expired token still shows that the operator wants tokens. Revoking the last one shows
        // that none are wanted.
        Presented::Nothing if !exposed && is_loopback(ip) && tokens.iter().all(|token| token.revoked.is_some()) => {
            return local("local");
        }
        Presented::Nothing => return Err(Denied::NoToken),
        Presented::Bearer(text) => (text, false),
        Presented::Cookie(text) => (text, true),
    };
    let token = good(text, tokens, now)?;
    Ok(Caller {
        requester: Requester::Api(token.name.clone()),
        scopes: token.scopes.clone(),
        csrf: cookie.then(|| Csrf::of(text)),
    })
}

/// Finds the token with this text and checks that it is valid now.
pub(super) fn good<'t>(text: &str, tokens: &'t [Token], now: Timestamp) -> Result<&'t Token, Denied> {
    let hash = TokenHash::of_presented(text).ok_or(Denied::Unknown)?;
    let token = find(tokens, &hash).ok_or(Denied::Unknown)?;
    match token.state(now) {
        TokenState::Valid => Ok(token),
        TokenState::Expired => Err(Denied::Expired),
        TokenState::Revoked => Err(Denied::Revoked),
    }
}

/// Returns the proof that a page's forms send back if the browser has a token cookie, valid or not.
pub(super) fn csrf_of(headers: &HeaderMap) -> Option<Csrf> {
    cookie(headers, COOKIE_NAME).filter(|token| !token.is_empty()).map(Csrf::of)
}

#[cfg(test)]
mod tests {
    use http::HeaderName;
    use http::HeaderValue;
    use jobcontrol_core::token::Plain;

    use super::*;

    fn token(seed: u8, scopes: &str) -> (Plain, Token) {
        let plain = Plain::from_random(&[seed; 32]);
        let token = Token {
            id: u64::from(seed),
            name: format!("t{seed}"),
            hash: plain.hash(),
            scopes: scopes.parse().unwrap(),
            created: Timestamp(0),
            expires: Some(Timestamp(100)),
            revoked: None,
        };
        (plain, token)
    }

    fn ask(
        entrance: Entrance,
        line: Option<(HeaderName, String)>,
        tokens: &[Token],
        now: i64,
    ) -> Result<Caller, Denied> {
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = line {
            headers.insert(name, HeaderValue::from_str(&value).unwrap());
        }
        caller(entrance, &headers, tokens, Timestamp(now))
    }

    fn address(ip: &str, exposed: bool) -> Entrance {
        Entrance::Address { ip: ip.parse().unwrap(), exposed }
    }

    #[test]
    fn without_tokens_every_local_user_may_act_and_nobody_else() {
        assert!(ask(address("127.0.0.1", false), None, &[], 1).unwrap().scopes.is_admin());
        assert!(ask(address("::1", false), None, &[], 1).unwrap().scopes.is_admin());
        assert_eq!(ask(address("10.0.0.1", false), None, &[], 1).unwrap_err(), Denied::NoToken);
        assert_eq!(ask(address("127.0.0.1", true), None, &[], 1).unwrap_err(), Denied::NoToken);
    }

    #[test]
    fn one_token_shuts_the_door_and_revoking_the_last_opens_it() {
        let (_, one) = token(1, "read");
        let (_, revoked) = token(2, "read");
        let revoked = Token { revoked: Some(Timestamp(1)), ..revoked };
        let here = address("127.0.0.1", false);
        assert_eq!(ask(here, None, std::slice::from_ref(&one), 1).unwrap_err(), Denied::NoToken);
        assert_eq!(ask(here, None, &[one], 1000).unwrap_err(), Denied::NoToken, "an expired one still counts");
        assert!(ask(here, None, &[revoked], 1).is_ok());
        assert!(ask(Entrance::Owner, None, &[token(1, "read").1], 1).unwrap().scopes.is_admin());
    }

    #[test]
    fn a_token_is_taken_while_it_is_good() {
        let (plain, one) = token(1, "run:a-*");
        let (other, _) = token(2, "read");
        let bearer = |text: &str| Some((AUTHORIZATION, format!("Bearer {text}")));
        let far = address("10.0.0.1", true);
        let caller = ask(far, bearer(plain.text()), std::slice::from_ref(&one), 1).unwrap();
        assert!(caller.scopes.may_run("a-b") && !caller.scopes.may_read() && caller.csrf.is_none());
        assert_eq!(caller.requester, Requester::Api("t1".to_owned()));
        assert_eq!(ask(far, bearer(plain.text()), std::slice::from_ref(&one), 100).unwrap_err(), Denied::Expired);
        assert_eq!(ask(far, bearer(other.text()), std::slice::from_ref(&one), 1).unwrap_err(), Denied::Unknown);
        for text in ["", "jc_", "x"] {
            assert_eq!(ask(far, bearer(text), std::slice::from_ref(&one), 1).unwrap_err(), Denied::Unknown, "{text}");
        }
        let basic = Some((AUTHORIZATION, format!("Basic {}", plain.text())));
        assert_eq!(ask(far, basic, std::slice::from_ref(&one), 1).unwrap_err(), Denied::Unknown);
        let revoked = Token { revoked: Some(Timestamp(1)), ..one };
        assert_eq!(ask(far, bearer(plain.text()), &[revoked], 1).unwrap_err(), Denied::Revoked);
    }

    #[test]
    fn a_cookie_says_who_asks_and_needs_a_proof_for_changes() {
        let (plain, one) = token(1, "admin");
        let cookie = Some((COOKIE, format!("theme=dark; jobcontrol={}; zone=UTC", plain.text())));
        let caller = ask(address("127.0.0.1", false), cookie, &[one], 1).unwrap();
        let csrf = caller.csrf.unwrap();
        assert!(csrf.is(&csrf.0) && !csrf.is("") && !csrf.is(plain.text()));
        assert_ne!(csrf.0, Csrf::of(token(2, "read").0.text()).0);
    }
}
