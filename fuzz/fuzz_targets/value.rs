//! Any bytes as a stored value: what can be read is written as the same bytes again, of the size
//! that limits count.
#![no_main]

use jobcontrol_core::packed_size;
use jobcontrol_core::storage::unpack_failure;
use jobcontrol_core::storage::unpack_frames;
use jobcontrol_core::value::pack;
use jobcontrol_core::value::unpack;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    unpack_failure(bytes);
    unpack_frames(bytes);
    if let Ok(value) = unpack(bytes)
        && let Ok(packed) = pack(&value)
    {
        assert_eq!(packed_size::of(&value), packed.len() as u64);
        let again = unpack(&packed).expect("what was packed can be read");
        assert_eq!(pack(&again).expect("and packed"), packed);
    }
});
