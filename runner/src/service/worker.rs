//! A worker: takes attempts from a bus, runs them, and reports to their services. `core/remote`
//! holds the rules; one task drives them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;

use jobcontrol_core::clock::Clock;
use jobcontrol_core::labels::Labels;
use jobcontrol_core::remote::Action;
use jobcontrol_core::remote::Hands;
use jobcontrol_sandbox::Cancel;
use jobcontrol_sandbox::Sandbox;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::sync::watch;

use crate::bus::carrier::Taken;
use crate::bus::carrier::WorkerEnd;
use crate::bus::seal::Key;
use crate::bus::wire::Address;
use crate::bus::wire::Answer;
use crate::bus::wire::Beat;
use crate::bus::wire::Body;
use crate::bus::wire::Claim;
use crate::bus::wire::End;
use crate::bus::wire::How;
use crate::bus::wire::Note;
use crate::bus::wire::Offer;
use crate::bus::wire::PROTOCOL;
use crate::bus::wire::Report;
use crate::bus::wire::Said;
use crate::catalog::workspace::Workspace;
use crate::service::worker_attempt::Shared;

/// How often a worker sends heartbeats, and looks at what had no answer.
const TICK: Duration = Duration::from_secs(1);

/// A worker asks with every fifth heartbeat whether it still has its attempts.
const ASK_EVERY: u64 = 5;

/// A service that was not on the bus for so many of these questions is gone. Its successor does not
/// know the attempts, so they are ended.
const GONE: u32 = 3;

/// The broker hears of offers that are in hand with every tenth heartbeat: it waits for half a
/// minute.
const OFFERS_EVERY: u64 = 10;

/// What a worker is made of.
pub struct Parts {
    /// Its end of the bus.
    pub bus: Arc<dyn WorkerEnd>,
    /// The name of this process on the bus.
    pub name: String,
    /// What the operator of this machine allows.
    pub workspace: Workspace,
    /// Where functions are called.
    pub sandbox: Arc<Sandbox>,
    /// The threads that guests run on.
    pub guests: Handle,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How many attempts it runs at once.
    pub slots: u32,
    /// Its labels.
    pub labels: Labels,
    /// The key that secrets are encrypted to.
    pub key: Option<Key>,
}

/// What happens to a worker.
enum Input {
    Offered(Box<Offer>, Arc<dyn Taken>, oneshot::Sender<()>),
    /// The service's answer; `None` if it is not on the bus.
    Answered(Address, Option<Answer>),
    /// Whether the worker still has an attempt that it runs; `None` as above.
    Checked(Address, Option<Answer>),
    /// What a guest said, whether it is the last, and who waits for the broker to have it.
    Said(Address, Said, bool, Option<oneshot::Sender<()>>),
    Confirmed(Address, u64),
    Told(Note),
    Tick,
    /// Give back what does not end within this time.
    Stop(Duration),
}

/// An attempt that this worker was offered.
struct Held {
    offer: Option<Box<Offer>>,
    /// What was encrypted to this worker's key.
    sealed: Option<Body>,
    taken: Arc<dyn Taken>,
    /// Frees the slot when it is dropped, which is when the guest has ended: the next one need not
    /// wait until the broker has the last report.
    slot: Option<oneshot::Sender<()>>,
    /// Ends the guest.
    stop: Option<watch::Sender<bool>>,
    /// The number of the report that is being sent.
    sending: Option<u64>,
    waits: Option<oneshot::Sender<()>>,
    /// How many questions found no service.
    unheard: u32,
}

/// A running worker.
pub struct Worker {
    inputs: mpsc::UnboundedSender<Input>,
    ended: oneshot::Receiver<()>,
}

impl Worker {
    /// Starts a worker. `network` is the runtime that drives the bus.
    pub fn start(parts: Parts, network: &Handle) -> Self {
        let (inputs, arriving) = mpsc::unbounded_channel();
        let (end, ended) = oneshot::channel();
        let Parts { bus, name, workspace, sandbox, guests, clock, slots, labels, key } = parts;
        for _ in 0..slots {
            network.spawn(take_offers(Arc::clone(&bus), inputs.clone()));
        }
        network.spawn(hear_notes(Arc::clone(&bus), inputs.clone()));
        network.spawn(tick(inputs.clone()));
        let shared = Arc::new(Shared { bus, workspace, sandbox, clock, key, plugins: Mutex::default() });
        let driver = Driver {
            shared,
            name: name.into(),
            slots,
            labels,
            guests,
            network: network.clone(),
            inputs: inputs.clone(),
            began: Instant::now(),
            hands: Hands::default(),
            held: BTreeMap::new(),
            beats: 0,
            stops_at: None,
            is_late: false,
        };
        network.spawn(driver.work(arriving, end));
        Self { inputs, ended }
    }

    /// Takes no more offers, waits until all attempts have ended, and gives back those that take
    /// longer than `grace`.
    pub async fn stop(self, grace: Duration) {
        let _ = self.inputs.send(Input::Stop(grace));
        let _ = self.ended.await;
    }
}

/// One slot: takes an offer, and the next one when that has ended.
async fn take_offers(bus: Arc<dyn WorkerEnd>, inputs: mpsc::UnboundedSender<Input>) {
    loop {
        let Ok((offer, taken)) = bus.take().await else { return };
        let (slot, free) = oneshot::channel();
        if inputs.send(Input::Offered(Box::new(offer), taken, slot)).is_err() {
            return;
        }
        let _ = free.await;
    }
}

async fn hear_notes(bus: Arc<dyn WorkerEnd>, inputs: mpsc::UnboundedSender<Input>) {
    while let Some(note) = bus.told().await {
        if inputs.send(Input::Told(note)).is_err() {
            return;
        }
    }
}

async fn tick(inputs: mpsc::UnboundedSender<Input>) {
    while inputs.send(Input::Tick).is_ok() {
        tokio::time::sleep(TICK).await;
    }
}

/// The one task that decides.
struct Driver {
    shared: Arc<Shared>,
    name: Arc<str>,
    slots: u32,
    labels: Labels,
    guests: Handle,
    network: Handle,
    inputs: mpsc::UnboundedSender<Input>,
    began: Instant,
    hands: Hands<Address, Said>,
    held: BTreeMap<Address, Held>,
    /// How many heartbeats were sent.
    beats: u64,
    /// Set when the worker stops.
    stops_at: Option<Instant>,
    /// Whether that was so long ago that it gives attempts back.
    is_late: bool,
}

impl Driver {
    async fn work(mut self, mut arriving: mpsc::UnboundedReceiver<Input>, end: oneshot::Sender<()>) {
        while let Some(input) = arriving.recv().await {
            self.handle(input);
            if self.stops_at.is_some() && self.held.is_empty() {
                // Services learn at once that it takes no more.
                let _ = tokio::time::timeout(TICK, self.shared.bus.beat(&self.heartbeat())).await;
                let _ = end.send(());
                return;
            }
        }
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn handle(&mut self, input: Input) {
        let now = self.now();
        let actions = match input {
            Input::Offered(offer, taken, slot) => self.offered(offer, taken, slot),
            Input::Answered(address, Some(answer)) => self.answered(address, answer),
            Input::Answered(address, None) => self.hands.unanswered(address),
            Input::Checked(address, answer) => self.checked(address, answer.as_ref()),
            Input::Said(address, said, last, waits) => {
                if last {
                    tracing::info!(build = address.key.build, attempt = address.key.attempt, "attempt ended");
                }
                if let Some(held) = self.held.get_mut(&address) {
                    held.waits = waits;
                    held.slot.take_if(|_| last);
                }
                self.hands.said(&address, said, last, now)
            }
            Input::Confirmed(address, number) => {
                if let Some(held) = self.held.get_mut(&address) {
                    held.sending = None;
                    held.waits.take().map(|waits| waits.send(()));
                }
                self.hands.confirmed(address, number, now)
            }
            Input::Told(Note::Cancel(address)) => {
                self.end_guest(&address);
                Vec::new()
            }
            Input::Told(Note::Stop(address)) => self.hands.stop(address),
            Input::Told(Note::Greet) => {
                self.beat();
                Vec::new()
            }
            Input::Tick => {
                self.beat();
                self.hand_back_if_late();
                self.hands.due(now)
            }
            Input::Stop(grace) => {
                self.stops_at = Instant::now().checked_add(grace);
                self.beat();
                Vec::new()
            }
        };
        actions.into_iter().for_each(|action| self.act(action));
    }

    fn answered(&mut self, address: Address, answer: Answer) -> Vec<Action<Address, Said>> {
        match answer {
            Answer::Granted => self.hands.answered(address, true),
            Answer::Sealed(body) => {
                if let Some(held) = self.held.get_mut(&address) {
                    held.sealed = Some(body);
                }
                self.hands.answered(address, true)
            }
            Answer::Refused => self.hands.answered(address, false),
            Answer::Unlisted => {
                let key = self.shared.key.as_ref().map(Key::public);
                tracing::warn!(key, "the service does not list this worker's key, and so sends it no secrets");
                self.hands.unanswered(address)
            }
        }
    }

    fn offered(
        &mut self,
        offer: Box<Offer>,
        taken: Arc<dyn Taken>,
        slot: oneshot::Sender<()>,
    ) -> Vec<Action<Address, Said>> {
        let address = offer.address.clone();
        if self.stops_at.is_some() || offer.protocol != PROTOCOL {
            if offer.protocol != PROTOCOL {
                let (service, worker) = (offer.protocol, PROTOCOL);
                tracing::error!(service, worker, "a service speaks another version of the protocol");
            }
            self.network.spawn(async move { taken.back().await });
            return Vec::new();
        }
        let actions = self.hands.offered(address.clone(), self.now());
        if actions.is_empty() {
            // It is in hand already, so this is a second copy.
            self.network.spawn(async move { taken.back().await });
        } else {
            let (sealed, stop, sending, waits, unheard) = Default::default();
            let held = Held { offer: Some(offer), sealed, taken, slot: Some(slot), stop, sending, waits, unheard };
            self.held.insert(address, held);
        }
        actions
    }

    fn act(&mut self, action: Action<Address, Said>) {
        match action {
            Action::Claim(address) => {
                let public = self.shared.key.as_ref().map(Key::public);
                self.ask(address, public, Input::Answered);
            }
            Action::Start(address) => self.begin(address),
            Action::Send(address, number, said) => self.send(address, number, said),
            Action::Kill(address) => self.end_guest(&address),
            Action::Return(address) => {
                if let Some(held) = self.held.remove(&address) {
                    self.network.spawn(async move { held.taken.back().await });
                }
            }
            Action::Drop(address) => {
                if let Some(held) = self.held.remove(&address) {
                    self.network.spawn(async move { held.taken.done().await });
                }
            }
        }
    }

    /// Asks the service of an attempt whether this worker has it.
    fn ask(&self, address: Address, public: Option<String>, input: fn(Address, Option<Answer>) -> Input) {
        let claim = Claim { protocol: PROTOCOL, worker: self.name.to_string(), key: address.key, public };
        let (bus, inputs) = (Arc::clone(&self.shared.bus), self.inputs.clone());
        self.network.spawn(async move {
            // Without an answer, it is asked again.
            if let Ok(answer) = bus.claim(&address.service, &claim).await {
                let _ = inputs.send(input(address, answer));
            }
        });
    }

    /// Ends an attempt that this worker does not have, or whose service is gone.
    fn checked(&mut self, address: Address, answer: Option<&Answer>) -> Vec<Action<Address, Said>> {
        let Some(held) = self.held.get_mut(&address) else { return Vec::new() };
        held.unheard = if answer.is_none() { held.unheard + 1 } else { 0 };
        if answer != Some(&Answer::Refused) && held.unheard < GONE {
            return Vec::new();
        }
        tracing::warn!(
            build = address.key.build,
            attempt = address.key.attempt,
            "the service does not want an attempt"
        );
        self.hands.stop(address)
    }

    fn begin(&mut self, address: Address) {
        let Some(held) = self.held.get_mut(&address) else { return };
        let Some(offer) = held.offer.take() else { return };
        let sealed = held.sealed.take();
        let (stop, cancel) = Cancel::pair();
        held.stop = Some(stop);
        let key = address.key;
        tracing::info!(job = offer.job_id, build = key.build, attempt = key.attempt, "attempt started");
        let (shared, inputs) = (Arc::clone(&self.shared), self.inputs.clone());
        self.guests.spawn(async move {
            let report = |said| {
                let (confirmed, wait) = oneshot::channel();
                let _ = inputs.send(Input::Said(address.clone(), said, false, Some(confirmed)));
                async move { drop(wait.await) }
            };
            let last = shared.run(*offer, sealed, cancel, report).await;
            let _ = inputs.send(Input::Said(address, last, true, None));
        });
    }

    fn send(&mut self, address: Address, number: u64, said: Said) {
        let Some(held) = self.held.get_mut(&address) else { return };
        // The bus tries until the broker has it.
        if held.sending.replace(number) == Some(number) {
            return;
        }
        let (bus, inputs) = (Arc::clone(&self.shared.bus), self.inputs.clone());
        let sent = self.shared.clock.now().0;
        let report = Report { worker: self.name.to_string(), key: address.key, number, sent, said };
        self.network.spawn(async move {
            match bus.report(&address.service, &report).await {
                Ok(()) => drop(inputs.send(Input::Confirmed(address, number))),
                Err(error) => tracing::error!(reason = error.to_string(), "a report cannot be sent"),
            }
        });
    }

    fn end_guest(&self, address: &Address) {
        if let Some(stop) = self.held.get(address).and_then(|held| held.stop.as_ref()) {
            let _ = stop.send(true);
        }
    }

    /// Tells all services that this worker is alive, and the broker that its offers are in hand.
    fn beat(&mut self) {
        let beat = self.heartbeat();
        let bus = Arc::clone(&self.shared.bus);
        self.network.spawn(async move { drop(bus.beat(&beat).await) });
        self.beats += 1;
        if self.beats.is_multiple_of(ASK_EVERY) {
            let running = self.held.iter().filter(|(_, held)| held.stop.is_some());
            running.for_each(|(address, _)| self.ask(address.clone(), None, Input::Checked));
        }
        if self.beats.is_multiple_of(OFFERS_EVERY) {
            let all: Vec<_> = self.held.values().map(|held| Arc::clone(&held.taken)).collect();
            self.network.spawn(async move {
                for taken in all {
                    taken.progress().await;
                }
            });
        }
    }

    fn heartbeat(&self) -> Beat {
        Beat {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            worker: self.name.to_string(),
            slots: self.slots,
            labels: self.labels.iter().map(str::to_owned).collect(),
            stops: self.stops_at.is_some(),
            public: self.shared.key.as_ref().map(Key::public),
            works_on: self.hands.works_on(),
        }
    }

    /// Gives back what still runs when the grace of a stopping worker is over.
    fn hand_back_if_late(&mut self) {
        if self.stops_at.is_none_or(|at| Instant::now() < at) {
            return;
        }
        if !std::mem::replace(&mut self.is_late, true) {
            let attempts = self.held.len();
            tracing::warn!(attempts, "gives attempts back, and waits until the broker has their last reports");
        }
        let addresses: Vec<_> = self.held.keys().cloned().collect();
        for address in addresses {
            self.end_guest(&address);
            let how = How::HandedBack;
            let end = End { how, used: Default::default(), traffic: Default::default() };
            let said = Said { end: Some(end), ..Said::default() };
            let actions = self.hands.said(&address, said, true, self.now());
            actions.into_iter().for_each(|action| self.act(action));
        }
    }
}
