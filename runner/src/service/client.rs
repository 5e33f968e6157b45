//! The client for a service's own requests, to webhooks and to collectors, as the operator
//! configures it.

use std::sync::Arc;
use std::time::Duration;

use jobcontrol_core::http::HttpRules;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use ureq::Agent;
use ureq::Proxy;
use ureq::ProxyProtocol;
use ureq::config::Config;
use ureq::tls::Certificate;
use ureq::tls::RootCerts;
use ureq::tls::TlsConfig;

/// How long a connection may take.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// Creates a client for requests to `url`, each of which may take `within` as a whole. It trusts
/// the certificates of the operator's file or those of the system. It uses the operator's proxy,
/// follows no redirects, and returns responses of any status.
///
/// # Errors
///
/// Returns an error if the certificates cannot be read, or if the proxy cannot be used.
pub(super) fn agent(url: &str, http: &HttpRules, within: Duration) -> Result<Agent, String> {
    let proxy = http.proxy.as_ref().map(|proxy| {
        let builder = Proxy::builder(ProxyProtocol::Http).host(&proxy.host.to_string()).port(proxy.port);
        builder.build().map_err(|e| format!("the proxy cannot be used: {e}"))
    });
    let tls = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .root_certs(trusted(url, http)?)
        .build();
    let config = Config::builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("jobcontrol/", env!("CARGO_PKG_VERSION")))
        .timeout_connect(Some(CONNECT_TIME))
        .timeout_global(Some(within))
        .proxy(proxy.transpose()?)
        .tls_config(tls);
    Ok(config.build().new_agent())
}

/// Returns the certificates of the operator's file, or those of the system. None are needed without
/// TLS.
fn trusted(url: &str, http: &HttpRules) -> Result<RootCerts, String> {
    if !url.starts_with("https:") {
        return Ok(RootCerts::new_with_certs(&[]));
    }
    let certificates = match &http.ca {
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
