//! The sandbox, through the real program.
