//! What is measured and what it is measured against, running.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use serde_json::Value;
use tokio::process::{Child, Command};

/// How long anything may take that is not itself measured.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running agent in a folder of its own.
pub struct Agent {
    child: Child,
    home: tempfile::TempDir,
    nexus: PathBuf,
    /// Where it listens.
    pub address: SocketAddr,
    /// How long it took from the start to the first answer of `/healthz`.
    pub until_served: Duration,
}

impl Agent {
    /// Starts an agent on a pinned port and waits until it serves.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(nexus: &Path, opencode: &Path, more: &str) -> anyhow::Result<Self> {
        let home = tempfile::Builder::new().prefix("nexus-bench-").tempdir()?;
        let port = free_port()?;
        let folder = home.path().join("nexus");
        fs::create_dir(&folder)?;
        fs::create_dir(home.path().join("project"))?;
        fs::write(
            folder.join("settings.toml"),
            format!(
                "[opencode]\npath = {opencode:?}\n{more}\n[gateway]\nport = {port}\n[chat]\nprojects = [{:?}]\n",
                home.path().join("project")
            ),
        )?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let began = Instant::now();
        let child = Self::command(nexus, home.path())
            .args(["run", "--headless"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("could not start nexus")?;
        let until_served = served(address, began).await?;
        Ok(Self {
            child,
            home,
            nexus: nexus.to_owned(),
            address,
            until_served,
        })
    }

    fn command(program: &Path, home: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("SHELL", "/bin/sh")
            .env("LANG", "C.UTF-8")
            .envs(fakes::offline_env(&home.join("user")))
            .env("NEXUS_HOME", home.join("nexus"))
            .current_dir(home);
        command
    }

    /// The command line against this agent, with something to read; what it prints.
    ///
    /// # Errors
    /// When it fails, with what it says.
    pub async fn nexus(&self, arguments: &[&str], input: &str) -> anyhow::Result<String> {
        use tokio::io::AsyncWriteExt;
        let mut child = Self::command(&self.nexus, self.home.path())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut stdin = child.stdin.take().context("no input")?;
        stdin.write_all(input.as_bytes()).await?;
        drop(stdin);
        let output = child.wait_with_output().await?;
        if !output.status.success() {
            bail!("nexus {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// The folder of its project.
    pub fn project(&self) -> PathBuf {
        self.home.path().join("project")
    }

    /// The object of `nexus status --json`.
    ///
    /// # Errors
    /// When the agent does not answer.
    pub async fn status(&self) -> anyhow::Result<Value> {
        let output = Self::command(&self.nexus, self.home.path())
            .args(["status", "--json"])
            .output()
            .await?;
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Waits until opencode answers; its status.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn healthy(&self) -> anyhow::Result<Value> {
        let began = Instant::now();
        loop {
            let opencode = self.status().await?["modules"]["opencode"].take();
            if opencode["state"] == "healthy" {
                return Ok(opencode);
            }
            if began.elapsed() > PATIENCE {
                bail!("opencode is not healthy: {opencode}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Enters by a fresh link; the session's cookie, e.g. `"nexus=…"`.
    ///
    /// # Errors
    /// When there is no link or it does not enter.
    pub async fn enter(&self) -> anyhow::Result<String> {
        let output = Self::command(&self.nexus, self.home.path())
            .args(["open", "--print-url"])
            .output()
            .await?;
        let link = String::from_utf8(output.stdout)?;
        let (_, ticket) = link.trim().split_once("ticket=").context("no link was printed")?;
        let base = format!("http://{}", self.address);
        let answer = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?
            .get(format!("{base}/enter"))
            .header("authorization", format!("Ticket {ticket}"))
            .send()
            .await?;
        let cookie = answer
            .headers()
            .get("set-cookie")
            .with_context(|| format!("entering set no cookie: {}", answer.status()))?
            .to_str()?;
        Ok(cookie.split(';').next().unwrap_or_default().to_owned())
    }

    /// The monitor and the agent.
    ///
    /// # Errors
    /// When the agent does not answer.
    pub async fn pids(&self) -> anyhow::Result<Vec<u32>> {
        let agent = self.status().await?["agent"]["pid"].as_u64().context("no pid")?;
        let mut pids = vec![self.child.id().context("it ended")?, u32::try_from(agent)?];
        pids.dedup();
        Ok(pids)
    }

    /// Ends it and waits.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn quit(mut self) -> anyhow::Result<()> {
        Self::command(&self.nexus, self.home.path())
            .args(["quit", "--now"])
            .output()
            .await?;
        tokio::time::timeout(PATIENCE, self.child.wait()).await??;
        Ok(())
    }
}

/// Debian's nginx in front of a backend, with a cookie check.
pub struct Nginx {
    child: Child,
    _folder: tempfile::TempDir,
    /// Where it listens.
    pub address: SocketAddr,
    /// The cookie that lets in.
    pub cookie: String,
}

impl Nginx {
    /// Starts it and waits until it serves.
    ///
    /// # Errors
    /// When nginx is missing or does not start.
    pub async fn start(backend: SocketAddr, authorization: &str) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("nexus-nginx-").tempdir()?;
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let secret = "0123456789abcdef0123456789abcdef";
        let file = folder.path().join("nginx.conf");
        let text = include_str!("../nginx.conf")
            .replace("@FOLDER@", &folder.path().display().to_string())
            .replace("@BACKEND@", &backend.to_string())
            .replace("@LISTEN@", &address.to_string())
            .replace("@COOKIE@", secret)
            .replace("@AUTHORIZATION@", authorization);
        fs::write(&file, text)?;
        let child = Command::new("/usr/sbin/nginx")
            .arg("-c")
            .arg(&file)
            .arg("-p")
            .arg(folder.path())
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("nginx is missing: apt-get install nginx")?;
        served(address, Instant::now()).await?;
        Ok(Self {
            child,
            _folder: folder,
            address,
            cookie: format!("nexus={secret}"),
        })
    }

    /// The master and its workers.
    ///
    /// # Errors
    /// When it has ended.
    pub fn pids(&self) -> anyhow::Result<Vec<u32>> {
        let master = self.child.id().context("nginx ended")?;
        let path = format!("/proc/{master}/task/{master}/children");
        let workers = fs::read_to_string(path)?;
        let mut pids = vec![master];
        for worker in workers.split_whitespace() {
            pids.push(worker.parse()?);
        }
        Ok(pids)
    }

    /// Ends it and waits.
    ///
    /// # Errors
    /// When it cannot be told.
    pub async fn quit(mut self) -> anyhow::Result<()> {
        // The master ends its workers when it is told to, not when it is killed.
        let pid = self.child.id().context("nginx ended")?.to_string();
        Command::new("kill").args(["-TERM", &pid]).status().await?;
        tokio::time::timeout(PATIENCE, self.child.wait()).await??;
        Ok(())
    }
}

/// A loopback port nobody has.
///
/// # Errors
/// When there is none.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// How long after `began` a server answers `/healthz` with anything.
async fn served(address: SocketAddr, began: Instant) -> anyhow::Result<Duration> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let request = format!("GET /healthz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    while began.elapsed() < PATIENCE {
        if let Ok(mut stream) = tokio::net::TcpStream::connect(address).await {
            let mut byte = [0];
            if stream.write_all(request.as_bytes()).await.is_ok()
                && stream.read(&mut byte).await.is_ok_and(|count| count == 1)
            {
                return Ok(began.elapsed());
            }
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    bail!("nothing serves on {address}")
}
