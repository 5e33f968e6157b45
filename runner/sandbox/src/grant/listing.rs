//! Listings of folders that are read as the guest asks for names: the engine's own reads a whole folder into the host's
//! memory, once for each listing that a guest has open.

use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::sync::Arc;

use rustix::fs::AtFlags;
use rustix::fs::FileType;
use rustix::fs::Mode;
use rustix::fs::OFlags;
use rustix::fs::RawDir;
use rustix::fs::openat;
use rustix::fs::statat;
use wasmtime::StoreContextMut;
use wasmtime::component::Linker;
use wasmtime::component::Resource;
use wasmtime::component::ResourceType;
use wasmtime_wasi::WasiView;
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::FsError;
use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::bindings::filesystem::types::DescriptorType;
use wasmtime_wasi::p2::bindings::filesystem::types::DirectoryEntry;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;

use crate::host::Host;
use crate::signal::Signal;

/// The interface in the version that the engine links. Components that import another 0.2 get it too.
const INTERFACE: &str = "wasi:filesystem/types@0.2.12";

/// Bytes of entries that are read from the kernel at once: about a hundred names.
const AT_ONCE: usize = 4 << 10;

/// Bytes that an open listing is charged: what was read at once, and the entries that it was made into.
pub(super) const HELD: u64 = 16 << 10;

pub(super) type Entry = Result<DirectoryEntry, ErrorCode>;

/// A folder that is being listed.
pub(super) struct Listing {
    /// Opened for this listing alone: the kernel keeps the place in it.
    folder: Arc<std::fs::File>,
    read: VecDeque<Entry>,
}

/// Puts listings that stream in the place of the engine's, in a linker that allows shadowing.
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

/// An error of the file system is the guest's to handle; any other ends it.
fn answer<T>(result: FsResult<T>) -> wasmtime::Result<(Result<T, ErrorCode>,)> {
    match result {
        Ok(value) => Ok((Ok(value),)),
        Err(error) => Ok((Err(error.downcast()?),)),
    }
}

async fn open(mut store: StoreContextMut<'_, Host>, folder: Resource<Descriptor>) -> FsResult<Resource<Listing>> {
    let host = store.data_mut();
    let folder = match host.ctx().table.get(&folder)? {
        Descriptor::Dir(folder) => Arc::clone(&folder.dir),
        Descriptor::File(_) => return Err(ErrorCode::NotDirectory.into()),
    };
    let listing = begin(&folder).await?;
    host.guest.account.charge(HELD).map_err(|full| FsError::trap(Signal::full(full)))?;
    Ok(host.ctx().table.push(listing)?)
}

async fn next(mut store: StoreContextMut<'_, Host>, listing: Resource<Listing>) -> FsResult<Option<DirectoryEntry>> {
    let open = store.data_mut().ctx().table.get_mut(&listing)?;
    open.next().await?.transpose().map_err(FsError::from)
}

/// Opens a folder to list it. What it holds is charged by the caller.
pub(super) async fn begin(folder: &Arc<std::fs::File>) -> std::io::Result<Listing> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let folder = Arc::clone(folder);
    let opened = blocking(move || openat(&*folder, ".", flags, Mode::empty())).await?;
    Ok(Listing { folder: Arc::new(opened.into()), read: VecDeque::new() })
}

impl Listing {
    /// The next entry; none at the end.
    pub(super) async fn next(&mut self) -> std::io::Result<Option<Entry>> {
        if self.read.is_empty() {
            let folder = Arc::clone(&self.folder);
            self.read = blocking(move || read(&folder)).await?;
        }
        Ok(self.read.pop_front())
    }
}

/// The next entries of a folder; none at its end.
fn read(folder: &std::fs::File) -> rustix::io::Result<VecDeque<Entry>> {
    let mut room = [MaybeUninit::uninit(); AT_ONCE];
    let (mut entries, mut names) = (VecDeque::new(), RawDir::new(folder, &mut room));
    while let Some(entry) = names.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            let found = match entry.file_type() {
                // Some file systems do not say.
                FileType::Unknown => statat(folder, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)
                    .map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode)),
                found => found,
            };
            let name = str::from_utf8(name).map(str::to_owned);
            let entry = name.map(|name| DirectoryEntry { type_: type_of(found), name });
            entries.push_back(entry.map_err(|_| ErrorCode::IllegalByteSequence));
        }
        if names.is_buffer_empty() && !entries.is_empty() {
            break;
        }
    }
    Ok(entries)
}

fn type_of(found: FileType) -> DescriptorType {
    match found {
        FileType::RegularFile => DescriptorType::RegularFile,
        FileType::Directory => DescriptorType::Directory,
        FileType::Symlink => DescriptorType::SymbolicLink,
        FileType::BlockDevice => DescriptorType::BlockDevice,
        FileType::CharacterDevice => DescriptorType::CharacterDevice,
        FileType::Fifo => DescriptorType::Fifo,
        FileType::Socket => DescriptorType::Socket,
        FileType::Unknown => DescriptorType::Unknown,
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    wasmtime_wasi::runtime::spawn_blocking(work).await
}
