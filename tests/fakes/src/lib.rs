//! Scripted programs the tests and the demo run against.
