//! What every bus does, whatever carries it: the rules of `bus/carrier`, on the bus inside one
//! process and on a real broker.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jobcontrol::bus::carrier::Disposal;
use jobcontrol::bus::carrier::Heard;
use jobcontrol::bus::carrier::ServiceEnd;
use jobcontrol::bus::carrier::WorkerEnd;
use jobcontrol::bus::local::LocalService;
use jobcontrol::bus::nats::NatsService;
use jobcontrol::bus::nats::NatsWorker;
use jobcontrol::bus::wire::Address;
use jobcontrol::bus::wire::Answer;
use jobcontrol::bus::wire::Beat;
use jobcontrol::bus::wire::Body;
use jobcontrol::bus::wire::Claim;
use jobcontrol::bus::wire::Note;
use jobcontrol::bus::wire::Offer;
use jobcontrol::bus::wire::PROTOCOL;
use jobcontrol::bus::wire::Report;
use jobcontrol::bus::wire::Said;
use jobcontrol_core::labels::Labels;
use jobcontrol_core::manifest::BusAddress;
use jobcontrol_core::remote::AttemptKey;

use super::broker::Broker;

const SERVICE: &str = "s";

/// Nothing on a bus takes this long.
const HANGS: Duration = Duration::from_secs(30);

/// A bus with a service, to which workers come.
enum Bus {
    Local(Arc<LocalService>),
    Nats(Arc<NatsService>, BusAddress),
}

impl Bus {
    fn service(&self) -> &dyn ServiceEnd {
        match self {
            Self::Local(service) => &**service,
            Self::Nats(service, _) => &**service,
        }
    }

    async fn worker(&self, name: &str, labels: &[&str]) -> Arc<dyn WorkerEnd> {
        let labels = Labels::of(labels.iter().map(|&label| label.to_owned()));
        match self {
            Self::Local(service) => service.worker(name, labels),
            Self::Nats(_, address) => NatsWorker::connect(address, name, labels).await.expect("the bus works"),
        }
    }

    async fn hear(&self) -> Heard {
        within(self.service().hear()).await.expect("a message")
    }
}

async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANGS, what).await.expect("an answer in time")
}

fn key(build: u64) -> AttemptKey {
    AttemptKey { build, attempt: 1 }
}

fn address(build: u64) -> Address {
    Address { service: SERVICE.to_owned(), key: key(build) }
}

fn offer(build: u64, needs: &[&str]) -> Offer {
    Offer {
        protocol: PROTOCOL,
        address: address(build),
        job_id: "job".to_owned(),
        store_id: "store".to_owned(),
        plugin: "digest".to_owned(),
        plugin_name: "a.wasm".to_owned(),
        config: Bytes::from_static(b"config"),
        args: Body::Here(Bytes::from_static(b"args")),
        build_time: Some(7),
        needs: needs.iter().map(|&label| label.to_owned()).collect(),
    }
}

async fn an_offer_goes_to_one_worker_that_has_its_labels(bus: &Bus) {
    for (build, needs) in [(1, &["gpu"][..]), (2, &[]), (3, &[])] {
        bus.service().offer(&offer(build, needs)).await.expect("the bus works");
    }
    let (plain, labelled) = (bus.worker("plain", &[]).await, bus.worker("labelled", &["gpu", "linux"]).await);
    let mut taken = Vec::new();
    for _ in 0..2 {
        let (offer, held) = within(plain.take()).await.expect("the bus works");
        held.done().await;
        taken.push(offer);
    }
    assert_eq!(taken, [offer(2, &[]), offer(3, &[])], "in order");
    let (taken, held) = within(labelled.take()).await.expect("the bus works");
    held.progress().await;
    held.done().await;
    assert_eq!(taken, offer(1, &["gpu"]));
    bus.service().offer(&offer(4, &[])).await.expect("the bus works");
    let (taken, held) = within(labelled.take()).await.expect("the bus works");
    assert_eq!(taken.address, address(4), "nothing comes twice");
    held.done().await;
}

async fn an_offer_that_is_given_back_comes_again(bus: &Bus) {
    let worker = bus.worker("w", &[]).await;
    bus.service().offer(&offer(1, &[])).await.expect("the bus works");
    let (_, held) = within(worker.take()).await.expect("the bus works");
    held.back().await;
    let (again, held) = within(worker.take()).await.expect("the bus works");
    held.done().await;
    assert_eq!(again, offer(1, &[]));
}

async fn a_claim_is_answered_by_the_service_that_it_names(bus: &Bus) {
    let worker = bus.worker("w", &[]).await;
    let claim = Claim { protocol: PROTOCOL, worker: "w".to_owned(), key: key(1), public: None };
    assert_eq!(within(worker.claim("nobody", &claim)).await.expect("the bus works"), None);
    let answer = async {
        let Heard::Claim(heard, answer) = bus.hear().await else { panic!("a claim") };
        assert_eq!(heard, claim);
        answer(Answer::Granted);
    };
    let (answered, ()) = within(async { tokio::join!(worker.claim(SERVICE, &claim), answer) }).await;
    assert_eq!(answered.expect("the bus works"), Some(Answer::Granted));
}

async fn reports_come_in_order_and_again_until_they_are_done(bus: &Bus) {
    let worker = bus.worker("w", &[]).await;
    let report = |number| {
        let said = Said { progress: vec![("all".to_owned(), number, 2, String::new())], ..Said::default() };
        Report { worker: "w".to_owned(), key: key(1), number, sent: 5, said }
    };
    let send = async {
        for number in 0..3 {
            worker.report(SERVICE, &report(number)).await.expect("the bus works");
        }
    };
    let hear = async {
        let (mut heard, mut later) = (Vec::new(), 0);
        // Number 1 is delivered again until it is done; others may come meanwhile.
        while heard.len() < 3 {
            let Heard::Report(report, dispose) = bus.hear().await else { panic!("a report") };
            if report.number == 1 && later < 2 {
                later += 1;
                dispose(Disposal::Later);
            } else {
                dispose(Disposal::Done);
                heard.push(report);
            }
        }
        heard.sort_by_key(|report| report.number);
        (heard, later)
    };
    let ((), (heard, later)) = within(async { tokio::join!(send, hear) }).await;
    assert_eq!((heard, later), ((0..3).map(report).collect(), 2));
}

async fn notes_reach_the_worker_that_they_are_for(bus: &Bus) {
    let (one, other) = (bus.worker("one", &[]).await, bus.worker("other", &[]).await);
    bus.service().tell("nobody", &Note::Stop(address(1))).await.expect("the bus works");
    bus.service().tell("one", &Note::Cancel(address(2))).await.expect("the bus works");
    bus.service().tell("other", &Note::Stop(address(3))).await.expect("the bus works");
    assert_eq!(within(one.told()).await, Some(Note::Cancel(address(2))));
    assert_eq!(within(other.told()).await, Some(Note::Stop(address(3))));
}

async fn a_heartbeat_reaches_the_service(bus: &Bus) {
    let worker = bus.worker("w", &[]).await;
    let beat = Beat {
        protocol: PROTOCOL,
        version: "1".to_owned(),
        worker: "w".to_owned(),
        slots: 2,
        labels: vec!["gpu".to_owned()],
        stops: true,
        public: Some("age1".to_owned()),
        works_on: vec![address(1)],
    };
    worker.beat(&beat).await.expect("the bus works");
    let Heard::Beat(heard) = bus.hear().await else { panic!("a heartbeat") };
    assert_eq!(heard, beat);
}

async fn objects_are_there_for_both_until_they_are_forgotten(bus: &Bus) {
    let (service, worker) = (bus.service(), bus.worker("w", &[]).await);
    let large = Bytes::from(vec![7; 3 << 20]);
    assert!(!service.has("a").await.expect("the bus works"));
    service.keep("a", large.clone()).await.expect("the bus works");
    worker.keep("b", Bytes::from_static(b"small")).await.expect("the bus works");
    assert!(service.has("a").await.expect("the bus works"));
    assert_eq!(within(worker.object("a")).await.expect("the bus works"), large);
    assert_eq!(within(service.object("b")).await.expect("the bus works"), Bytes::from_static(b"small"));
    service.forget("b").await.expect("the bus works");
    assert!(within(service.object("b")).await.is_err() && !service.has("b").await.expect("the bus works"));
    assert!(service.value_limit() >= 100_000 && worker.value_limit() == service.value_limit());
}

/// Runs one rule on a new bus: an in-process one, or a real broker.
fn check(is_local: bool, rule: impl AsyncFnOnce(&Bus)) {
    let broker = (!is_local).then(Broker::start);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("the bus works");
    runtime.block_on(async {
        let bus = match &broker {
            None => Bus::Local(LocalService::new(SERVICE)),
            Some(broker) => {
                let address = BusAddress::parse(&broker.url()).expect("the bus works");
                let service = NatsService::connect(&address, SERVICE).await.expect("the bus works");
                // The first thing that it says is that it is there.
                let first = service.hear().await;
                assert!(matches!(first, Some(Heard::Connection(true))));
                Bus::Nats(service, address)
            }
        };
        rule(&bus).await;
    });
}

macro_rules! on_both {
    ($($rule:ident)+) => {
        mod local {
            $(#[test]
            fn $rule() {
                super::check(true, super::$rule);
            })+
        }

        mod nats {
            $(#[test]
            #[ignore = "wants a NATS server, see the step `workers` of ci/suites.sh"]
            fn $rule() {
                super::check(false, super::$rule);
            })+
        }
    };
}

on_both! {
    an_offer_goes_to_one_worker_that_has_its_labels
    an_offer_that_is_given_back_comes_again
    a_claim_is_answered_by_the_service_that_it_names
    reports_come_in_order_and_again_until_they_are_done
    notes_reach_the_worker_that_they_are_for
    a_heartbeat_reaches_the_service
    objects_are_there_for_both_until_they_are_forgotten
}
