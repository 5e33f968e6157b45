//! Log records and failures as `sdk/wit/plugin.wit` describes them, read out of the guest. The
//! generated bindings would read a list of any length before the host can check whether the build
//! may still log this much.

use jobcontrol_core::failure::Cause;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::failure::Frame;
use jobcontrol_core::failure::cut_bytes;
use jobcontrol_core::failure::cut_failure;
use jobcontrol_core::limits;
use wasmtime::ValRaw;
use wasmtime::component::__internal::CanonicalAbiInfo;
use wasmtime::component::__internal::InstanceType;
use wasmtime::component::__internal::InterfaceType;
use wasmtime::component::__internal::LiftContext;
use wasmtime::component::ComponentType;
use wasmtime::component::Lift;

use crate::bindings::jobcontrol::plugin::types;
use crate::current;

/// A list that is counted against what the build may still log before it is read.
pub(super) struct Counted<T>(pub(super) Vec<T>);

// SAFETY: it has the shape of the `Vec` that it holds, and is read as that `Vec`.
#[expect(unsafe_code, reason = "the engine trusts that the shape is the one of a list")]
unsafe impl<T: Lift> ComponentType for Counted<T> {
    type Lower = <Vec<T> as ComponentType>::Lower;

    const ABI: CanonicalAbiInfo = <Vec<T> as ComponentType>::ABI;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> wasmtime::Result<()> {
        <Vec<T> as ComponentType>::typecheck(ty, types)
    }
}

// SAFETY: as for `ComponentType`; only the length is read in addition.
#[expect(unsafe_code, reason = "the engine trusts that what is read is checked")]
unsafe impl<T: Lift> Lift for Counted<T> {
    fn linear_lift_from_flat(
        cx: &mut LiftContext<'_>,
        ty: InterfaceType,
        slots: &[ValRaw; 2],
    ) -> wasmtime::Result<Self> {
        count::<T>(cx, slots[1].get_u32())?;
        Vec::linear_lift_from_flat(cx, ty, slots).map(Self)
    }

    fn linear_lift_from_memory(cx: &mut LiftContext<'_>, ty: InterfaceType, bytes: &[u8]) -> wasmtime::Result<Self> {
        count::<T>(cx, length(bytes)?)?;
        Vec::linear_lift_from_memory(cx, ty, bytes).map(Self)
    }
}

/// A list of at most `MOST` items. Only the length of a longer list is read.
pub(super) struct AtMost<T, const MOST: usize>(pub(super) Result<Vec<T>, u32>);

// SAFETY: as for `Counted`.
#[expect(unsafe_code, reason = "the engine trusts that the shape is the one of a list")]
unsafe impl<T: Lift, const MOST: usize> ComponentType for AtMost<T, MOST> {
    type Lower = <Vec<T> as ComponentType>::Lower;

    const ABI: CanonicalAbiInfo = <Vec<T> as ComponentType>::ABI;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> wasmtime::Result<()> {
        <Vec<T> as ComponentType>::typecheck(ty, types)
    }
}

// SAFETY: as for `Counted`.
#[expect(unsafe_code, reason = "the engine trusts that what is read is checked")]
unsafe impl<T: Lift, const MOST: usize> Lift for AtMost<T, MOST> {
    fn linear_lift_from_flat(
        cx: &mut LiftContext<'_>,
        ty: InterfaceType,
        slots: &[ValRaw; 2],
    ) -> wasmtime::Result<Self> {
        let length = slots[1].get_u32();
        if length as usize > MOST && is_inside::<T>(cx, length) {
            return Ok(Self(Err(length)));
        }
        Vec::linear_lift_from_flat(cx, ty, slots).map(|items| Self(Ok(items)))
    }

    fn linear_lift_from_memory(cx: &mut LiftContext<'_>, ty: InterfaceType, bytes: &[u8]) -> wasmtime::Result<Self> {
        let length = length(bytes)?;
        if length as usize > MOST && is_inside::<T>(cx, length) {
            return Ok(Self(Err(length)));
        }
        Vec::linear_lift_from_memory(cx, ty, bytes).map(|items| Self(Ok(items)))
    }
}

/// Returns the length of a list from its pointer and length in memory.
fn length(bytes: &[u8]) -> wasmtime::Result<u32> {
    let length = bytes.last_chunk().ok_or_else(|| wasmtime::Error::msg("a list is a pointer and a length"))?;
    Ok(u32::from_le_bytes(*length))
}

/// Returns whether this many items fit in the memory.
fn is_inside<T: ComponentType>(cx: &LiftContext<'_>, length: u32) -> bool {
    u64::from(length) * T::SIZE32 as u64 <= cx.memory().len() as u64
}

/// Counts a list of this many items, unless it does not fit in the memory, which is another
/// failure.
fn count<T: ComponentType>(cx: &LiftContext<'_>, length: u32) -> wasmtime::Result<()> {
    if !is_inside::<T>(cx, length) {
        return Ok(());
    }
    Ok(current::with(|build| build.read(u64::from(length) * size_of::<T>() as u64))?)
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Entry {
    pub(super) level: types::Level,
    pub(super) message: String,
    pub(super) target: String,
    pub(super) fields: Counted<(String, String)>,
    pub(super) failure: Option<SaidFailure>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct SaidFailure {
    kind: String,
    message: String,
    frames: Counted<SaidFrame>,
    causes: Counted<SaidCause>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct SaidCause {
    kind: String,
    message: String,
    frames: Counted<SaidFrame>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct SaidFrame {
    file: String,
    line: u32,
    function: String,
    context: Counted<String>,
    #[component(name = "context-start")]
    context_start: u32,
    locals: Counted<(String, String)>,
}

impl SaidFailure {
    /// Returns the failure, cut to a length that a person reads.
    pub(super) fn cut(self) -> Failure {
        let causes = self.causes.0.into_iter().map(|cause| Cause {
            kind: FailureKind::Plugin(text(cause.kind)).to_string(),
            message: text(cause.message),
            frames: frames(cause.frames),
        });
        let mut failure = Failure {
            kind: FailureKind::Plugin(text(self.kind)),
            message: text(self.message),
            causes: causes.collect(),
            frames: frames(self.frames),
            ..Failure::default()
        };
        cut_failure(&mut failure);
        failure
    }
}

fn text(mut text: String) -> String {
    cut_bytes(&mut text, limits::LOG_MESSAGE);
    text
}

fn frames(frames: Counted<SaidFrame>) -> Vec<Frame> {
    let frame = |frame: SaidFrame| Frame {
        file: frame.file,
        line: frame.line,
        function: frame.function,
        context: frame.context.0,
        context_start: frame.context_start,
        locals: frame.locals.0,
        ..Frame::default()
    };
    frames.0.into_iter().map(frame).collect()
}
