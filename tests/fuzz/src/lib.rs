//! What must hold for every input: the properties are tests of this crate.
