//! Keeps a child process alive, and knows nothing of what it is.
//!
//! *Theory of operation.* The owner of a child implements [`Program`]: how to find and start it, how to ask whether it
//! works, what must be true before it is trusted. A [`Supervisor`] runs it; everything the rest of the program may know
//! or ask goes through a [`Handle`].
//!
//! What to do next (start? wait? give up?) is decided by a pure machine from events, the time and a random number; the
//! driver performs what it says and reports what happened. So hours of crashes are tested in milliseconds, and the
//! driver stays short. A child is always a whole process tree: everything it started is tracked while it runs, carries
//! a marker in its environment, and ends with it. A record on disk lets the next agent find what a killed one left.
//!
//! [`monitor`] keeps the agent itself alive by the same rules, from a process that does nothing else.
//!
//! It never kills by name or port, never touches what it did not start, and never trusts a line of text for health.

mod binary;
mod driver;
mod end;
mod ending;
mod failures;
mod gate;
mod handle;
mod machine;
pub mod monitor;
mod output;
mod phase;
mod policy;
mod port;
mod printed;
mod program;
mod record;
mod sleep;
mod tree;
mod vitals;

pub use binary::{Form, Unusable, look};
pub use driver::{Setup, Supervisor};
pub use end::{End, Exit};
pub use handle::{Ended, Handle, Request, StopKind};
pub use output::{NoSink, Sink, Stream};
pub use phase::{Phase, sentence};
pub use policy::{Grace, Policy, test_factor};
pub use port::free_port;
pub use printed::{Failed, printed};
pub use program::{Command, Gate, Probe, Program, Refusal};
pub use record::leftovers;
pub use vitals::Vitals;
