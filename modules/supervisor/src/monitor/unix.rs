//! The monitor's loop.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use os::{Caught, Identity, Reaped, Signal, Signals};

use super::{
    MONITOR_VARIABLE, Restarts,
    life::{Lives, Next},
};

/// Orphans are asked to end, and after so long they are killed.
const ORPHAN_GRACE: Duration = Duration::from_millis(1_500);

/// How often orphans on their way out are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The agent has 7 s to quit; one that hangs beyond that is killed.
const QUIT_MAX: Duration = Duration::from_secs(8);

/// With nothing to do the monitor sleeps until a signal comes; this bounds the sleep.
const SLEEP_MAX: Duration = Duration::from_secs(24 * 3_600);

/// How long killed orphans are waited for at the end. Those that cannot be killed are left to the system.
const FAREWELL: Duration = Duration::from_secs(1);

/// What the monitor knows.
struct Monitor {
    signals: Signals,
    program: PathBuf,
    restarts: Restarts,
    lives: Lives,
    agent: Option<Identity>,
    start_at: Option<Instant>,
    /// When the agent was first asked to end.
    asked: Option<Instant>,
    /// Since when there are orphans on their way out, and who was asked.
    orphans: Option<(Instant, Vec<Identity>)>,
}

pub(super) fn watch_blocking(restarts: Restarts) -> io::Result<Option<ExitCode>> {
    let mut monitor = Monitor {
        signals: Signals::hold()?,
        // Asked once: after an update in place the system names a file that is gone.
        program: std::env::current_exe()?,
        restarts,
        lives: Lives::default(),
        agent: None,
        start_at: None,
        asked: None,
        orphans: None,
    };
    monitor.start()?;
    Ok(Some(monitor.live_blocking()))
}

impl Monitor {
    fn start(&mut self) -> io::Result<()> {
        let mut command = Command::new(&self.program);
        command
            .args(std::env::args_os().skip(1))
            .env(MONITOR_VARIABLE, std::process::id().to_string());
        os::end_with_parent(&mut command);
        let child = command.spawn()?;
        self.start_at = None;
        // Gone within this moment: its end is reaped by number.
        self.agent = Some(os::identify(child.id()).unwrap_or(Identity {
            pid: child.id(),
            started: 0,
        }));
        Ok(())
    }

    fn live_blocking(&mut self) -> ExitCode {
        loop {
            match self.signals.wait_blocking(self.patience()) {
                Some(Caught::End) => self.pass_on(),
                // The terminal has asked the agent as well.
                Some(Caught::EndByTerminal) => self.asked = self.asked.or(Some(Instant::now())),
                Some(Caught::Child) | None => {}
            }
            while let Some(end) = os::reap_any() {
                if self.agent.is_some_and(|agent| agent.pid == end.pid) {
                    self.agent = None;
                    if let Some(code) = self.agent_ended(end) {
                        self.say_farewell_blocking();
                        return code;
                    }
                }
            }
            self.end_orphans();
            match self.agent {
                None if self.asked.is_some() => {
                    self.say_farewell_blocking();
                    return ExitCode::SUCCESS;
                }
                None if self.start_at.is_some_and(|at| Instant::now() >= at) => {
                    if let Err(error) = self.start() {
                        say(&format!("The agent could not be started again: {error}."));
                        self.say_farewell_blocking();
                        return ExitCode::FAILURE;
                    }
                }
                Some(agent) if self.asked.is_some_and(|since| since.elapsed() >= QUIT_MAX) => {
                    say("The agent did not end in time and is killed.");
                    // Gone by itself in this moment is as good.
                    let _ = os::signal(agent, Signal::Kill);
                }
                Some(_) | None => {}
            }
        }
    }

    /// How long the next wait for a signal may take.
    fn patience(&self) -> Duration {
        if self.orphans.is_some() {
            return LOOK_EVERY;
        }
        let now = Instant::now();
        let quit = self.asked.map(|since| since + QUIT_MAX);
        [self.start_at, quit]
            .into_iter()
            .flatten()
            .map(|due| due.saturating_duration_since(now).max(LOOK_EVERY))
            .min()
            .unwrap_or(SLEEP_MAX)
    }

    /// A second request is passed on too: the agent takes it as "at once".
    fn pass_on(&mut self) {
        self.asked = self.asked.or(Some(Instant::now()));
        if let Some(agent) = self.agent {
            // Gone by itself in this moment is as good.
            let _ = os::signal(agent, Signal::Terminate);
        }
    }

    fn agent_ended(&mut self, end: Reaped) -> Option<ExitCode> {
        // Told apart from the end of a process that was only asked: everything the agent had is on its own now.
        self.orphans = Some((Instant::now(), vec![]));
        match self
            .lives
            .ended(end, self.asked.is_some(), Instant::now(), self.restarts)
        {
            Next::Leave(code) => Some(ExitCode::from(code)),
            Next::Again(wait) => {
                say(&format!(
                    "The agent ended unexpectedly ({}) and is started again{}.",
                    describe(end),
                    if wait.is_zero() {
                        String::new()
                    } else {
                        format!(" in {} s", wait.as_secs())
                    }
                ));
                self.start_at = Some(Instant::now() + wait);
                None
            }
            Next::GiveUp => {
                say(&format!(
                    "The agent ended unexpectedly ({}) {} times within {} minutes. It is not started again: look at \
                     `nexus logs` and start it with `nexus`.",
                    describe(end),
                    self.restarts.max + 1,
                    self.restarts.window.as_secs() / 60
                ));
                Some(ExitCode::FAILURE)
            }
        }
    }

    /// Asks every orphan once, and kills what is still there after its grace.
    fn end_orphans(&mut self) {
        let Some((since, asked)) = &mut self.orphans else {
            return;
        };
        let Ok(found) = orphans(self.agent) else { return };
        if found.is_empty() {
            self.orphans = None;
            return;
        }
        let is_patient = since.elapsed() < ORPHAN_GRACE;
        for process in found {
            // Gone by itself in this moment is as good.
            if !is_patient {
                let _ = os::signal(process, Signal::Kill);
            } else if !asked.contains(&process) {
                asked.push(process);
                let _ = os::signal(process, Signal::Terminate);
            }
        }
    }

    /// The agent has ended for good: what it left had its grace already.
    fn say_farewell_blocking(&mut self) {
        let begun = Instant::now();
        while begun.elapsed() < FAREWELL {
            while os::reap_any().is_some() {}
            match orphans(None) {
                Ok(left) if !left.is_empty() => {
                    for process in left {
                        // Gone by itself in this moment is as good.
                        let _ = os::signal(process, Signal::Kill);
                    }
                }
                Ok(_) | Err(_) => return,
            }
            self.signals.wait_blocking(LOOK_EVERY);
        }
    }
}

/// Everything below this process but the agent and what is below that.
fn orphans(agent: Option<Identity>) -> io::Result<Vec<Identity>> {
    let own = std::process::id();
    let processes = os::processes()?;
    let roots: Vec<u32> = processes
        .iter()
        .filter(|process| {
            process.parent == own && agent.is_none_or(|agent| agent.pid != process.identity.pid)
        })
        .map(|process| process.identity.pid)
        .collect();
    Ok(os::below(&processes, &roots))
}

fn describe(end: Reaped) -> String {
    match (end.code, end.signal) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "for an unknown reason".to_owned(),
    }
}

/// One line for whoever looks at the terminal or the journal; the monitor has no log of its own.
fn say(line: &str) {
    // Nobody may be there to read it.
    let _ = writeln!(io::stderr(), "nexus: {line}");
}
