//! `nexus password`: sets it through the agent while one runs, else in its file.

use gateway::{
    Door,
    credential::{self, SetError},
};
use kit::{Secret, text::sentence};
use serde_json::{Value, json};

use super::{
    Cx,
    grammar::Password,
    input,
    offline::Offline,
    print::{self, Format},
};
use crate::control::{Client, Code, Failure, Request};

pub(super) fn act(cx: &Cx, asked: Password) -> Result<(), Failure> {
    match asked {
        Password::Set { stdin: _ } => {
            let password = input::secret("New password: ")?;
            if print::is_interactive() && input::secret("Again: ")? != password {
                return Err(Failure::new(
                    Code::Usage,
                    "The two are not the same. Nothing was changed.",
                ));
            }
            set(cx, password)?;
            tell(cx, None);
        }
        Password::Generate => {
            let passphrase = credential::passphrase();
            set(cx, passphrase.clone())?;
            tell(cx, Some(passphrase.expose()));
        }
    }
    Ok(())
}

fn tell(cx: &Cx, passphrase: Option<&str>) {
    match (cx.format, passphrase) {
        (Format::Json, passphrase) => {
            print::json(&passphrase.map_or(Value::Null, |text| json!({"passphrase": text})));
        }
        (Format::Text, Some(passphrase)) => {
            print::line(passphrase);
            print::remark("This is the password now. It is shown only here; everybody has been logged out.");
        }
        (Format::Text, None) => print::remark("The password is set. Everybody has been logged out."),
    }
}

fn set(cx: &Cx, password: Secret) -> Result<(), Failure> {
    let client = Client::connect(&cx.dirs.run).map_err(anyhow::Error::from)?;
    if let Some(mut client) = client {
        client.ask(&Request::PasswordSet { password })?;
        return Ok(());
    }
    let offline = Offline::take(cx)?;
    let door = offline.door()?;
    super::wait_for(change(&door, password))?
}

/// Sets it, here or in the agent.
pub(crate) async fn change(door: &Door, password: Secret) -> Result<(), Failure> {
    let set = door.set_password(password).await;
    set.map_err(|error| match error {
        SetError::Weak(_) => Failure::new(Code::NeedsUser, sentence(&error.to_string())),
        SetError::NotSaved { .. } => Failure::from(anyhow::Error::from(error)),
    })
}
