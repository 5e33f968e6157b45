//! `jobcontrol:plugin/http`: requests with complete bodies, made by `crate::http` with the rights
//! that the job was granted.

use std::time::Duration;

use wasmtime::component::HasSelf;
use wasmtime::component::Linker;
use wasmtime::component::Resource;
use wasmtime_wasi::WasiView;

use crate::bindings::jobcontrol::plugin::http;
use crate::host::Host;
use crate::http::Answer;
use crate::http::Plain;
use crate::signal::Signal;

/// Adds the interface to a linker.
pub(super) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    http::add_to_linker::<_, HasSelf<Host>>(linker, |host| host)
}

impl http::Host for Host {
    async fn send(&mut self, request: http::Request) -> wasmtime::Result<Result<Resource<Answer>, String>> {
        let http::Request { method, url, headers, body, timeout, redirects } = request;
        let timeout = timeout.map(Duration::from_millis);
        // The host holds the body until the response begins.
        let held = body.len() as u64;
        self.guest.account.charge(held).map_err(Signal::full)?;
        let sent = self.requests.send(Plain { method, url, headers, body, timeout, redirects }).await;
        self.guest.account.give_back(held);
        Ok(match sent {
            Ok(answer) => Ok(self.ctx().table.push(answer)?),
            Err(reason) => Err(reason),
        })
    }
}

impl http::HostResponse for Host {
    fn status(&mut self, answer: Resource<Answer>) -> wasmtime::Result<u16> {
        Ok(self.ctx().table.get(&answer)?.status)
    }

    fn headers(&mut self, answer: Resource<Answer>) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(self.ctx().table.get(&answer)?.headers.clone())
    }

    fn url(&mut self, answer: Resource<Answer>) -> wasmtime::Result<String> {
        Ok(self.ctx().table.get(&answer)?.url.clone())
    }

    async fn read(&mut self, answer: Resource<Answer>) -> wasmtime::Result<Result<Vec<u8>, String>> {
        Ok(self.ctx().table.get_mut(&answer)?.read().await.map(|part| part.to_vec()))
    }

    fn drop(&mut self, answer: Resource<Answer>) -> wasmtime::Result<()> {
        self.ctx().table.delete(answer)?;
        Ok(())
    }
}
