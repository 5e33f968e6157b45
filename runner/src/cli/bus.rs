//! `--bus` and what belongs to it, for `serve` and `worker`.

use clap::Args;
use jobcontrol_core::manifest::Bus;
use jobcontrol_core::manifest::BusAddress;

use super::error::CliError;
use crate::app::App;

/// How to reach the broker. `serve` and `worker` share these.
#[derive(Args, Debug)]
pub(super) struct BusArgs {
    /// Where the NATS servers are: nats://HOST:PORT, or several of one cluster with commas. For
    /// `serve` also `local[:LABEL,..]`: one worker inside the service
    #[arg(long, value_name = "URL", env = "JOBCONTROL_BUS", hide_env = true)]
    bus: Option<String>,
    /// A file with credentials for the bus, as `nsc` writes it
    #[arg(long, value_name = "FILE", requires = "bus")]
    bus_credentials: Option<String>,
    /// A file with an NKey seed for the bus
    #[arg(long, value_name = "FILE", requires = "bus", conflicts_with = "bus_credentials")]
    bus_nkey: Option<String>,
    /// A file with certificates (PEM) of authorities that the bus is trusted by
    #[arg(long, value_name = "FILE", requires = "bus")]
    bus_ca: Option<String>,
}

impl BusArgs {
    /// Returns the bus: that of the flags, or that of jobcontrol.yaml.
    pub(super) fn bus(&self, app: &App) -> Result<Option<Bus>, CliError> {
        let Some(bus) = self.bus.as_ref().filter(|bus| !bus.is_empty()) else { return Ok(app.settings.bus.clone()) };
        let (credentials, nkey, ca) = (self.bus_credentials.clone(), self.bus_nkey.clone(), self.bus_ca.clone());
        match Bus::parse(bus).map_err(|reason| CliError::usage(format!("--bus: {reason}")))? {
            Bus::Nats(address) => Ok(Some(Bus::Nats(BusAddress { credentials, nkey, ca, ..address }))),
            local @ Bus::Local(_) => Ok(Some(local)),
        }
    }

    /// Returns where the broker is.
    pub(super) fn address(&self, app: &App) -> Result<Option<BusAddress>, CliError> {
        self.bus(app)?.map(Bus::broker).transpose().map_err(CliError::usage)
    }
}
