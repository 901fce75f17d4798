//! What a run finds, does and leaves.

mod demo;
