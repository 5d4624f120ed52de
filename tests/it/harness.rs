//! What a story stands on: a home of its own, an agent, sessions at its door, and waiting with a deadline.

mod agent;
mod cloudflare;
mod desktop;
mod home;
mod http;
mod input;
mod opencode;
mod process;
mod socket;
mod wait;

pub use agent::{Agent, Options};
pub use cloudflare::Cloudflare;
pub use desktop::{Desktop, Part};
pub use home::Home;
pub use http::{Answer, Session, block_on};
pub use input::with_input;
pub use opencode::{model, opencode};
pub use process::{Pid, Processes};
pub use socket::Socket;
pub use wait::{PATIENCE, until};
