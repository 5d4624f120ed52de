//! Keeps and chooses profiles, as asked.

use kit::{ActError, Reply, SecretsError, SettingsError};

use crate::{
    Tunnel,
    profiles::{self, Act, Change, Profile},
    settings::token_name,
};

impl Tunnel {
    /// Does what the words after `profiles` say.
    pub(crate) async fn act_on_profiles(&self, words: &[String]) -> Result<Reply, ActError> {
        let act = Act::parse(words).map_err(ActError::Usage)?;
        // One after the other: each looks at what the one before has left.
        let _choosing = self.choosing.lock().await;
        let settings = self.settings.get();
        match profiles::change(&settings, &act).map_err(ActError::NeedsUser)? {
            Change::None => return Ok(Reply::Json(profiles::listed(&settings))),
            Change::Keep { name, profile } => self.keep(&name, &profile)?,
            Change::Choose(name) => self.choose(&name)?,
            Change::Rename {
                from,
                to,
                profile,
                is_chosen,
            } => {
                // Nothing is lost wherever it ends: the token is there under both names until all else is done.
                self.copy_token(&from, &to).await?;
                self.keep(&to, &profile)?;
                if is_chosen {
                    self.choose(&to)?;
                }
                self.forget(&from).await?;
            }
            Change::Delete(name) => self.forget(&name).await?,
        }
        Ok(Reply::Text(done(&act)))
    }

    fn keep(&self, name: &str, profile: &Profile) -> Result<(), ActError> {
        let quoted = |text: &str| toml_edit::Value::from(text).to_string();
        let arguments: toml_edit::Array = profile.extra_args.iter().map(String::as_str).collect();
        for (key, value) in [
            ("mode", quoted(profile.mode.as_str())),
            ("public_host", quoted(&profile.public_host)),
            ("tunnel_id", quoted(&profile.tunnel_id)),
            ("credentials", quoted(&profile.credentials)),
            ("extra_args", arguments.to_string()),
        ] {
            let key = format!("tunnel.profiles.{name}.{key}");
            self.file
                .set(&key, value.trim())
                .map_err(|error| not_saved(&error))?;
        }
        Ok(())
    }

    fn choose(&self, name: &str) -> Result<(), ActError> {
        let name = toml_edit::Value::from(name).to_string();
        self.file
            .set("tunnel.profile", &name)
            .map_err(|error| not_saved(&error))
    }

    /// The profile first: one without a token says so, a token without a profile is only left over.
    async fn forget(&self, name: &str) -> Result<(), ActError> {
        self.file
            .reset(&format!("tunnel.profiles.{name}"))
            .map_err(|error| not_saved(&error))?;
        let token = token_name(name);
        match self.secrets.delete(&token).await {
            // Where there is no keyring there is no token.
            Ok(()) | Err(SecretsError::Missing) => Ok(()),
            Err(error) => Err(ActError::NeedsUser(format!(
                "The profile is gone, and its token could not be taken away: {error}. `nexus secret delete {token}` does that"
            ))),
        }
    }

    async fn copy_token(&self, from: &str, to: &str) -> Result<(), ActError> {
        let failed = |error: SecretsError| {
            ActError::NeedsUser(format!(
                "The tunnel's token could not be given the new name, so nothing was changed: {error}"
            ))
        };
        let (from, to) = (token_name(from), token_name(to));
        let token = match self.secrets.get(&from).await {
            Ok(Some(token)) => token,
            Ok(None) | Err(SecretsError::Missing) => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        if self.secrets.get(&to).await.map_err(failed)?.is_some() {
            return Err(ActError::NeedsUser(format!(
                "There is a secret `{to}` already, of another tunnel perhaps. Take it away with `nexus secret delete {to}` first"
            )));
        }
        self.secrets.set(&to, token).await.map_err(failed)
    }
}

fn not_saved(error: &SettingsError) -> ActError {
    ActError::Failed(kit::text::sentence(&kit::text::capital(&error.to_string())))
}

fn done(act: &Act) -> String {
    match act {
        Act::List => String::new(),
        Act::Create(name) => format!(
            "The profile `{name}` has the settings of now, and no token yet. Change it with `nexus settings set \
             tunnel.profiles.{name}.mode …`, use it with `nexus tunnel profiles choose {name}`."
        ),
        Act::Choose(None) => "No profile is used; the values below `tunnel` count.".to_owned(),
        Act::Choose(Some(name)) => format!("The profile `{name}` is used."),
        Act::Rename { to, .. } => format!("It is called `{to}` now."),
        Act::Delete(name) => format!("The profile `{name}` is gone, with its token if it had one."),
    }
}
