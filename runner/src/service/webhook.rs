//! Sends one request to a webhook: signed, tried again until it is accepted, and never redirected.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use hmac::Hmac;
use hmac::KeyInit;
use hmac::Mac;
use jobcontrol_core::http::HttpRules;
use jobcontrol_sandbox::Cancel;
use sha2::Sha256;

use crate::service::client::agent;

/// How often a request is tried. A receiver that restarts is back by then.
const TRIES: u32 = 5;
/// How long to wait before the second try. Each later wait is four times as long as the one before:
/// 1, 4, 16 and 64 s.
const FIRST_DELAY: Duration = Duration::from_secs(1);
/// See [`FIRST_DELAY`].
const DELAY_GROWS: u32 = 4;
/// How long one try may take as a whole.
const TRY_TIME: Duration = Duration::from_secs(30);

/// The HMAC-SHA256 of the body with the webhook's secret, as `sha256=HEX`.
const SIGNATURE: &str = "X-Jobcontrol-Signature";
/// An id that is the same for each try of a delivery.
const DELIVERY: &str = "X-Jobcontrol-Delivery";

/// A request to a webhook.
pub(super) struct Delivery {
    /// The target. It may have a token in its path, so no message repeats it.
    pub(super) url: String,
    /// The same for each try.
    pub(super) id: String,
    /// A JSON document.
    pub(super) body: Arc<[u8]>,
    /// The secret for the signature of the body.
    pub(super) secret: Option<Vec<u8>>,
    /// The certificates to trust, and the proxy to use.
    pub(super) http: Arc<HttpRules>,
}

impl Delivery {
    /// Sends the request until it is accepted. Each try is made on a thread that may block.
    ///
    /// # Errors
    ///
    /// Returns why the last try failed. No try follows after `stop` was set.
    pub(super) async fn deliver(self, mut stop: Cancel, tell: impl Fn(u32, &str)) -> Result<(), String> {
        let this = Arc::new(self);
        let mut delay = FIRST_DELAY;
        for number in 1.. {
            let here = Arc::clone(&this);
            let tried = tokio::task::spawn_blocking(move || here.post()).await;
            let reason = match tried.unwrap_or_else(|e| Err(e.to_string())) {
                Ok(()) => return Ok(()),
                Err(reason) if number == TRIES => return Err(reason),
                Err(reason) => reason,
            };
            tell(number, &reason);
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = stop.wait() => return Err(reason),
            }
            delay *= DELAY_GROWS;
        }
        Ok(())
    }

    /// Makes one try. Blocks.
    fn post(&self) -> Result<(), String> {
        let mut request =
            agent(&self.url, &self.http, TRY_TIME)?.post(&self.url).header("Content-Type", "application/json");
        request = request.header(DELIVERY, &self.id);
        if let Some(secret) = &self.secret {
            request = request.header(SIGNATURE, signature(secret, &self.body));
        }
        let answer = request.send(&*self.body).map_err(|error| match error {
            ureq::Error::BadUri(_) => "the URL is not valid".to_owned(),
            error => error.to_string(),
        })?;
        let status = answer.status();
        if status.is_success() { Ok(()) } else { Err(format!("it answered with the status {}", status.as_u16())) }
    }
}

/// Returns `sha256=` and the HMAC-SHA256 of a body in hexadecimal digits.
fn signature(secret: &[u8], body: &[u8]) -> String {
    // A key may have any length.
    let digest = Hmac::<Sha256>::new_from_slice(secret).map(|mut mac| {
        mac.update(body);
        HEXLOWER.encode(&mac.finalize().into_bytes())
    });
    format!("sha256={}", digest.unwrap_or_default())
}

/// Returns the host of a URL. The path is left out, because it may have a token in it.
pub(super) fn shown(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find(['/', '?', '#']).map_or(url.len(), |at| host + at);
    &url[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_signed_as_others_sign_it() {
        // The second test case of RFC 4231.
        assert_eq!(
            signature(b"Jefe", b"what do ya want for nothing?"),
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn a_token_in_a_url_is_not_shown() {
        for url in ["https://a.example:80/x/y", "https://a.example:80?token=x", "https://a.example:80"] {
            assert_eq!(shown(url), "https://a.example:80");
        }
    }
}
