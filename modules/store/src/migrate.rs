//! Numbered steps, each run exactly once.

use rusqlite::{Connection, TransactionBehavior, params};

use crate::StoreError;

pub(crate) fn run(connection: &mut Connection, owner: &str, steps: &[&str]) -> Result<(), StoreError> {
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS migrations (owner TEXT NOT NULL, step INTEGER NOT NULL, PRIMARY KEY (owner, step)) WITHOUT ROWID",
    )?;
    for (step, sql) in steps.iter().enumerate() {
        // The lock is taken before the look, so that two processes never run one step twice.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let step = i64::try_from(step).unwrap_or(i64::MAX);
        let is_new = transaction.execute(
            "INSERT OR IGNORE INTO migrations (owner, step) VALUES (?1, ?2)",
            params![owner, step],
        )?;
        if is_new == 1 {
            transaction.execute_batch(sql)?;
        }
        transaction.commit()?;
    }
    Ok(())
}
