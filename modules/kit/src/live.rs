//! How an open page changes: patches addressed by element id, gathered into frames.

use futures_util::future::BoxFuture;
use serde::{Serialize, Serializer, ser::SerializeTuple};

use crate::Caller;

/// One change to a page. HTML is always made by our own renderers; text is inserted as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Patch {
    /// Replaces the element `id` by `html` (which carries the same id).
    Set {
        /// Element id.
        id: String,
        /// One element.
        html: String,
    },
    /// Adds `html` at the end of the element `id`.
    Append {
        /// Element id.
        id: String,
        /// Any number of elements.
        html: String,
    },
    /// Adds plain `text` at the end of the element `id`, joining its last text node.
    AppendText {
        /// Element id.
        id: String,
        /// Text, not HTML.
        text: String,
    },
    /// Puts `html` before the element `before`, which is a child of `id`; at its end when `before` is `None`.
    Insert {
        /// Parent element id.
        id: String,
        /// Sibling element id.
        before: Option<String>,
        /// One element.
        html: String,
    },
    /// Takes the element `id` away; nothing happens when it is gone already.
    Remove {
        /// Element id.
        id: String,
    },
}

/// On the wire a patch is a short array: `["s",id,html]`, `["a",id,html]`, `["t",id,text]`, `["i",id,before,html]`,
/// `["r",id]`.
impl Serialize for Patch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(4)?;
        match self {
            Self::Set { id, html } => {
                tuple.serialize_element("s")?;
                tuple.serialize_element(id)?;
                tuple.serialize_element(html)?;
            }
            Self::Append { id, html } => {
                tuple.serialize_element("a")?;
                tuple.serialize_element(id)?;
                tuple.serialize_element(html)?;
            }
            Self::AppendText { id, text } => {
                tuple.serialize_element("t")?;
                tuple.serialize_element(id)?;
                tuple.serialize_element(text)?;
            }
            Self::Insert { id, before, html } => {
                tuple.serialize_element("i")?;
                tuple.serialize_element(id)?;
                tuple.serialize_element(before)?;
                tuple.serialize_element(html)?;
            }
            Self::Remove { id } => {
                tuple.serialize_element("r")?;
                tuple.serialize_element(id)?;
            }
        }
        tuple.end()
    }
}

/// What one message on the socket holds. On the wire: `{"c":cursor,"p":[patch…]}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct Frame {
    /// Where the viewer stands after these patches; it is sent back on reconnect. Absent where a view has no history.
    #[serde(rename = "c", skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// In the order they are to be applied.
    #[serde(rename = "p")]
    pub patches: Vec<Patch>,
}

/// What a page asked for when it opened `/live?view=chat&key=ses_1&cursor=12`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveRequest {
    /// Which of the module's views, e.g. a session id; empty for its main page.
    pub key: String,
    /// The cursor of the last frame the page applied, `None` on its first connection.
    pub cursor: Option<String>,
    /// Who is looking.
    pub caller: Caller,
}

/// A viewer's place in a module's live state.
///
/// The gateway calls [`next`](Self::next) again only after the previous frame has left and at most 20 times a second:
/// everything that happened in between is in one frame, so a slow viewer gets fewer and larger ones.
pub trait Feed: Send {
    /// Waits until the page has to change and tells how. `None` ends the socket: the page reloads.
    ///
    /// Cancel-safe: dropping the future loses nothing.
    fn next(&mut self) -> BoxFuture<'_, Option<Frame>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_short_on_the_wire() {
        let frame = Frame {
            cursor: Some("7".to_owned()),
            patches: vec![
                Patch::AppendText {
                    id: "b1".to_owned(),
                    text: "hi".to_owned(),
                },
                Patch::Insert {
                    id: "m".to_owned(),
                    before: None,
                    html: "<p></p>".to_owned(),
                },
                Patch::Remove { id: "x".to_owned() },
            ],
        };

        assert_eq!(
            serde_json::to_string(&frame).unwrap(),
            r#"{"c":"7","p":[["t","b1","hi"],["i","m",null,"<p></p>"],["r","x"]]}"#
        );
    }
}
