//! Finds the file or folder behind a preview1 descriptor.

use std::fs::File;
use std::sync::Arc;

use wasmtime::component::Resource;
use wasmtime_wasi::WasiView;
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::filesystem::WasiFilesystemView;
use wasmtime_wasi::p1::types::Filestat;
use wasmtime_wasi::p2::bindings::filesystem::types::HostDescriptor;

use crate::host::Host;

/// Returns the file or folder behind a preview1 descriptor, as selected by `of`, with its handle.
/// Only the engine knows which handle belongs to a descriptor, but it reports the identity of the
/// open file. Any other open handle with that identity is the same file.
pub(super) async fn opened(
    host: &mut Host,
    stat: &Filestat,
    of: fn(&Descriptor) -> Option<Arc<File>>,
) -> Option<(u32, Arc<File>)> {
    let handles = u32::try_from(host.ctx().table.max_capacity()).unwrap_or(u32::MAX);
    for handle in 0..handles {
        let descriptor = || Resource::<Descriptor>::new_borrow(handle);
        let Some(file) = host.ctx().table.get(&descriptor()).ok().and_then(of) else {
            continue;
        };
        let hash = host.wasi.filesystem().metadata_hash(descriptor()).await;
        if hash.is_ok_and(|hash| hash.lower == stat.ino) {
            return Some((handle, file));
        }
    }
    None
}
