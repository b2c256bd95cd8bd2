//! The checksum of what is stored.

/// FNV-1a, 64 bit: it guards against mistakes, not against malice.
pub(in crate::store) fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}
