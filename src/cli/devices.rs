//! `nexus devices`.

mod audit;
mod totp;

use gateway::{Door, PasskeyView, SessionView};
use kit::time::rfc3339;
use serde_json::{Value, json};

use super::{
    Cx,
    grammar::Devices,
    offline::Offline,
    print::{self, Format},
};
use crate::control::{Client, Code, DevicesAct, Failure, Request};

pub(super) fn act(cx: &Cx, asked: Devices) -> Result<(), Failure> {
    let act = match asked {
        Devices::Totp { act } => return totp::act(cx, act),
        Devices::Audit => return audit::show(cx),
        Devices::List => DevicesAct::List,
        Devices::Passkeys => DevicesAct::Passkeys,
        Devices::Token { name } => DevicesAct::Token { name },
        Devices::Pair => DevicesAct::Pair,
        Devices::Unlock => DevicesAct::Unlock,
        Devices::Revoke { id, all: _ } => DevicesAct::Revoke { id },
    };
    let (is_list, is_code) = (act == DevicesAct::List, act == DevicesAct::Pair);
    let is_passkeys = act == DevicesAct::Passkeys;
    // Codes are kept in the agent's memory and lead through its door.
    let found = if is_code {
        ask_agent(cx, act)?
    } else {
        ask(cx, act)?
    };
    match cx.format {
        Format::Text if is_list => {
            show_list(
                &found,
                &["id", "device", "listener", "used"],
                "Nobody is logged in.",
            );
        }
        Format::Text if is_passkeys => {
            show_list(&found, &["id", "name", "host", "used"], "There are no passkeys.");
        }
        Format::Text if is_code => show_code(&found),
        Format::Text | Format::Json => super::verb::show(&found, cx.format),
    }
    Ok(())
}

/// Asks the agent, or the files while none runs.
fn ask(cx: &Cx, act: DevicesAct) -> Result<Value, Failure> {
    match Client::connect(&cx.dirs.run).map_err(anyhow::Error::from)? {
        Some(mut client) => client.ask(&Request::Devices(act)),
        None => {
            let offline = Offline::take(cx)?;
            let door = offline.door()?;
            super::wait_for(answer(&door, act))?
        }
    }
}

/// Asks the agent alone.
fn ask_agent(cx: &Cx, act: DevicesAct) -> Result<Value, Failure> {
    let client = Client::connect(&cx.dirs.run).map_err(anyhow::Error::from)?;
    client.ok_or_else(Failure::no_agent)?.ask(&Request::Devices(act))
}

/// Does one thing with the sessions, here or in the agent.
pub(crate) async fn answer(door: &Door, act: DevicesAct) -> Result<Value, Failure> {
    let failed = |error: store::StoreError| Failure::from(anyhow::Error::from(error));
    match act {
        DevicesAct::List => Ok(door.sessions().iter().map(as_json).collect()),
        DevicesAct::Passkeys => Ok(door.passkeys().iter().map(passkey_as_json).collect()),
        DevicesAct::Token { name } => {
            let token = door.script_token(&name).await.map_err(failed)?;
            Ok(json!(token.expose()))
        }
        DevicesAct::Pair => {
            let pairing = door
                .pairing()
                .map_err(|not_reachable| Failure::new(Code::NeedsUser, not_reachable.to_string()))?;
            Ok(json!({"url": pairing.link.expose(), "expires_in_s": pairing.life.as_secs()}))
        }
        DevicesAct::Totp(act) => totp::answer(door, act).await,
        DevicesAct::Unlock => {
            door.allow_logins().await.map_err(failed)?;
            Ok(json!(
                "Logging in is allowed again, from outside and from every address."
            ))
        }
        DevicesAct::Revoke { id: Some(id) } => match door.revoke(&id).await.map_err(failed)? {
            true => Ok(Value::Null),
            false => Err(Failure::failed(format!(
                "There is no device and no passkey `{id}`. `nexus devices list` and `nexus devices passkeys` show all of them."
            ))),
        },
        DevicesAct::Revoke { id: None } => {
            let count = door.revoke_all().await.map_err(failed)?;
            Ok(json!(format!("{count} devices were logged out.")))
        }
    }
}

/// The code on stdout and what to do with it beside, so that a pipe gets the link alone.
fn show_code(found: &Value) {
    let link = found["url"].as_str().unwrap_or_default();
    if print::is_terminal()
        && let Some(code) = web::qr::characters(link)
    {
        print::remark(&code);
    }
    print::line(link);
    let minutes = found["expires_in_s"].as_u64().unwrap_or_default() / 60;
    print::remark(&format!(
        "Scan the code, or open the address on the device, and press Pair there. It is good for one device and for \
         {minutes} minutes; whoever has it reaches the chat without the password."
    ));
}

/// A session as scripts see it.
fn as_json(session: &SessionView) -> Value {
    json!({
        "id": session.id,
        "device": session.device,
        "listener": session.listener.as_str(),
        "created": rfc3339(session.created),
        "used": rfc3339(session.used),
    })
}

/// A passkey as scripts see it.
fn passkey_as_json(passkey: &PasskeyView) -> Value {
    json!({
        "id": passkey.id,
        "name": passkey.name,
        "host": passkey.host,
        "created": rfc3339(passkey.created),
        "used": rfc3339(passkey.used),
    })
}

fn show_list(found: &Value, columns: &[&str], none: &str) {
    let text = |entry: &Value, name: &&str| entry[*name].as_str().unwrap_or_default().to_owned();
    let rows: Vec<Vec<String>> = found
        .as_array()
        .into_iter()
        .flatten()
        .map(|entry| columns.iter().map(|name| text(entry, name)).collect())
        .collect();
    if rows.is_empty() {
        print::remark(none);
    }
    print::table(&rows);
}
