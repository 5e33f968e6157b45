//! Folder listings that are read as the guest asks for names. The engine's own version reads a
//! whole folder into the host's memory for each listing that a guest has open.

use std::sync::Arc;

use wasmtime::StoreContextMut;
use wasmtime::component::Linker;
use wasmtime::component::Resource;
use wasmtime::component::ResourceType;
use wasmtime_wasi::WasiView;
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::FsError;
use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::bindings::filesystem::types::DirectoryEntry;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;

use super::answer::answer;
use super::entries::HELD;
use super::entries::Listing;
use crate::host::Host;
use crate::signal::Signal;

/// The interface in the version that the engine links. Components that import another 0.2 version
/// also get this.
const INTERFACE: &str = "wasi:filesystem/types@0.2.12";

/// Replaces the engine's listings with streaming ones, in a linker that allows shadowing.
pub(super) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    let mut types = linker.instance(INTERFACE)?;
    types.resource("directory-entry-stream", ResourceType::host::<Listing>(), |mut store, listing| {
        let host = store.data_mut();
        host.ctx().table.delete(Resource::<Listing>::new_own(listing))?;
        host.guest.account.give_back(HELD);
        Ok(())
    })?;
    types.func_wrap_async("[method]descriptor.read-directory", |store, (folder,): (Resource<Descriptor>,)| {
        Box::new(async move { answer(open(store, folder).await) })
    })?;
    types.func_wrap_async(
        "[method]directory-entry-stream.read-directory-entry",
        |store, (listing,): (Resource<Listing>,)| Box::new(async move { answer(next(store, listing).await) }),
    )
}

async fn open(mut store: StoreContextMut<'_, Host>, folder: Resource<Descriptor>) -> FsResult<Resource<Listing>> {
    let host = store.data_mut();
    let folder = match host.ctx().table.get(&folder)? {
        Descriptor::Dir(folder) => Arc::clone(&folder.dir),
        Descriptor::File(_) => return Err(ErrorCode::NotDirectory.into()),
    };
    let listing = Listing::begin(&folder).await?;
    host.guest.account.charge(HELD).map_err(|full| FsError::trap(Signal::full(full)))?;
    Ok(host.ctx().table.push(listing)?)
}

async fn next(mut store: StoreContextMut<'_, Host>, listing: Resource<Listing>) -> FsResult<Option<DirectoryEntry>> {
    let open = store.data_mut().ctx().table.get_mut(&listing)?;
    open.next().await?.transpose().map_err(FsError::from)
}
