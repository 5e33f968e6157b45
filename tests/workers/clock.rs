//! A worker whose clock is wrong.

use jiff::Timestamp;
use jobcontrol::bus::carrier::WorkerEnd;
use jobcontrol::bus::nats::NatsWorker;
use jobcontrol::bus::wire::Answer;
use jobcontrol::bus::wire::Beat;
use jobcontrol::bus::wire::Claim;
use jobcontrol::bus::wire::End;
use jobcontrol::bus::wire::PROTOCOL;
use jobcontrol::bus::wire::Report;
use jobcontrol::bus::wire::Said;
use jobcontrol_core::clock;
use jobcontrol_core::event::Level;
use jobcontrol_core::event::NewRecord;
use jobcontrol_core::event::Outcome;
use jobcontrol_core::labels::Labels;
use jobcontrol_core::manifest::BusAddress;
use jobcontrol_core::usage::Usage;
use jobcontrol_core::value::Value;

use super::broker::Broker;
use super::built;
use super::ended;
use super::folder;
use super::serve;

const DAY: i64 = 24 * 3600 * 1_000_000;

#[test]
#[ignore = "wants a NATS server, see the step `workers` of ci/suites.sh"]
fn a_worker_with_a_wrong_clock_harms_nothing() {
    let broker = Broker::start();
    let folder = folder();
    let served = serve(&folder, &broker);
    built(&folder, &served, "six", 1, "CREATED");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let address = BusAddress::parse(&broker.url()).unwrap();
        let worker = NatsWorker::connect(&address, "late", Labels::default()).await.unwrap();
        let (version, name, labels, works_on) = (String::new(), "late".to_owned(), Vec::new(), Vec::new());
        let (stops, public) = (false, None);
        let beat =
            Beat { protocol: PROTOCOL, version, worker: name.clone(), slots: 1, labels, stops, public, works_on };
        worker.beat(&beat).await.unwrap();
        let (offer, taken) = worker.take().await.unwrap();
        let (service, key) = (offer.address.service, offer.address.key);
        let claim = Claim { protocol: PROTOCOL, worker: name.clone(), key, public: None };
        assert_eq!(worker.claim(&service, &claim).await.unwrap(), Some(Answer::Granted));
        let sent = Timestamp::now().as_microsecond() - DAY;
        let record = NewRecord::new(clock::Timestamp(sent), Level::Info, "late", "a day ago".to_owned());
        let end = End::of(Outcome::Returned(Some(Value::Int(6))), Usage::default());
        let said = Said { records: vec![record.into()], end: Some(end), ..Said::default() };
        worker.report(&service, &Report { worker: name, key, number: 0, sent, said }).await.unwrap();
        taken.done().await;
    });
    assert_eq!(ended(&served, 1, "SUCCESSFUL")["retval"], 6);
    let log = served.get_until("/api/v1/builds/1/log", |log| log.to_string().contains("a day ago"));
    let records = log["records"].as_array().unwrap_or_else(|| log.as_array().unwrap());
    let record = records.iter().find(|record| record["message"] == "a day ago").unwrap();
    let created: Timestamp = record["created"].as_str().unwrap().parse().unwrap();
    let off = Timestamp::now().as_microsecond() - created.as_microsecond();
    assert!(off.abs() < DAY / 24, "{log:#}");
}
