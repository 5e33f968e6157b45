//! Spans for OpenTelemetry, exported in batches. Spans of runs, builds and attempts are made from
//! the store once a run has ended. Spans of requests of guests are made as the requests end.

use std::sync::Arc;
use std::thread;
use std::time::Duration;
use std::time::SystemTime;

use crossbeam_channel::Receiver;
use crossbeam_channel::Sender;
use jobcontrol_core::build::Attempt;
use jobcontrol_core::build::Build;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::cut;
use jobcontrol_core::http::HttpRules;
use jobcontrol_core::run::Run;
use jobcontrol_core::run::RunStatus;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::Result as StorageResult;
use jobcontrol_core::storage::Storage;
use jobcontrol_sandbox::HttpExchange;
use opentelemetry::InstrumentationScope;
use opentelemetry::KeyValue;
use opentelemetry::SpanId;
use opentelemetry::TraceFlags;
use opentelemetry::TraceId;
use opentelemetry::trace::SpanContext;
use opentelemetry::trace::SpanKind;
use opentelemetry::trace::Status;
use opentelemetry_http::Bytes;
use opentelemetry_http::HttpClient;
use opentelemetry_http::HttpError;
use opentelemetry_http::Request;
use opentelemetry_http::Response;
use opentelemetry_otlp::SpanExporter as OtlpExporter;
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_otlp::WithHttpConfig;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::BatchConfigBuilder;
use opentelemetry_sdk::trace::BatchSpanProcessor;
use opentelemetry_sdk::trace::SpanData;
use opentelemetry_sdk::trace::SpanExporter;
use opentelemetry_sdk::trace::SpanProcessor;
use sha2::Digest;
use sha2::Sha256;
use ureq::Agent;

use crate::execute::publisher::HostCall;
use crate::service::client::agent;

/// How many runs may wait to be exported. Further runs have no spans.
const QUEUE: usize = 4_096;
/// How many spans may wait to be exported; some 20 MB.
const SPANS: usize = 16_384;
/// How long one request to the collector may take.
const EXPORT_TIME: Duration = Duration::from_secs(10);
/// The longest response of a collector that is read.
const ANSWER: u64 = 1 << 20;
/// How long a service that stops waits for what is not exported yet.
const STOP_TIME: Duration = Duration::from_secs(5);
/// The most characters that are kept of a failure's message.
const MESSAGE: usize = 1_000;

/// What the thread has to do.
enum Order {
    Run(u64),
    Call(Box<HostCall>),
    Stop,
}

/// Takes runs that have ended.
pub(super) struct Traces {
    orders: Sender<Order>,
    done: Receiver<()>,
}

impl Traces {
    /// Starts to export to a collector that speaks OTLP over HTTP.
    ///
    /// # Errors
    ///
    /// Returns an error if the URL, the certificates or the proxy cannot be used, or if the thread
    /// cannot be started.
    pub(super) fn to_collector(url: &str, http: &HttpRules, storage: Arc<dyn Storage>) -> Result<Self, String> {
        let client = Client(agent(url, http, EXPORT_TIME)?);
        let builder = OtlpExporter::builder().with_http().with_http_client(client);
        let exporter = builder.with_endpoint(url).with_timeout(EXPORT_TIME).build();
        Self::start(exporter.map_err(|e| e.to_string())?, storage)
    }

    fn start(exporter: impl SpanExporter + 'static, storage: Arc<dyn Storage>) -> Result<Self, String> {
        let batches = BatchConfigBuilder::default().with_max_queue_size(SPANS).build();
        let mut processor = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
        let resource = Resource::builder().with_service_name(env!("CARGO_PKG_NAME"));
        processor.set_resource(
            &resource.with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION"))).build(),
        );
        let store = storage.store_id().map_err(|e| e.to_string())?;
        let (orders, queue) = crossbeam_channel::bounded(QUEUE);
        let (working, done) = crossbeam_channel::bounded(0);
        let maker = Maker { storage, store, processor };
        let thread = thread::Builder::new().name("traces".to_owned()).spawn(move || {
            maker.work(&queue);
            drop(working);
        });
        thread.map(|_| Self { orders, done }).map_err(|e| e.to_string())
    }

    /// Submits a run that has ended. Never waits.
    pub(super) fn run_ended(&self, run: u64) {
        if self.orders.try_send(Order::Run(run)).is_err() {
            tracing::warn!(run, "a run has no spans: too many runs already wait");
        }
    }

    /// Returns what takes calls of the host.
    pub(super) fn calls(&self) -> Calls {
        Calls(self.orders.clone())
    }

    /// Waits a moment until everything is exported. Blocks.
    pub(super) fn stop(&self) {
        let _ = self.orders.send_timeout(Order::Stop, STOP_TIME);
        let _ = self.done.recv_timeout(STOP_TIME);
    }
}

/// Takes calls of the host.
pub(super) struct Calls(Sender<Order>);

impl Calls {
    /// Submits a call that has ended. Never waits.
    pub(super) fn made(&self, call: HostCall) {
        // Guests may make more calls than can be exported, and runs need their room.
        if self.0.len() < QUEUE / 2 {
            let _ = self.0.try_send(Order::Call(Box::new(call)));
        }
    }
}

/// Makes spans from rows.
struct Maker {
    storage: Arc<dyn Storage>,
    /// Distinguishes the runs of this store from all others.
    store: String,
    processor: BatchSpanProcessor,
}

impl Maker {
    fn work(&self, orders: &Receiver<Order>) {
        // The run of the build that called last: one build makes many calls.
        let mut last = (0, None);
        let mut made = 0_u64;
        loop {
            match orders.recv() {
                Ok(Order::Run(run)) => {
                    if let Err(error) = self.export(run) {
                        tracing::warn!(run, reason = error.to_string().as_str(), "a run has no spans");
                    }
                }
                Ok(Order::Call(call)) => {
                    if last.0 != call.build_id {
                        last = (call.build_id, self.storage.get_build(call.build_id).ok().and_then(|build| build.run));
                    }
                    if let Some(run) = last.1 {
                        made += 1;
                        let context = self.context(run, &format!("call {} {made}", call.exchange.began.0));
                        let parent = self.context(run, &format!("attempt {} {}", call.build_id, call.attempt));
                        self.processor.on_end(of_call(*call, context, &parent));
                    }
                }
                Ok(Order::Stop) | Err(_) => break,
            }
        }
        let _ = self.processor.shutdown_with_timeout(STOP_TIME);
    }

    fn export(&self, id: u64) -> StorageResult<()> {
        let run = self.storage.get_run(id)?;
        let of_run = BuildFilter { run: Some(id), limit: u64::MAX >> 1, brief: true, ..BuildFilter::default() };
        let builds = self.storage.get_job_builds(&of_run)?;
        let top = self.context(id, &format!("run {id}"));
        let mut made = 0;
        for build in &builds {
            let context = self.context(id, &format!("build {}", build.id));
            // Only a build that was tried again has separate attempts in the store.
            let ended = if build.attempt > 1 { self.storage.get_ended_attempts(build.id)? } else { Vec::new() };
            for attempt in build.attempts(ended) {
                let own = self.context(id, &format!("attempt {} {}", build.id, attempt.number));
                self.processor.on_end(of_attempt(&attempt, build, own, &context));
                made += 1;
            }
            self.processor.on_end(of_build(build, context, &top));
            made += 1;
            if made >= SPANS / 2 {
                // Spans that do not fit into the queue are lost.
                let _ = self.processor.force_flush();
                made = 0;
            }
        }
        self.processor.on_end(of_run_itself(&run, top));
        Ok(())
    }

    /// Returns the ids of a span. They are the same whoever makes it, so a build can name its run
    /// before the run has a span.
    fn context(&self, run: u64, what: &str) -> SpanContext {
        let (mut trace, mut span) = ([0; 16], [0; 8]);
        trace.copy_from_slice(&Sha256::digest(format!("{} {run}", self.store))[..16]);
        span.copy_from_slice(&Sha256::digest(format!("{} {what}", self.store))[..8]);
        let (trace, span) = (TraceId::from_bytes(trace), SpanId::from_bytes(span));
        SpanContext::new(trace, span, TraceFlags::SAMPLED, false, opentelemetry::trace::TraceState::NONE)
    }
}

fn of_run_itself(run: &Run, context: SpanContext) -> SpanData {
    let (start, end) = (run.created, run.end_time.unwrap_or(run.created));
    let status = run.status.map_or("", RunStatus::name);
    let mut span = span("run".to_owned(), context, SpanId::INVALID, (start, end));
    span.attributes = vec![
        number("jobcontrol.run.id", run.id),
        KeyValue::new("jobcontrol.run.requested_by", run.requester.to_string()),
        KeyValue::new("jobcontrol.run.status", status),
    ];
    if run.status != Some(RunStatus::Successful) {
        span.status = Status::error(status);
    }
    span
}

fn of_build(build: &Build, context: SpanContext, parent: &SpanContext) -> SpanData {
    let end = build.end_time.unwrap_or(build.created);
    let mut span = span(format!("build {}", build.job_id), context, parent.span_id(), (build.created, end));
    span.attributes = vec![
        number("jobcontrol.build.id", build.id),
        KeyValue::new("jobcontrol.job.id", build.job_id.clone()),
        KeyValue::new("jobcontrol.build.status", build.status().name()),
    ];
    fail(&mut span, build.exception.as_ref());
    span
}

fn of_attempt(attempt: &Attempt, build: &Build, context: SpanContext, parent: &SpanContext) -> SpanData {
    let end = attempt.end_time.or(build.end_time).unwrap_or(attempt.start_time);
    let mut span = span("attempt".to_owned(), context, parent.span_id(), (attempt.start_time, end));
    span.attributes =
        vec![number("jobcontrol.build.id", build.id), number("jobcontrol.attempt.number", attempt.number.into())];
    fail(&mut span, attempt.failure.as_ref());
    span
}

/// Makes a span by the conventions for HTTP clients. The path is left out, because it may identify
/// somebody.
fn of_call(call: HostCall, context: SpanContext, parent: &SpanContext) -> SpanData {
    let HttpExchange { method, scheme, host, port, began, ended, answer } = call.exchange;
    let mut span = span(method.clone(), context, parent.span_id(), (began, ended));
    span.span_kind = SpanKind::Client;
    span.attributes = vec![
        number("jobcontrol.build.id", call.build_id),
        KeyValue::new("http.request.method", method),
        KeyValue::new("url.scheme", scheme.name()),
        KeyValue::new("server.address", host),
        number("server.port", port.into()),
    ];
    match answer {
        Ok(status) => {
            span.attributes.push(number("http.response.status_code", status.into()));
            if status >= 400 {
                span.attributes.push(KeyValue::new("error.type", status.to_string()));
                span.status = Status::error("");
            }
        }
        Err(name) => {
            span.attributes.push(KeyValue::new("error.type", name.clone()));
            span.status = Status::error(name);
        }
    }
    span
}

fn fail(span: &mut SpanData, failure: Option<&Failure>) {
    if let Some(failure) = failure {
        let mut message = failure.message.clone();
        cut(&mut message, MESSAGE);
        span.attributes.push(KeyValue::new("error.type", failure.kind.to_string()));
        span.status = Status::error(message);
    }
}

fn span(name: String, span_context: SpanContext, parent: SpanId, (start, end): (Timestamp, Timestamp)) -> SpanData {
    SpanData {
        span_context,
        parent_span_id: parent,
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: name.into(),
        start_time: system_time(start),
        end_time: system_time(end),
        attributes: Vec::new(),
        dropped_attributes_count: 0,
        events: Default::default(),
        links: Default::default(),
        status: Status::Unset,
        instrumentation_scope: InstrumentationScope::builder(env!("CARGO_PKG_NAME")).build(),
    }
}

fn number(name: &'static str, value: u64) -> KeyValue {
    KeyValue::new(name, i64::try_from(value).unwrap_or(i64::MAX))
}

fn system_time(time: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(time.since(Timestamp(0)))
}

/// The client of a service, for the exporter. It blocks the thread of the batches.
#[derive(Debug)]
struct Client(Agent);

#[async_trait::async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = self.0.run(request.map(Vec::from)).inspect_err(|error| told(&error.to_string()))?;
        if !answer.status().is_success() {
            told(&format!("it answered with the status {}", answer.status().as_u16()));
        }
        let (parts, mut body) = answer.into_parts();
        let body = body.with_config().limit(ANSWER).read_to_vec()?;
        Ok(Response::from_parts(parts, body.into()))
    }
}

fn told(reason: &str) {
    tracing::warn!(reason, "the collector did not take spans");
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use jobcontrol_core::clock::ManualClock;
    use jobcontrol_core::memory::MemoryStorage;
    use jobcontrol_core::storage::EndRun;
    use jobcontrol_core::storage::Finish;
    use jobcontrol_core::storage::NewBuild;
    use jobcontrol_core::storage::NewRun;
    use jobcontrol_core::storage::RunOf;
    use jobcontrol_core::storage::Write;
    use opentelemetry_sdk::error::OTelSdkResult;

    use super::*;
    use crate::lock::lock;

    #[derive(Clone, Debug, Default)]
    struct Kept(Arc<Mutex<Vec<SpanData>>>);

    impl SpanExporter for Kept {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            lock(&self.0).extend(batch);
            Ok(())
        }
    }

    #[test]
    fn a_build_is_below_its_run_and_an_attempt_below_its_build() {
        let clock = Arc::new(ManualClock::new(Timestamp::parse("2027-03-01T12:00:00Z").unwrap()));
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new(Arc::clone(&clock) as _));
        let now = || storage.clock().now();
        let run = storage.write(Write::CreateRun(NewRun { created: now(), ..NewRun::default() })).unwrap();
        let new = NewBuild { job_id: "sum".into(), run: RunOf::Run(run), created: now(), ..NewBuild::default() };
        let build = storage.write(Write::CreateBuild(new)).unwrap();
        clock.set(Timestamp::parse("2027-03-01T12:00:01Z").unwrap());
        storage.start_build(build).unwrap();
        clock.set(Timestamp::parse("2027-03-01T12:00:03Z").unwrap());
        storage.finish_build(build, Finish { success: Some(true), ..Finish::default() }).unwrap();
        let end = EndRun { id: run, time: now(), status: RunStatus::Successful, refused: None };
        storage.write(Write::EndRun(end)).unwrap();
        let kept = Kept::default();
        let traces = Traces::start(kept.clone(), storage).unwrap();
        traces.run_ended(run);
        traces.stop();
        let spans = lock(&kept.0);
        let of = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
        let (top, build, attempt) = (of("run"), of("build sum"), of("attempt"));
        assert_eq!(spans.len(), 3);
        assert_eq!(top.parent_span_id, SpanId::INVALID);
        assert_eq!(build.parent_span_id, top.span_context.span_id());
        assert_eq!(attempt.parent_span_id, build.span_context.span_id());
        assert!(spans.iter().all(|span| span.span_context.trace_id() == top.span_context.trace_id()));
        let took = |span: &SpanData| span.end_time.duration_since(span.start_time).unwrap();
        assert_eq!([top, build, attempt].map(took).map(|took| took.as_secs()), [3, 3, 2]);
    }
}
