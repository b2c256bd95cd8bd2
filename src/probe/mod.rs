//! One file per kind of probe, behind one enum.

pub mod spec;
