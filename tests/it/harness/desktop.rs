//! A desktop session without a screen: X server, session bus, window manager, panel, notifications, keyring.
//!
//! Everything in it is real and is started by the story that needs it. What the session's own programs start in turn
//! (the bus starts services on demand) is found by the session's folder and ended with it.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::fs::PermissionsExt,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use super::{Home, PATIENCE, Pid, Processes, until};

/// A bus that starts nothing on demand: for stories in which something is absent.
const BARE_BUS: &str = r#"<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>"#;

/// A panel at the top with nothing but a tray.
const PANEL: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<channel name="xfce4-panel" version="1.0"><property name="configver" type="int" value="2"/>
 <property name="panels" type="array"><value type="int" value="1"/><property name="panel-1" type="empty">
  <property name="position" type="string" value="p=6;x=0;y=0"/><property name="length" type="uint" value="100"/>
  <property name="size" type="uint" value="32"/><property name="position-locked" type="bool" value="true"/>
  <property name="plugin-ids" type="array"><value type="int" value="1"/><value type="int" value="2"/></property></property></property>
 <property name="plugins" type="empty"><property name="plugin-1" type="string" value="separator"><property name="expand" type="bool" value="true"/></property>
  <property name="plugin-2" type="string" value="systray"><property name="square-icons" type="bool" value="true"/></property></property>
</channel>
"#;

/// Its menu of actions is a program that chooses the line a story wants.
const NOTIFICATIONS: &str =
    "[global]\nmouse_left_click = do_action, close_current\nidle_threshold = 0\ndmenu = @PRESS@\n";

/// Chooses the first line that holds what the file `wanted` does.
const PRESS: &str = "#!/bin/sh\nexec grep -m1 -F -f @WANTED@\n";

/// What a session has. Begin with [`Desktop::bare`] or [`Desktop::complete`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A window manager.
    Windows,
    /// A panel with a tray.
    Panel,
    /// A notification service.
    Notifications,
    /// A notification service without buttons, which only writes down what it is asked.
    Notes,
    /// A keyring, unlocked.
    Keyring,
}

/// A running session. Ends, with all it started, when dropped.
pub struct Desktop {
    parts: Vec<(Option<Part>, Child)>,
    home: Option<Home>,
}

impl Desktop {
    /// A display and a bus that starts nothing by itself.
    #[track_caller]
    pub fn bare() -> Self {
        let mut home = Home::new();
        let display = start_display(&home);
        home.env("DISPLAY", format!(":{}", display.0));
        home.env("GDK_BACKEND", "x11");
        home.env("LIBGL_ALWAYS_SOFTWARE", "1");
        home.env("NO_AT_BRIDGE", "1");
        home.env("XDG_CURRENT_DESKTOP", "XFCE");
        let bus = start_bus(&home);
        home.env("DBUS_SESSION_BUS_ADDRESS", bus.0);
        Self {
            parts: vec![(None, display.1), (None, bus.1)],
            home: Some(home),
        }
    }

    /// All of it: what a user of a common desktop has.
    #[track_caller]
    pub fn complete() -> Self {
        let mut desktop = Self::bare();
        for part in [Part::Keyring, Part::Windows, Part::Notifications, Part::Panel] {
            desktop.add(part);
        }
        desktop
    }

    /// The home all of it runs in; its environment leads to the display and the bus.
    pub fn home(&self) -> &Home {
        self.home.as_ref().expect("the home leaves with the session only")
    }

    /// As [`Home::install`].
    pub fn install(&mut self) -> std::path::PathBuf {
        let home = self.home.as_mut();
        home.expect("the home leaves with the session only").install()
    }

    /// Adds a part and waits until it is there.
    #[track_caller]
    pub fn add(&mut self, part: Part) {
        let child = match part {
            Part::Windows => self.spawn("openbox", &["--sm-disable"]),
            Part::Notifications => {
                let path = self.home().path().join("dunstrc");
                let press = self.home().path().join("press");
                let wanted = self.home().path().join("wanted");
                fs::write(&press, PRESS.replace("@WANTED@", &wanted.to_string_lossy())).unwrap();
                fs::set_permissions(&press, fs::Permissions::from_mode(0o755)).unwrap();
                fs::write(&path, NOTIFICATIONS.replace("@PRESS@", &press.to_string_lossy())).unwrap();
                self.spawn("dunst", &["-conf", &path.to_string_lossy()])
            }
            Part::Notes => {
                let path = self.home().path().join("notes");
                let arguments = [
                    "-m",
                    "dbusmock",
                    "--session",
                    "--template",
                    "notification_daemon",
                    "-l",
                ];
                let arguments: Vec<&str> = arguments.into_iter().chain([path.to_str().unwrap()]).collect();
                self.spawn("/usr/bin/python3", &arguments)
            }
            Part::Panel => {
                let folder = self
                    .home()
                    .user()
                    .join(".config/xfce4/xfconf/xfce-perchannel-xml");
                fs::create_dir_all(&folder).unwrap();
                fs::write(folder.join("xfce4-panel.xml"), PANEL).unwrap();
                // The panel reads its settings from a service, which a bare bus does not start.
                let service = self.spawn(&settings_service(), &[]);
                self.parts.push((Some(part), service));
                self.wait_for_name("org.xfce.Xfconf");
                self.spawn("xfce4-panel", &["--disable-wm-check"])
            }
            Part::Keyring => {
                let mut child = self
                    .home()
                    .command("gnome-keyring-daemon")
                    .args(["--foreground", "--unlock", "--components=secrets"])
                    .stdin(Stdio::piped())
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .spawn()
                    .unwrap();
                let mut stdin = child.stdin.take().unwrap();
                stdin.write_all(b"the password of this session").unwrap();
                child
            }
        };
        self.parts.push((Some(part), child));
        match part {
            Part::Windows => self.wait_for_window_manager(),
            Part::Notifications | Part::Notes => self.wait_for_name("org.freedesktop.Notifications"),
            Part::Panel => self.wait_for_name("org.kde.StatusNotifierWatcher"),
            Part::Keyring => self.wait_for_name("org.freedesktop.secrets"),
        }
    }

    /// Ends a part, as when it crashes.
    pub fn remove(&mut self, part: Part) {
        let (gone, kept) = self
            .parts
            .drain(..)
            .partition::<Vec<_>, _>(|(have, _)| *have == Some(part));
        self.parts = kept;
        for (_, child) in gone.into_iter().rev() {
            end(child);
        }
    }

    /// Cuts the display off, as when the X server crashes.
    pub fn remove_display(&mut self) {
        let (_, display) = self.parts.remove(0);
        end(display);
    }

    /// Runs a program of the session to its end.
    #[track_caller]
    pub fn output(&self, program: &str, arguments: &[&str]) -> Output {
        self.home().command(program).args(arguments).output().unwrap()
    }

    /// Runs a program of the session that must succeed; its stdout.
    #[track_caller]
    pub fn ask(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.output(program, arguments);
        assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// A call over the session's bus, e.g. `bus(&["get-property", NAME, PATH, INTERFACE, "Title"])`.
    #[track_caller]
    pub fn bus(&self, arguments: &[&str]) -> String {
        let all: Vec<&str> = ["--user"].iter().chain(arguments).copied().collect();
        self.ask("busctl", &all)
    }

    /// Presses the button of the newest bubble that is called `label`.
    pub fn press(&self, label: &str) {
        fs::write(self.home().path().join("wanted"), label).unwrap();
        self.ask("dunstctl", &["context"]);
    }

    /// What the service without buttons was asked to show, a line each.
    pub fn notes(&self) -> Vec<String> {
        let text = fs::read_to_string(self.home().path().join("notes")).unwrap_or_default();
        text.lines()
            .filter(|line| line.contains(" Notify "))
            .map(str::to_owned)
            .collect()
    }

    /// Whether somebody owns this name on the bus.
    pub fn has_name(&self, name: &str) -> bool {
        let arguments = [
            "--user",
            "call",
            "org.freedesktop.DBus",
            "/org/freedesktop/DBus",
            "org.freedesktop.DBus",
            "NameHasOwner",
            "s",
            name,
        ];
        let output = self.output("busctl", &arguments);
        String::from_utf8_lossy(&output.stdout).contains("true")
    }

    /// Waits until somebody owns this name on the bus.
    #[track_caller]
    pub fn wait_for_name(&self, name: &str) {
        until(&format!("{name} on the bus"), PATIENCE, || {
            self.has_name(name).then_some(())
        });
    }

    /// Titles of the windows on the display.
    pub fn windows(&self) -> Vec<String> {
        let output = self.output("wmctrl", &["-l"]);
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(|line| line.splitn(4, char::is_whitespace).nth(3))
            .map(|rest| rest.trim().to_owned())
            .collect()
    }

    /// A program in the session's environment, for stories that need more than [`ask`](Self::ask).
    pub fn command(&self, program: &str) -> Command {
        self.home().command(program)
    }

    fn wait_for_window_manager(&self) {
        until("the window manager", PATIENCE, || {
            self.output("wmctrl", &["-m"]).status.success().then_some(())
        });
    }

    fn spawn(&self, program: &str, arguments: &[&str]) -> Child {
        self.home()
            .command(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{program} cannot be started: {error}; run `installers/dev setup`")
            })
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        // In reverse: the bus and the display go last.
        for (_, child) in self.parts.drain(..).rev() {
            end(child);
        }
        if let Some(home) = &self.home {
            // What the bus started on demand.
            for pid in home.survivors() {
                Processes::signal(pid, "KILL");
            }
        }
    }
}

fn end(mut child: Child) {
    Processes::signal(child.id(), "TERM");
    let began = std::time::Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        if child.try_wait().is_ok_and(|ended| ended.is_some()) {
            return;
        }
        super::wait::pause();
    }
    let _gone_already = child.kill();
    let _collected = child.wait();
}

/// Where Debian keeps it depends on the machine's architecture.
fn settings_service() -> String {
    fs::read_dir("/usr/lib")
        .unwrap()
        .map(|entry| entry.unwrap().path().join("xfce4/xfconf/xfconfd"))
        .find(|path| path.exists())
        .expect("xfconfd is missing: run `installers/dev setup`")
        .display()
        .to_string()
}

fn start_display(home: &Home) -> (Pid, Child) {
    let mut child = home
        .command("Xvfb")
        .args([
            "-displayfd",
            "1",
            "-screen",
            "0",
            "1280x900x24",
            "-nolisten",
            "tcp",
            "-noreset",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("Xvfb is missing: run `installers/dev setup`");
    let number = first_line(&mut child);
    (number.parse().unwrap(), child)
}

fn start_bus(home: &Home) -> (String, Child) {
    let path = home.path().join("bus.conf");
    fs::write(&path, BARE_BUS).unwrap();
    let mut child = home
        .command("dbus-daemon")
        .args(["--nofork", "--print-address=1", "--config-file"])
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("dbus-daemon is missing: run `installers/dev setup`");
    let address = first_line(&mut child);
    (address, child)
}

fn first_line(child: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    line.trim().to_owned()
}
