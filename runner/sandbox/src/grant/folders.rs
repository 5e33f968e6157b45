//! A `fd_readdir` for preview1 that continues where it stopped. The engine's own version reads the
//! whole folder again for each call.

use std::sync::Arc;

use rustix::fs::fstat;
use wasmtime::Caller;
use wasmtime::Extern;
use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::filesystem::WasiFilesystemView;
use wasmtime_wasi::p1::types::Errno;
use wasmtime_wasi::p1::types::Fd;
use wasmtime_wasi::p1::wasi_snapshot_preview1::WasiSnapshotPreview1;
use wasmtime_wasi::p2::bindings::filesystem::types::DescriptorType;
use wasmtime_wasi::p2::bindings::filesystem::types::DirectoryEntry;
use wasmtime_wasi::p2::bindings::filesystem::types::HostDescriptor;
use wasmtime_wasi::p2::bindings::filesystem::types::PathFlags;
use wiggle::GuestMemory;

use super::entries::HELD;
use super::entries::Listing;
use super::entries::Reading;
use super::opened::opened;
use crate::host::Host;
use crate::signal::Signal;

/// How many listings of one build keep their position. A guest with more folders open at once reads
/// the oldest again.
const KEPT: usize = 16;

/// The bytes of an entry before its name.
const HEAD: usize = 24;

/// Why a call ends: with an error for the guest to handle, or with one that ends the guest.
enum Stopped {
    Errno(Errno),
    Error(wasmtime::Error),
}

impl From<Errno> for Stopped {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

/// Replaces the engine's function, in a linker that allows shadowing.
pub(super) fn add_to_linker(linker: &mut wasmtime::Linker<Host>, module: &str) -> wasmtime::Result<()> {
    linker.func_wrap_async(
        module,
        "fd_readdir",
        |mut caller: Caller<'_, Host>, (fd, to, length, cookie, used): (i32, i32, i32, i64, i32)| {
            Box::new(async move {
                let [fd, to, length, used] = [fd, to, length, used].map(i32::cast_unsigned);
                match read(&mut caller, fd, (to, length), cookie.cast_unsigned(), used).await {
                    Ok(()) => Ok(i32::from(Errno::Success as u16)),
                    Err(Stopped::Errno(errno)) => Ok(i32::from(errno as u16)),
                    Err(Stopped::Error(error)) => Err(error),
                }
            })
        },
    )?;
    Ok(())
}

async fn read(
    caller: &mut Caller<'_, Host>,
    fd: u32,
    (to, length): (u32, u32),
    cookie: u64,
    used: u32,
) -> Result<(), Stopped> {
    let Some(Extern::Memory(memory)) = caller.get_export("memory") else {
        return Err(Stopped::Error(wasmtime::Error::msg("the module exports no memory")));
    };
    let room = memory.data_size(&*caller);
    let (to, length, used) = (to as usize, length as usize, used as usize);
    let is_inside = |at: usize, length: usize| at.checked_add(length).is_some_and(|end| end <= room);
    if !is_inside(to, length) || !is_inside(used, 4) {
        return Err(Errno::Fault.into());
    }
    let (handle, folder) = folder(caller.data_mut(), fd).await?;
    let mut reading = resumed(caller.data_mut(), fd, folder, cookie).await?;
    let mut written = 0;
    while written < length {
        let Some(entry) = taken(&mut reading).await? else {
            break;
        };
        let bytes = packed(caller.data_mut(), handle, reading.next + 1, &entry).await;
        let fitting = bytes.len().min(length - written);
        // The bounds that were checked stay valid, because a memory never shrinks.
        memory.data_mut(&mut *caller)[to + written..to + written + fitting].copy_from_slice(&bytes[..fitting]);
        written += fitting;
        if fitting < bytes.len() {
            reading.peeked = Some(entry);
            break;
        }
        reading.next += 1;
    }
    let count = u32::try_from(written).unwrap_or(u32::MAX).to_le_bytes();
    memory.data_mut(&mut *caller)[used..used + 4].copy_from_slice(&count);
    keep(caller.data_mut(), reading);
    Ok(())
}

/// Returns the reading of a descriptor at position `cookie`: the stored one, or a new one from the
/// start.
async fn resumed(host: &mut Host, fd: u32, folder: Arc<std::fs::File>, cookie: u64) -> Result<Reading, Stopped> {
    let kept = host.folders.0.iter().position(|reading| reading.fd == fd);
    if let Some(kept) = kept.and_then(|at| host.folders.0.remove(at)) {
        if kept.next == cookie && is_same(&kept.folder, &folder) {
            return Ok(kept);
        }
        host.guest.account.give_back(HELD);
    }
    let listing = Listing::begin(&folder).await.map_err(|e| errno(&e))?;
    host.guest.account.charge(HELD).map_err(|full| Stopped::Error(Signal::full(full).into()))?;
    let mut reading = Reading { fd, folder, listing, next: 0, peeked: None };
    while reading.next < cookie && taken(&mut reading).await?.is_some() {
        reading.next += 1;
    }
    Ok(reading)
}

fn keep(host: &mut Host, reading: Reading) {
    host.folders.0.push_back(reading);
    if host.folders.0.len() > KEPT {
        host.folders.0.pop_front();
        host.guest.account.give_back(HELD);
    }
}

/// Returns the folder behind a preview1 descriptor.
async fn folder(host: &mut Host, fd: u32) -> Result<(u32, Arc<std::fs::File>), Stopped> {
    let mut nothing = GuestMemory::Unshared(&mut []);
    let stat = host.wasi.fd_filestat_get(&mut nothing, Fd::from(fd)).await;
    let stat = stat.map_err(|error| error.downcast().map_or_else(Stopped::Error, Stopped::Errno))?;
    let dir = |descriptor: &Descriptor| match descriptor {
        Descriptor::Dir(dir) => Some(Arc::clone(&dir.dir)),
        Descriptor::File(_) => None,
    };
    // It is not a folder, or not an open one.
    opened(host, &stat, dir).await.ok_or_else(|| Errno::Badf.into())
}

fn is_same(one: &std::fs::File, other: &std::fs::File) -> bool {
    let identity = |file: &std::fs::File| fstat(file).map(|stat| (stat.st_dev, stat.st_ino)).ok();
    identity(one).is_some_and(|found| identity(other) == Some(found))
}

async fn taken(reading: &mut Reading) -> Result<Option<DirectoryEntry>, Stopped> {
    let entry = reading.take().await.map_err(|e| errno(&e))?;
    entry.transpose().map_err(|_| Errno::Ilseq.into())
}

/// Encodes an entry in preview1's format: the position of the next entry, the file's identity, the
/// length of the name, the type, the name.
async fn packed(host: &mut Host, handle: u32, next: u64, entry: &DirectoryEntry) -> Vec<u8> {
    let folder = Resource::<Descriptor>::new_borrow(handle);
    let mut filesystem = host.wasi.filesystem();
    let hash = match entry.name.as_str() {
        // The parent may not be inspected. As in the engine, both names refer to the folder itself.
        "." | ".." => filesystem.metadata_hash(folder).await,
        name => filesystem.metadata_hash_at(folder, PathFlags::empty(), name.to_owned()).await,
    };
    // A file that has been removed has no identity.
    let identity = hash.map_or(0, |hash| hash.lower);
    let length = u32::try_from(entry.name.len()).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(HEAD + entry.name.len());
    bytes.extend_from_slice(&next.to_le_bytes());
    bytes.extend_from_slice(&identity.to_le_bytes());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.push(file_type(entry.type_));
    bytes.resize(HEAD, 0);
    bytes.extend_from_slice(entry.name.as_bytes());
    bytes
}

/// Returns preview1's number for a file type.
fn file_type(ty: DescriptorType) -> u8 {
    match ty {
        DescriptorType::BlockDevice => 1,
        DescriptorType::CharacterDevice => 2,
        DescriptorType::Directory => 3,
        DescriptorType::RegularFile => 4,
        DescriptorType::Socket => 6,
        DescriptorType::SymbolicLink => 7,
        DescriptorType::Fifo | DescriptorType::Unknown => 0,
    }
}

fn errno(error: &std::io::Error) -> Errno {
    match error.kind() {
        std::io::ErrorKind::NotFound => Errno::Noent,
        std::io::ErrorKind::PermissionDenied => Errno::Acces,
        _ => Errno::Io,
    }
}
