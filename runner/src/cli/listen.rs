//! Where a service listens, and how others get there.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;

use super::error::CliError;
use crate::app::App;
use crate::request::refusal::Refusal;
use crate::request::token::is_any_valid;
use crate::web::Door;
use crate::web::Listen;
use crate::web::Opened;
use crate::web::TlsFiles;
use crate::web::open;

/// Where to listen, and who gets there.
#[derive(Args, Debug)]
pub(super) struct ListenArgs {
    /// Answer HTTP there: `127.0.0.1:8080`, `localhost:8080`, `[::1]:0` for any free port, or `unix:PATH`
    #[arg(long, value_name = "ADDRESS", value_parser = listen)]
    listen: Vec<Listen>,
    /// The certificate, in PEM, with which connections are encrypted
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Believe the proxy at this address about whom it speaks for (`Forwarded` or `X-Forwarded-*`)
    #[arg(long, value_name = "ADDRESS")]
    behind_proxy: Option<IpAddr>,
    /// A name by which the service is asked for, besides those of this machine
    #[arg(long, value_name = "NAME")]
    host_name: Vec<String>,
}

fn listen(text: &str) -> Result<Listen, String> {
    text.parse().map_err(|error| Refusal::from(error).text())
}

impl ListenArgs {
    /// Begins to listen; none where no address was given.
    pub(super) fn open(&self, app: &App) -> Result<Option<Opened>, CliError> {
        if self.listen.is_empty() {
            return Ok(None);
        }
        let files = self.tls_cert.clone().zip(self.tls_key.clone());
        let door = Door {
            listen: self.listen.clone(),
            tls: files.map(|(certificate, key)| TlsFiles { certificate, key }),
            proxy: self.behind_proxy,
            names: self.host_name.clone(),
        };
        Ok(Some(open(&door, is_any_valid(&*app.storage(false)?)?)?))
    }
}
