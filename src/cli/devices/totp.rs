//! `nexus devices totp`: the second factor.

use gateway::{Door, SecondFactorError, Standing};
use kit::{Secret, text::sentence};
use serde_json::{Value, json};

use super::{ask, ask_agent};
use crate::{
    cli::{
        Cx,
        grammar::Totp,
        input,
        print::{self, Format},
        verb,
    },
    control::{Code, DevicesAct, Failure, TotpAct},
};

pub(super) fn act(cx: &Cx, asked: Totp) -> Result<(), Failure> {
    let found = match asked {
        Totp::Status => ask(cx, DevicesAct::Totp(TotpAct::Status))?,
        Totp::Off => ask(cx, DevicesAct::Totp(TotpAct::Off))?,
        Totp::Codes => ask(cx, DevicesAct::Totp(TotpAct::Codes))?,
        Totp::On => {
            // The agent remembers what was offered until its first code comes.
            show_offer(cx, &ask_agent(cx, DevicesAct::Totp(TotpAct::Offer))?);
            let code = input::secret("Code the app shows now: ")?;
            ask_agent(cx, DevicesAct::Totp(TotpAct::Confirm { code }))?
        }
    };
    match (cx.format, found["recovery_codes"].as_array()) {
        (Format::Text, Some(codes)) => show_codes(codes),
        (Format::Text, None) => {
            print::line(found["text"].as_str().unwrap_or_default());
        }
        (Format::Json, _) => verb::show(&found, cx.format),
    }
    Ok(())
}

pub(super) async fn answer(door: &Door, act: TotpAct) -> Result<Value, Failure> {
    match act {
        TotpAct::Status => Ok(standing(door.second_factor())),
        TotpAct::Offer => {
            let offer = door.offer_second_factor().await.map_err(refused)?;
            Ok(json!({"link": offer.link.expose(), "secret": offer.text.expose()}))
        }
        TotpAct::Confirm { code } => {
            let codes = door.confirm_second_factor(&code).await.map_err(refused)?;
            Ok(codes_of(&codes))
        }
        TotpAct::Codes => Ok(codes_of(&door.new_recovery_codes().await.map_err(refused)?)),
        TotpAct::Off => {
            door.switch_second_factor_off().await.map_err(refused)?;
            Ok(standing(door.second_factor()))
        }
    }
}

fn standing(standing: Standing) -> Value {
    let (word, text, left) = match standing {
        Standing::Off => ("off", "Off: logging in from outside asks for the password alone.".to_owned(), None),
        Standing::On { recovery_left } => (
            "on",
            format!(
                "On: logging in from outside asks for a code too. {recovery_left} recovery codes are left."
            ),
            Some(recovery_left),
        ),
        Standing::Broken => (
            "broken",
            "Nobody can log in from outside: what is kept of the second factor cannot be read. `nexus devices totp off`, \
             then `on`, sets it up again."
                .to_owned(),
            None,
        ),
    };
    json!({"state": word, "recovery_left": left, "text": text})
}

fn codes_of(codes: &[Secret]) -> Value {
    let codes: Vec<&str> = codes.iter().map(Secret::expose).collect();
    json!({"state": "on", "recovery_codes": codes})
}

fn refused(error: SecondFactorError) -> Failure {
    let code = match &error {
        SecondFactorError::WrongCode | SecondFactorError::NotOffered | SecondFactorError::Off => Code::Failed,
        SecondFactorError::Secrets(_) | SecondFactorError::SeedLost => Code::NeedsUser,
        SecondFactorError::File { .. } => Code::Failed,
    };
    let again = if matches!(error, SecondFactorError::WrongCode) {
        " Run it again: the secret stays the same for ten minutes."
    } else {
        ""
    };
    Failure::new(code, sentence(&error.to_string()) + again)
}

/// On stderr, so that stdout holds what is to be kept: the recovery codes.
fn show_offer(cx: &Cx, offer: &Value) {
    let text = |name: &str| offer[name].as_str().unwrap_or_default();
    if cx.format == Format::Text
        && print::is_terminal()
        && let Some(picture) = web::qr::characters(text("link"))
    {
        print::remark(&picture);
    }
    print::remark(&format!(
        "Scan the code with an authenticator app, or type this secret into it: {}",
        text("secret")
    ));
}

fn show_codes(codes: &[Value]) {
    print::remark("Recovery codes:");
    for code in codes {
        print::line(code.as_str().unwrap_or_default());
    }
    print::remark(
        "The second factor is on. The codes above replace the app if it is lost; each works once. They are shown only now, \
         and former ones are void.",
    );
}
