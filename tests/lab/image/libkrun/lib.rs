//! Nothing of its own: the functions of libkrun, in a library that carries its name.
pub use krun::*;
