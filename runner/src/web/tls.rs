//! Loads the operator's certificate and key, for connections that this service encrypts.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use tokio_rustls::TlsAcceptor;

use crate::request::refusal::Refusal;

/// The PEM files of the certificate and its key.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate, followed by the intermediate certificates up to its authority.
    pub certificate: PathBuf,
    /// The certificate's private key.
    pub key: PathBuf,
}

/// A certificate or a key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsError {
    /// The certificate's file is missing or invalid.
    #[error("`{0}` has no certificate that can be read: {1}")]
    Certificate(PathBuf, String),
    /// The key's file is missing or invalid.
    #[error("`{0}` has no private key that can be read: {1}")]
    Key(PathBuf, String),
    /// The two do not belong together, or are of an unknown kind.
    #[error("the certificate in `{0}` cannot be used with the key in `{1}`: {2}")]
    Pair(PathBuf, PathBuf, String),
}

impl From<TlsError> for Refusal {
    fn from(error: TlsError) -> Self {
        Self::usage(error.to_string()).hint("both are PEM files, with lines such as `-----BEGIN CERTIFICATE-----`")
    }
}

/// Creates the acceptor that encrypts network connections.
///
/// # Errors
///
/// Returns an error if the files cannot be used.
pub(super) fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, TlsError> {
    let TlsFiles { certificate, key } = files;
    let chain = chain(certificate).map_err(|e| TlsError::Certificate(certificate.clone(), e))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|e| TlsError::Key(key.clone(), e.to_string()))?;
    let paired = |e: rustls::Error| TlsError::Pair(certificate.clone(), key.clone(), e.to_string());
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(paired)?;
    let mut config = builder.with_no_client_auth().with_single_cert(chain, private).map_err(paired)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain = CertificateDer::pem_file_iter(path).map_err(|e| e.to_string())?;
    let chain = chain.collect::<Result<Vec<_>, _>>().map_err(|e| e.to_string())?;
    if chain.is_empty() { Err("no section found".to_owned()) } else { Ok(chain) }
}
