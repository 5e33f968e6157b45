//! Where a service listens, and how clients connect to it.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;

use super::error::CliError;
use crate::app::App;
use crate::request::refusal::Refusal;
use crate::request::token::is_any_valid;
use crate::service::systemd::Activated;
use crate::web::Door;
use crate::web::Listen;
use crate::web::Opened;
use crate::web::TlsFiles;
use crate::web::open;

/// Where a service listens by default.
const DEFAULT: &str = "localhost:8484";

/// Given in place of an address: do not listen.
const OFF: &str = "off";

/// Where to listen, and how clients connect.
#[derive(Args, Debug)]
pub(super) struct ListenArgs {
    /// Serve HTTP at this address: `127.0.0.1:8080`, `localhost:8080`, `[::1]:0` for any free port,
    /// `unix:PATH`, or `off` [default: `server.listen` of jobcontrol.yaml, else localhost:8484]
    #[arg(long, value_name = "ADDRESS", value_parser = place)]
    listen: Vec<Place>,
    /// The certificate for TLS, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Trust the proxy at this address to name its clients (`Forwarded` or `X-Forwarded-*`)
    #[arg(long, value_name = "ADDRESS")]
    behind_proxy: Option<IpAddr>,
    /// A host name that clients use for the service, besides those of this machine
    #[arg(long, value_name = "NAME")]
    host_name: Vec<String>,
}

/// The value of `--listen`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Off,
    At(Listen),
}

fn place(text: &str) -> Result<Place, String> {
    if text == OFF {
        return Ok(Place::Off);
    }
    text.parse().map(Place::At).map_err(|error| Refusal::from(error).text())
}

impl ListenArgs {
    /// Begins to listen, and takes over the sockets that systemd opened. Returns `None` if the
    /// service should not listen at all.
    pub(super) fn open(&self, app: &App, activated: Vec<Activated>) -> Result<Option<Opened>, CliError> {
        let server = &app.settings.server;
        let default = if activated.is_empty() { Some(DEFAULT) } else { None };
        let places = self.places(server.listen.as_deref(), default)?;
        let listen: Vec<Listen> = places.iter().filter_map(Place::address).cloned().collect();
        if listen.is_empty() && activated.is_empty() {
            return Ok(None);
        }
        if listen.len() < places.len() {
            return Err(CliError::usage("`--listen off` cannot be combined with an address"));
        }
        let of_file = || server.tls_cert.as_ref().map(PathBuf::from).zip(server.tls_key.as_ref().map(PathBuf::from));
        let files = self.tls_cert.clone().zip(self.tls_key.clone()).or_else(of_file);
        let door = Door {
            listen,
            tls: files.map(|(certificate, key)| TlsFiles { certificate, key }),
            proxy: self.behind_proxy.or(server.behind_proxy),
            names: self.host_name.clone(),
        };
        Ok(Some(open(&door, activated, is_any_valid(&*app.storage(false)?)?)?))
    }

    /// Returns where to listen, from the flags, else from the operator's file, else from the
    /// default.
    fn places(&self, of_file: Option<&str>, default: Option<&str>) -> Result<Vec<Place>, CliError> {
        if !self.listen.is_empty() {
            return Ok(self.listen.clone());
        }
        let refused = |reason| CliError::usage(format!("`server.listen` of jobcontrol.yaml: {reason}"));
        of_file.or(default).map(|text| place(text).map_err(refused)).into_iter().collect()
    }
}

impl Place {
    fn address(&self) -> Option<&Listen> {
        match self {
            Self::Off => None,
            Self::At(listen) => Some(listen),
        }
    }
}
