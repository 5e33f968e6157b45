//! The workers that run the attempts of an engine: how it reaches them, once it makes builds.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::OnceLock;

use jobcontrol_core::clock::Clock;
use jobcontrol_core::labels::KEYED;
use jobcontrol_core::labels::Labels;
use jobcontrol_core::manifest::Bus;
use jobcontrol_core::value::digest;
use jobcontrol_sandbox::Sandbox;
use tokio::runtime::Handle;
use tokio::runtime::Runtime;

use crate::bus::carrier::BusError;
use crate::bus::carrier::ServiceEnd;
use crate::bus::local::LocalService;
use crate::bus::nats::NatsService;
use crate::bus::seal::Key;
use crate::bus::seal::PublicKey;
use crate::catalog::workspace::Workspace;
use crate::execute::remote::Remote;
use crate::execute::windows::Windows;
use crate::service::worker;
use crate::service::worker::Worker;

/// The name of the worker of [`Bus::Local`].
const LOCAL: &str = "local";

/// The workers of an engine.
pub(super) struct Workers {
    bus: Bus,
    /// The public keys of the workers that get secrets.
    listed: Vec<String>,
    workspace: Workspace,
    /// Drives the bus. Guests never run here, so messages do not wait for them.
    network: Runtime,
    windows: Arc<Windows>,
    remote: OnceLock<Arc<Remote>>,
    local: OnceLock<Worker>,
}

impl Workers {
    pub(super) fn new(
        bus: Bus,
        listed: Vec<String>,
        workspace: Workspace,
        network: Runtime,
        windows: Arc<Windows>,
    ) -> Self {
        let (remote, local) = Default::default();
        Self { bus, listed, workspace, network, windows, remote, local }
    }

    /// Returns what workers run, once they are reached.
    pub(super) fn remote(&self) -> Option<&Arc<Remote>> {
        self.remote.get()
    }

    /// Connects to the bus as the service that has the lease of `owner`.
    pub(super) fn reach(
        &self,
        owner: &str,
        sandbox: &Arc<Sandbox>,
        guests: &Handle,
        clock: &Arc<dyn Clock>,
    ) -> Result<Arc<Remote>, BusError> {
        // The name of an owner may hold characters that a subject cannot.
        let service = digest(owner.as_bytes())[..16].to_owned();
        let listed: Result<BTreeMap<_, _>, String> =
            self.listed.iter().map(|key| Ok((key.clone(), PublicKey::parse(key)?))).collect();
        let mut listed =
            listed.map_err(|reason: String| BusError::Refused(format!("`workers` of jobcontrol.yaml: {reason}")))?;
        let bus: Arc<dyn ServiceEnd> = match &self.bus {
            Bus::Nats(address) => self.network.block_on(NatsService::connect(address, &service))?,
            Bus::Local(labels) => {
                let (bus, key) = (LocalService::new(&service), Key::generate());
                listed.insert(key.public(), key.to_public());
                let labels = labels.clone().with(KEYED);
                self.local.get_or_init(|| self.worker(&bus, labels, key, sandbox, guests, clock));
                bus
            }
        };
        let windows = Arc::clone(&self.windows);
        let remote = Remote::start(bus, service, listed, windows, Arc::clone(clock), self.network.handle());
        Ok(Arc::clone(self.remote.get_or_init(|| remote)))
    }

    /// Starts a worker in this process, with as many slots as a worker has by default.
    fn worker(
        &self,
        bus: &LocalService,
        labels: Labels,
        key: Key,
        sandbox: &Arc<Sandbox>,
        guests: &Handle,
        clock: &Arc<dyn Clock>,
    ) -> Worker {
        let parts = worker::Parts {
            bus: bus.worker(LOCAL, labels.clone()),
            name: LOCAL.to_owned(),
            workspace: self.workspace.clone(),
            sandbox: Arc::clone(sandbox),
            guests: guests.clone(),
            clock: Arc::clone(clock),
            slots: default_slots(),
            labels,
            key: Some(key),
        };
        Worker::start(parts, self.network.handle())
    }

    /// Ends what runs on the bus, without waiting for it.
    pub(super) fn shut_down(self) {
        self.network.shutdown_background();
    }
}

/// Returns how many attempts a worker runs at once by default: one for each processor.
pub fn default_slots() -> u32 {
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    u32::try_from(processors).unwrap_or(1)
}
