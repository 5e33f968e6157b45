//! `serve`: watches the jobs folder and runs what is due, until it is stopped.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::bus::BusArgs;
use super::daemon;
use super::error;
use super::error::CliError;
use super::flags::LogFormat;
use super::flags::duration;
use super::listen::ListenArgs;
use super::render::Out;
use super::watch::settings_file;
use crate::app::App;
use crate::service::serving::Service;
use crate::service::systemd;
use crate::service::systemd::Activated;
use crate::settings::Options;
use crate::web::Opened;
use crate::web::Server;

/// How to serve.
#[derive(Args, Debug)]
pub(super) struct ServeArgs {
    /// Build each job without a trigger whenever its inputs change, unless it is protected
    #[arg(long)]
    on_change: bool,
    /// How long running builds may take to end when the service stops
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    grace: Duration,
    #[command(flatten)]
    listen: ListenArgs,
    #[command(flatten)]
    pub(super) bus: BusArgs,
    /// Open a page in a browser: the list of jobs, or another page such as `/graph`
    #[arg(long, value_name = "PATH", num_args = 0..=1, default_missing_value = "/", require_equals = true, value_parser = path)]
    open: Option<String>,
    /// Send a span for each run, build and attempt to this collector: `http://HOST:4318/v1/traces`
    #[cfg(feature = "otel")]
    #[arg(long, value_name = "URL")]
    otlp: Option<String>,
    /// The format of the service's own log, on standard error
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    log: LogFormat,
}

fn path(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_graphic();
    let fits = text.starts_with('/') && !text.starts_with("//") && text.chars().all(plain);
    if fits { Ok(text.to_owned()) } else { Err("not the path of a page, such as `/graph`".to_owned()) }
}

/// Serves until a signal comes. `activated` holds sockets that systemd has already opened.
pub(super) fn serve(
    app: &App,
    options: Options,
    out: &Out,
    args: &ServeArgs,
    activated: Vec<Activated>,
) -> Result<u8, CliError> {
    let stopped = daemon::start(out, args.log)?;
    let opened = args.listen.open(app, activated)?;
    let page = opened.as_ref().and_then(|opened| page(opened.addresses()));
    if args.open.is_some() && page.is_none() {
        return Err(CliError::usage(
            "--open: the service listens on no address that a browser can reach: add `--listen 127.0.0.1:8484`",
        ));
    }
    #[cfg(feature = "otel")]
    let otlp = args.otlp.clone();
    #[cfg(not(feature = "otel"))]
    let otlp = None;
    let service = Arc::new(app.serve(settings_file(app, options, out), args.on_change, otlp)?);
    let web = opened.map(|opened| answer(opened, &service)).transpose()?;
    systemd::ready();
    if let Some(page) = page.zip(args.open.as_ref()).map(|(web, path)| format!("{web}{path}")) {
        // The page is served anyway: a person without a browser on this machine can use the
        // address.
        if let Err(error) = open::that_detached(&page) {
            tracing::warn!(address = page.as_str(), reason = error.to_string().as_str(), "no browser could be opened");
        }
    }
    // The sender lives in the handler, as long as the process does.
    let _ = stopped.recv();
    systemd::stopping();
    tracing::info!("stopping: no more builds start");
    let left = service.stop(args.grace)?;
    // The web stops last, so that its clients see the last builds end.
    web.map_or(Ok(()), Server::stop).map_err(|error| machine(&error))?;
    tracing::info!(running = left.running, runs_left = left.left, "stopped");
    Ok(error::DONE)
}

/// Returns the first address that a browser on this machine can reach.
fn page(addresses: &[String]) -> Option<String> {
    let web = addresses.iter().find(|address| address.starts_with("http"))?;
    // A browser cannot connect to the wildcard address.
    Some(web.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:"))
}

/// Begins to serve HTTP, and logs the addresses.
fn answer(opened: Opened, service: &Arc<Service>) -> Result<Server, CliError> {
    for address in opened.addresses() {
        tracing::info!(address = address.as_str(), "listening");
    }
    if opened.trusts_this_machine() {
        tracing::info!("every user of this machine may use the API as long as there is no token");
    }
    opened.serve(Arc::clone(service)).map_err(|error| machine(&error))
}

fn machine(error: &std::io::Error) -> CliError {
    CliError::failed(format!("the HTTP server failed: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_led_to_an_address_that_it_reaches() {
        let of = |addresses: &[&str]| page(&addresses.iter().map(|address| (*address).to_owned()).collect::<Vec<_>>());
        assert_eq!(of(&["unix:/run/x", "https://0.0.0.0:443"]), Some("https://127.0.0.1:443".to_owned()));
        assert_eq!(of(&["http://[::]:80"]), Some("http://[::1]:80".to_owned()));
        assert_eq!((of(&["unix:/run/x"]), of(&[])), (None, None));
        assert!(path("/graph?by=tag").is_ok());
        assert!(["graph", "//evil.example", "/a b", ""].into_iter().all(|text| path(text).is_err()));
    }
}
