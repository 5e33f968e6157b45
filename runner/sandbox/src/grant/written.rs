//! Writing to files, counted against quotas before it happens: replacements for the engine's
//! component functions.

use bytes::Bytes;
use wasmtime::StoreContextMut;
use wasmtime::component::Linker;
use wasmtime::component::Resource;
use wasmtime_wasi::WasiView;
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::filesystem::WasiFilesystemView;
use wasmtime_wasi::p2::DynOutputStream;
use wasmtime_wasi::p2::FsError;
use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::OutputStream;
use wasmtime_wasi::p2::Pollable;
use wasmtime_wasi::p2::StreamError;
use wasmtime_wasi::p2::StreamResult;
use wasmtime_wasi::p2::bindings::filesystem::types::HostDescriptor;

use super::answer::answer;
use crate::host::Host;
use crate::quota::Counted;

/// The interface in the version that the engine links. Components that import another 0.2 version
/// also get this.
const INTERFACE: &str = "wasi:filesystem/types@0.2.12";

/// Replaces the engine's functions, in a linker that allows shadowing.
pub(super) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    let mut types = linker.instance(INTERFACE)?;
    types.func_wrap_async(
        "[method]descriptor.write",
        |store, (file, bytes, offset): (Resource<Descriptor>, Vec<u8>, u64)| {
            Box::new(async move { answer(write(store, file, bytes, offset).await) })
        },
    )?;
    types.func_wrap_async("[method]descriptor.set-size", |store, (file, size): (Resource<Descriptor>, u64)| {
        Box::new(async move { answer(set_size(store, file, size).await) })
    })?;
    types.func_wrap(
        "[method]descriptor.write-via-stream",
        |mut store: StoreContextMut<'_, Host>, (file, offset): (Resource<Descriptor>, u64)| {
            let host = store.data_mut();
            let counted = counted(host, &file);
            let stream = host.filesystem().write_via_stream(file, offset);
            answer(stream.and_then(|stream| wrapped(host, stream, counted)))
        },
    )?;
    types.func_wrap(
        "[method]descriptor.append-via-stream",
        |mut store: StoreContextMut<'_, Host>, (file,): (Resource<Descriptor>,)| {
            let host = store.data_mut();
            let counted = counted(host, &file);
            let stream = host.filesystem().append_via_stream(file);
            answer(stream.and_then(|stream| wrapped(host, stream, counted)))
        },
    )
}

/// Returns the quotas of a file. A folder has none, nor does a file that the engine will report as
/// missing.
fn counted(host: &mut Host, file: &Resource<Descriptor>) -> Counted {
    let quotas = host.quotas.clone();
    match host.ctx().table.get(file) {
        Ok(Descriptor::File(file)) if !quotas.is_empty() => quotas.of(&file.file),
        _ => Counted::default(),
    }
}

async fn write(
    mut store: StoreContextMut<'_, Host>,
    file: Resource<Descriptor>,
    bytes: Vec<u8>,
    offset: u64,
) -> FsResult<u64> {
    let host = store.data_mut();
    counted(host, &file).take(bytes.len() as u64).map_err(FsError::trap)?;
    host.filesystem().write(file, bytes, offset).await
}

/// Sets the size of a file. Bytes by which the file grows count as written.
async fn set_size(mut store: StoreContextMut<'_, Host>, file: Resource<Descriptor>, size: u64) -> FsResult<()> {
    let host = store.data_mut();
    let counted = counted(host, &file);
    if let Ok(Descriptor::File(open)) = host.ctx().table.get(&file) {
        let before = open.file.metadata().map_or(0, |metadata| metadata.len());
        counted.take(size.saturating_sub(before)).map_err(FsError::trap)?;
    }
    host.filesystem().set_size(file, size).await
}

/// Wraps the engine's stream if there is something to count.
fn wrapped(
    host: &mut Host,
    stream: Resource<DynOutputStream>,
    counted: Counted,
) -> FsResult<Resource<DynOutputStream>> {
    if host.quotas.is_empty() {
        return Ok(stream);
    }
    let inner = host.ctx().table.delete(stream)?;
    let stream: DynOutputStream = Box::new(Stream { inner, counted });
    Ok(host.ctx().table.push(stream)?)
}

/// A stream to a file.
struct Stream {
    inner: DynOutputStream,
    counted: Counted,
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Stream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.counted.take(bytes.len() as u64).map_err(|signal| StreamError::Trap(signal.into()))?;
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.inner.flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.inner.check_write()
    }

    async fn cancel(&mut self) {
        self.inner.cancel().await;
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Stream {
    async fn ready(&mut self) {
        self.inner.ready().await;
    }
}
