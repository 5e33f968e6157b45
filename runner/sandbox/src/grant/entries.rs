//! Lists the entries of a folder, and reads them from the kernel only as the guest asks for them.

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
use wasmtime_wasi::p2::bindings::filesystem::types::DescriptorType;
use wasmtime_wasi::p2::bindings::filesystem::types::DirectoryEntry;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;

/// How many bytes of entries are read from the kernel at once: about a hundred names.
const AT_ONCE: usize = 4 << 10;

/// The bytes that an open listing is charged: the buffer it was read into, and the entries made
/// from that.
pub(super) const HELD: u64 = 16 << 10;

pub(super) type Entry = Result<DirectoryEntry, ErrorCode>;

/// A folder that is being listed.
pub(super) struct Listing {
    /// Opened only for this listing, because the kernel keeps the position in it.
    folder: Arc<std::fs::File>,
    read: VecDeque<Entry>,
}

impl Listing {
    /// Opens a folder to list it. The caller charges for what the listing holds.
    pub(super) async fn begin(folder: &Arc<std::fs::File>) -> std::io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let folder = Arc::clone(folder);
        let opened = blocking(move || openat(&*folder, ".", flags, Mode::empty())).await?;
        Ok(Self { folder: Arc::new(opened.into()), read: VecDeque::new() })
    }

    /// Returns the next entry, or `None` at the end.
    pub(super) async fn next(&mut self) -> std::io::Result<Option<Entry>> {
        if self.read.is_empty() {
            let folder = Arc::clone(&self.folder);
            self.read = blocking(move || read(&folder)).await?;
        }
        Ok(self.read.pop_front())
    }
}

/// A folder that is being read, entry by entry.
pub(super) struct Reading {
    pub(super) fd: u32,
    /// The descriptor through which it was opened.
    pub(super) folder: Arc<std::fs::File>,
    pub(super) listing: Listing,
    /// The number of the next entry. The first two entries are the folder itself and its parent.
    pub(super) next: u64,
    /// The next entry if it was read already and did not fit.
    pub(super) peeked: Option<DirectoryEntry>,
}

/// The folders that a preview1 module reads.
#[derive(Default)]
pub(crate) struct Folders(pub(super) VecDeque<Reading>);

impl Reading {
    /// Takes the next entry. The caller advances `next`, or puts the entry back.
    pub(super) async fn take(&mut self) -> std::io::Result<Option<Entry>> {
        if let Some(peeked) = self.peeked.take() {
            return Ok(Some(Ok(peeked)));
        }
        let own = |name: &str| Some(Ok(DirectoryEntry { type_: DescriptorType::Directory, name: name.to_owned() }));
        match self.next {
            0 => Ok(own(".")),
            1 => Ok(own("..")),
            _ => self.listing.next().await,
        }
    }
}

/// Reads the next entries of a folder; none are left at its end.
fn read(folder: &std::fs::File) -> rustix::io::Result<VecDeque<Entry>> {
    let mut room = [MaybeUninit::uninit(); AT_ONCE];
    let (mut entries, mut names) = (VecDeque::new(), RawDir::new(folder, &mut room));
    while let Some(entry) = names.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            let found = match entry.file_type() {
                // Some file systems do not report the type.
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
