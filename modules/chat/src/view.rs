//! The chat's markup, made of values and nothing else.

mod ask;
mod card;
mod composer;
mod diff;
mod found;
mod message;
mod output;
mod page;
mod place;
mod tool;

pub use ask::{Asked, Asks, asks, whole_text};
pub use card::{Card, CardState, card, card_id, cards, list, list_row, row_id};
pub use composer::{Choices, Composer, ModelChoice, buttons, composer, menus};
pub use found::{Found, Lack, found};
pub use message::{prose, prose_id, reasoning, reasoning_id, reasoning_summary, row};
pub use output::{running_output, with_output};
pub use page::{
    Below, Home, Outage, Pause, Talk, earlier, foot, head, home, missing, outage, state_of, talk,
};
pub use place::Place;
pub use tool::{doing, plain, tool_row};
