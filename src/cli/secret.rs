//! `nexus secret`.

use kit::{Secret, Secrets};
use serde_json::{Value, json};

use crate::control::{Failure, SecretAct};

/// Does one thing with the secrets, here or in the agent.
pub(crate) async fn answer(secrets: &dyn Secrets, act: SecretAct) -> Result<Value, Failure> {
    match act {
        SecretAct::List => Ok(json!(secrets.names().await?)),
        SecretAct::Set { name, value } => {
            secrets.set(&name, Secret::new(value)).await?;
            Ok(Value::Null)
        }
        SecretAct::Delete { name } => {
            secrets.delete(&name).await?;
            Ok(Value::Null)
        }
    }
}
