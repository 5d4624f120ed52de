//! `nexus secret`: names and changes; a secret is never shown.

use kit::Secrets;
use serde_json::{Value, json};

use super::{
    Cx,
    grammar::Secrets as Asked,
    input,
    offline::Offline,
    print::{self, Format},
};
use crate::control::{Client, Failure, Request, SecretAct};

pub(super) fn act(cx: &Cx, asked: Asked) -> Result<(), Failure> {
    let act = match asked {
        Asked::List => SecretAct::List,
        Asked::Set { name, stdin: _ } => SecretAct::Set {
            name,
            value: input::secret("Secret: ")?,
        },
        Asked::Delete { name } => SecretAct::Delete { name },
    };
    let client = Client::connect(&cx.dirs.run).map_err(anyhow::Error::from)?;
    let found = match client {
        Some(mut client) => client.ask(&Request::Secret(act))?,
        None => offline(cx, act)?,
    };
    match (&found, cx.format) {
        (Value::Array(names), Format::Text) => names.iter().filter_map(Value::as_str).for_each(|name| {
            print::line(name);
        }),
        (found, format) => super::verb::show(found, format),
    }
    Ok(())
}

/// The same without an agent.
fn offline(cx: &Cx, act: SecretAct) -> Result<Value, Failure> {
    let offline = Offline::take(cx)?;
    super::wait_for(answer(&*offline.cx.secrets, act))?
}

/// Does one thing with the secrets, here or in the agent.
pub(crate) async fn answer(secrets: &dyn Secrets, act: SecretAct) -> Result<Value, Failure> {
    match act {
        SecretAct::List => Ok(json!(secrets.names().await?)),
        SecretAct::Set { name, value } => {
            secrets.set(&name, value).await?;
            tracing::info!(target: "audit", event = "secret_set", name, "a secret was stored");
            Ok(Value::Null)
        }
        SecretAct::Delete { name } => {
            secrets.delete(&name).await?;
            tracing::info!(target: "audit", event = "secret_deleted", name, "a secret was forgotten");
            Ok(Value::Null)
        }
    }
}
