//! One request to a webhook: signed, tried again until it is accepted, and never redirected.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use hmac::Hmac;
use hmac::KeyInit;
use hmac::Mac;
use jobcontrol_core::http::HttpRules;
use jobcontrol_sandbox::Cancel;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sha2::Sha256;
use ureq::Agent;
use ureq::Proxy;
use ureq::ProxyProtocol;
use ureq::config::Config;
use ureq::tls::Certificate;
use ureq::tls::RootCerts;
use ureq::tls::TlsConfig;

/// How often a request is tried: a receiver that restarts is back by then.
const TRIES: u32 = 5;
/// How long the second try waits; each later one waits four times as long as the one before: 1, 4, 16 and 64 s.
const FIRST_DELAY: Duration = Duration::from_secs(1);
/// See [`FIRST_DELAY`].
const DELAY_GROWS: u32 = 4;
/// How long a connection may take.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// How long one try may take as a whole.
const TRY_TIME: Duration = Duration::from_secs(30);

/// The HMAC-SHA256 of the body with the webhook's secret, as `sha256=HEX`.
const SIGNATURE: &str = "X-Jobcontrol-Signature";
/// An id that each try of a delivery has.
const DELIVERY: &str = "X-Jobcontrol-Delivery";

/// A request to a webhook.
pub(super) struct Delivery {
    /// Where to. It may have a token in its path, so no message repeats it.
    pub(super) url: String,
    /// The same for each try.
    pub(super) id: String,
    /// A JSON document.
    pub(super) body: Arc<[u8]>,
    /// What the body is signed with.
    pub(super) secret: Option<Vec<u8>>,
    /// Whom to trust, and which proxy to use.
    pub(super) http: Arc<HttpRules>,
}

impl Delivery {
    /// Sends the request until it is accepted. Each try is made on a thread that may block.
    ///
    /// # Errors
    ///
    /// Why the last try failed, or that `stop` was set before the next one.
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

    /// One try. Blocks.
    fn post(&self) -> Result<(), String> {
        let mut request = self.agent()?.post(&self.url).header("Content-Type", "application/json");
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

    fn agent(&self) -> Result<Agent, String> {
        let proxy = self.http.proxy.as_ref().map(|proxy| {
            let builder = Proxy::builder(ProxyProtocol::Http).host(&proxy.host.to_string()).port(proxy.port);
            builder.build().map_err(|e| format!("the proxy cannot be used: {e}"))
        });
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
            .root_certs(self.trusted()?)
            .build();
        let config = Config::builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("jobcontrol/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(CONNECT_TIME))
            .timeout_global(Some(TRY_TIME))
            .proxy(proxy.transpose()?)
            .tls_config(tls);
        Ok(config.build().new_agent())
    }

    /// The certificates of the operator's file, or those of the system. None are needed without TLS.
    fn trusted(&self) -> Result<RootCerts, String> {
        if !self.url.starts_with("https:") {
            return Ok(RootCerts::new_with_certs(&[]));
        }
        let certificates = match &self.http.ca {
            Some(path) => {
                let unreadable = |e| format!("the certificates `{path}` cannot be read: {e}");
                let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
                read.map_err(unreadable)?
            }
            None => rustls_native_certs::load_native_certs().certs,
        };
        let owned = certificates.iter().map(|certificate| Certificate::from_der(certificate).to_owned());
        Ok(RootCerts::from(owned))
    }
}

/// `sha256=` and the HMAC-SHA256 of a body in hexadecimal digits.
fn signature(secret: &[u8], body: &[u8]) -> String {
    // A key of any length is one.
    let digest = Hmac::<Sha256>::new_from_slice(secret).map(|mut mac| {
        mac.update(body);
        HEXLOWER.encode(&mac.finalize().into_bytes())
    });
    format!("sha256={}", digest.unwrap_or_default())
}

/// Who is asked, without the path: that may have a token in it.
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
