//! The program from outside: what it prints where, and with which code it ends.

mod bad_input;
mod credential;
mod doctor;
mod exit_codes;
mod json;
mod servers;
mod settings;
mod version;

use crate::harness::{Output, Program};
