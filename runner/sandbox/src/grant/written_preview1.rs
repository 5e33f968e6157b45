//! Writing to files, counted against quotas before it happens: replacements for the engine's
//! preview1 functions.

use std::fs::File;
use std::sync::Arc;

use wasmtime::AsContextMut;
use wasmtime::Caller;
use wasmtime::Extern;
use wasmtime::Memory;
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p1::types::Errno;
use wasmtime_wasi::p1::types::Error;
use wasmtime_wasi::p1::types::Fd;
use wasmtime_wasi::p1::types::Filetype;
use wasmtime_wasi::p1::wasi_snapshot_preview1::WasiSnapshotPreview1;
use wiggle::GuestMemory;
use wiggle::GuestPtr;

use super::opened::opened;
use crate::host::Host;
use crate::quota::Counted;

/// The size in bytes of a descriptor of a piece to write in the guest's memory: its address and its
/// length.
const PIECE: usize = 8;

/// Replaces the engine's functions, in a linker that allows shadowing.
pub(super) fn add_to_linker(linker: &mut wasmtime::Linker<Host>, module: &str) -> wasmtime::Result<()> {
    linker.func_wrap_async(
        module,
        "fd_write",
        |mut caller: Caller<'_, Host>, (fd, pieces, count, written): (i32, i32, i32, i32)| {
            Box::new(async move { write(&mut caller, [fd, pieces, count, written], None).await })
        },
    )?;
    linker.func_wrap_async(
        module,
        "fd_pwrite",
        |mut caller: Caller<'_, Host>, (fd, pieces, count, offset, written): (i32, i32, i32, i64, i32)| {
            Box::new(async move { write(&mut caller, [fd, pieces, count, written], Some(offset)).await })
        },
    )?;
    linker.func_wrap_async(
        module,
        "fd_filestat_set_size",
        |mut caller: Caller<'_, Host>, (fd, size): (i32, i64)| {
            Box::new(async move { set_size(&mut caller, fd.cast_unsigned(), size.cast_unsigned()).await })
        },
    )?;
    Ok(())
}

/// Returns the number for the guest. An error that is not meant for the guest ends the call.
fn answered<T>(result: Result<T, Error>) -> wasmtime::Result<(i32, Option<T>)> {
    match result {
        Ok(value) => Ok((i32::from(Errno::Success as u16), Some(value))),
        Err(error) => Ok((i32::from(error.downcast()? as u16), None)),
    }
}

async fn write(caller: &mut Caller<'_, Host>, numbers: [i32; 4], offset: Option<i64>) -> wasmtime::Result<i32> {
    let [fd, pieces, count, written] = numbers.map(i32::cast_unsigned);
    let Some(Extern::Memory(memory)) = caller.get_export("memory") else {
        return Err(wasmtime::Error::msg("the module exports no memory"));
    };
    // The engine writes the first piece that is not empty, and leaves the others to the next call.
    if !caller.data().quotas.is_empty()
        && let Some(bytes) = first_length(&memory, caller, pieces, count)
    {
        counted(caller.data_mut(), fd).await?.take(bytes)?;
    }
    // Like the engine's own functions, start with what one call may copy.
    let fuel = caller.as_context_mut().hostcall_fuel();
    let (data, host) = memory.data_and_store_mut(&mut *caller);
    host.wasi.set_hostcall_fuel(fuel);
    let mut data = GuestMemory::Unshared(data);
    let (fd, pieces) = (Fd::from(fd), GuestPtr::new((pieces, count)));
    let result = match offset {
        None => host.wasi.fd_write(&mut data, fd, pieces).await,
        Some(offset) => host.wasi.fd_pwrite(&mut data, fd, pieces, offset.cast_unsigned()).await,
    };
    let (errno, count) = answered(result)?;
    match count.map(|count| data.write(GuestPtr::new(written), count)) {
        Some(Err(_)) => Ok(i32::from(Errno::Fault as u16)),
        Some(Ok(())) | None => Ok(errno),
    }
}

/// Returns the length of the first piece that is not empty, or `None` if there is no such piece or
/// it is outside of the memory.
fn first_length(memory: &Memory, caller: &Caller<'_, Host>, pieces: u32, count: u32) -> Option<u64> {
    let data = memory.data(caller);
    let length = |at: usize| {
        let place = (pieces as usize).checked_add(at.checked_mul(PIECE)?)?.checked_add(4)?;
        Some(u32::from_le_bytes(*data.get(place..)?.first_chunk()?))
    };
    let lengths = (0..count as usize).map_while(length);
    lengths.into_iter().find(|length| *length > 0).map(u64::from)
}

async fn set_size(caller: &mut Caller<'_, Host>, fd: u32, size: u64) -> wasmtime::Result<i32> {
    let host = caller.data_mut();
    if !host.quotas.is_empty()
        && let Some(file) = file(host, fd).await?
    {
        let before = file.metadata().map_or(0, |metadata| metadata.len());
        host.quotas.of(&file).take(size.saturating_sub(before))?;
    }
    let result = host.wasi.fd_filestat_set_size(&mut GuestMemory::Unshared(&mut []), Fd::from(fd), size).await;
    Ok(answered(result)?.0)
}

/// Returns the quotas of a preview1 descriptor. Anything that is not a file has none.
async fn counted(host: &mut Host, fd: u32) -> wasmtime::Result<Counted> {
    Ok(file(host, fd).await?.map_or_else(Counted::default, |file| host.quotas.of(&file)))
}

/// Returns the file behind a preview1 descriptor.
async fn file(host: &mut Host, fd: u32) -> wasmtime::Result<Option<Arc<File>>> {
    let stat = host.wasi.fd_filestat_get(&mut GuestMemory::Unshared(&mut []), Fd::from(fd)).await;
    let (_, Some(stat)) = answered(stat)? else {
        return Ok(None);
    };
    if stat.filetype != Filetype::RegularFile {
        return Ok(None);
    }
    let file = |descriptor: &Descriptor| match descriptor {
        Descriptor::File(file) => Some(Arc::clone(&file.file)),
        Descriptor::Dir(_) => None,
    };
    Ok(opened(host, &stat, file).await.map(|(_, file)| file))
}
