//! The memory of an instance before its arguments are written: copied for later instances, or made
//! a copy of another's.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use wasmtime::Error;
use wasmtime::Result;
use wasmtime::component::__internal::LowerContext;

/// What is compared and copied at once. The kernel copies as much when a fresh instance writes.
const PAGE: usize = 4 << 10;

/// How often a guest allocates until its memory is large enough: more often than it has free pages.
const ALLOCATIONS: usize = 1 << 10;

/// The most bytes of an image. A larger one takes about as long to write as to make.
const MOST: usize = 16 << 20;

/// What happens to the memory of an instance before arguments are written to it.
pub(crate) enum Memory {
    /// Nothing.
    Fresh,
    /// It is copied, and the call ends with an error.
    Copied(Arc<Mutex<Vec<u8>>>),
    /// It becomes this memory of another instance of the same component. The differences are kept
    /// as an image, unless they are too many or it cannot grow as large; then it remains as it is.
    Learned(Vec<u8>, Arc<Mutex<Option<Image>>>),
    /// It becomes the memory that an image was made of.
    Restored(Arc<Image>),
}

/// The memory of an instance, as what differs from a fresh instance of the same component.
#[derive(Debug, PartialEq)]
pub(crate) struct Image {
    /// The size of the memory.
    size: usize,
    /// What differs, by its offset.
    pieces: Vec<(usize, Vec<u8>)>,
}

impl Memory {
    /// Does it. The component must be able to pass text to the called function.
    ///
    /// # Errors
    ///
    /// Returns an error if the memory cannot grow to the size that it needs, and to end the call.
    pub(super) fn apply<T>(&self, cx: &mut LowerContext<'_, T>) -> Result<()> {
        match self {
            Self::Fresh => Ok(()),
            Self::Copied(copy) => {
                *copy.lock().unwrap_or_else(PoisonError::into_inner) = cx.as_slice_mut().to_vec();
                Err(Error::msg("the memory was copied"))
            }
            Self::Learned(memory, image) => {
                let is_large_enough = grow(cx, memory.len())?;
                let fresh = cx.as_slice_mut();
                let learned = if is_large_enough { Image::between(fresh, memory) } else { None };
                if let Some(learned) = &learned {
                    learned.write(fresh);
                }
                *image.lock().unwrap_or_else(PoisonError::into_inner) = learned;
                Ok(())
            }
            Self::Restored(image) => {
                if !grow(cx, image.size)? {
                    return Err(Error::msg("the memory of the interpreter did not grow"));
                }
                image.write(cx.as_slice_mut());
                Ok(())
            }
        }
    }
}

/// Lets the guest grow its memory by allocating, and returns whether it is large enough then. What
/// its allocator writes for that is the same each time, so it is the same for the instance that an
/// image is compared with and for those that get it.
fn grow<T>(cx: &mut LowerContext<'_, T>, size: usize) -> Result<bool> {
    for _ in 0..ALLOCATIONS {
        let missing = size.saturating_sub(cx.as_slice_mut().len());
        if missing == 0 {
            return Ok(true);
        }
        // The guest may have that much free, and then has that much less.
        cx.realloc(0, 0, 1, missing)?;
    }
    Ok(false)
}

impl Image {
    /// Returns the pages of `memory` that differ from `fresh`, or `None` if they are too many.
    /// `memory` is not longer than `fresh`.
    fn between(fresh: &[u8], memory: &[u8]) -> Option<Self> {
        let mut pieces: Vec<(usize, Vec<u8>)> = Vec::new();
        let mut total = 0;
        for (at, (page, before)) in memory.chunks(PAGE).zip(fresh.chunks(PAGE)).enumerate() {
            if page == &before[..page.len()] {
                continue;
            }
            total += page.len();
            if total > MOST {
                return None;
            }
            let at = at * PAGE;
            match pieces.last_mut() {
                Some((start, piece)) if *start + piece.len() == at => piece.extend_from_slice(page),
                _ => pieces.push((at, page.to_vec())),
            }
        }
        Some(Self { size: memory.len(), pieces })
    }

    fn write(&self, memory: &mut [u8]) {
        for (at, piece) in &self.pieces {
            memory[*at..at + piece.len()].copy_from_slice(piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_image_turns_a_fresh_memory_into_the_other(
            size in 0_usize..5 * PAGE,
            more in 0_usize..3 * PAGE,
            written in prop::collection::vec((0_usize..5 * PAGE, any::<u8>()), 0..20),
        ) {
            let mut memory = vec![7; size];
            for (at, byte) in written {
                if let Some(place) = memory.get_mut(at) {
                    *place = byte;
                }
            }
            let mut fresh = vec![7; size + more];
            let image = Image::between(&fresh, &memory).unwrap();
            image.write(&mut fresh);
            prop_assert_eq!(&fresh[..size], &memory[..]);
            prop_assert!(fresh[size..].iter().all(|byte| *byte == 7));
        }
    }

    #[test]
    fn too_many_differences_are_no_image() {
        let fresh = vec![0; MOST + PAGE];
        assert_eq!(Image::between(&fresh, &vec![1; MOST]).unwrap().pieces.len(), 1);
        assert_eq!(Image::between(&fresh, &vec![1; MOST + 1]), None);
    }
}
