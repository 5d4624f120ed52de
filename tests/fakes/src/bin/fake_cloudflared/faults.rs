//! What a story lets go wrong at a time of its own.

use std::{path::Path, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    life::Life,
    log::{Level, bare},
};

const CRASH: &str = "\
panic: runtime error: invalid memory address or nil pointer dereference
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x10a3b9c]

goroutine 1 [running]:
github.com/cloudflare/cloudflared/supervisor.(*Supervisor).Run(0xc0004a2000, {0x1c3f5a8, 0xc000486000})
\t/home/runner/work/cloudflared/supervisor/supervisor.go:132 +0x5b4
main.main()
\t/home/runner/work/cloudflared/cmd/cloudflared/main.go:93 +0x5b4";

/// Between two looks at the file of pushed rules.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Starts what the script asks for. Everything ends with the process.
pub(crate) fn start(life: &Arc<Life>, muted: &CancellationToken) {
    let script = &life.script;
    if let Some(after) = script.drop_after {
        let life = Arc::clone(life);
        later(after, async move { life.cut(life.script.drops_all) });
    }
    if let Some(after) = script.mute_after {
        let muted = muted.clone();
        later(after, async move { muted.cancel() });
    }
    if let Some(after) = script.crash_after {
        let life = Arc::clone(life);
        later(after, async move {
            bare(CRASH);
            end(&life, 2).await;
        });
    }
    if let Some(after) = script.update_after {
        let life = Arc::clone(life);
        later(after, async move {
            let fields = json!({"version": "2026.9.0"});
            life.log
                .line(Level::Info, "cloudflared has been updated", &fields);
            end(&life, 11).await;
        });
    }
    if let Some(after) = script.exit_after {
        let life = Arc::clone(life);
        later(after, async move { end(&life, life.script.exit).await });
    }
    if let Some(path) = script.push.clone() {
        tokio::spawn(push(Arc::clone(life), path));
    }
}

fn later(after: Duration, what: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(async move {
        tokio::time::sleep(after).await;
        what.await;
    });
}

async fn end(life: &Life, code: u8) {
    // Somebody else may have ended the process a moment before.
    let _ = life.ends.send(code).await;
}

/// Once connected, takes the rules in a file as pushed by the edge, and again whenever they change.
async fn push(life: Arc<Life>, path: std::path::PathBuf) {
    let mut links = life.links.subscribe();
    // The sender lives as long as the process.
    let _ = links.wait_for(|links| links[0].is_some()).await.map(drop);
    let mut before = Value::Null;
    let mut version = 0;
    loop {
        if let Some(ingress) = rules(&path).filter(|rules| *rules != before) {
            version += 1;
            life.push(
                &json!({"ingress": ingress, "warp-routing": {"enabled": false}}),
                version,
            );
            before = ingress;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// `None` while the file is not there or is half written.
fn rules(path: &Path) -> Option<Value> {
    serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()
}
