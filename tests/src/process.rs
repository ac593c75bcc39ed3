//! Child processes that end with us: servers, and our own binaries.
//!
//! Three things end a child: its [`Process`] is dropped; its parent dies in any way, because
//! `setpriv` asks the kernel for SIGKILL in that case before it becomes the program; or it is told
//! to. The kernel watches the *thread* that started the child, and a test's thread ends with the
//! test while a shared server must not, so one thread that lives as long as we do starts them all.

use std::{
    ffi::{OsStr, OsString},
    fs::{File, OpenOptions},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{OnceLock, mpsc},
    thread,
    time::Duration,
};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::{tools, wait};

/// How much of a log is shown when its process failed.
const LOG_TAIL_LINES: usize = 15;

/// What to start.
#[derive(Clone, Debug)]
pub struct Launch {
    name: String,
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    log: PathBuf,
}

impl Launch {
    /// A program that writes its output to `log`.
    pub fn new(name: impl Into<String>, program: PathBuf, log: PathBuf) -> Self {
        Self { name: name.into(), program, arguments: Vec::new(), environment: Vec::new(), log }
    }

    /// A server or tool by its name, with its log in `folder`.
    pub fn tool(name: &str, folder: &Path) -> anyhow::Result<Self> {
        Ok(Self::new(name, tools::find(name)?, folder.join(format!("{name}.log"))))
    }

    /// One of our own binaries, with its log in `folder`.
    pub fn ours(binary: &str, name: &str, folder: &Path) -> anyhow::Result<Self> {
        let log = folder.join(format!("{name}.log"));
        Ok(Self::new(name, tools::ours(binary)?, log).env("NO_COLOR", "1"))
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<I: IntoIterator<Item: AsRef<OsStr>>>(mut self, arguments: I) -> Self {
        self.arguments.extend(arguments.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Starts it.
    pub fn start(self) -> anyhow::Result<Process> {
        let child = self.spawn()?;
        Ok(Process { launch: self, child })
    }

    fn spawn(&self) -> anyhow::Result<Child> {
        let log = open_log(&self.log)?;
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(&self.program)
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Ctrl-C is for the process that owns the testbed, which then ends its children in order.
            .process_group(0);
        spawn_on_lasting_thread(command)
            .with_context(|| format!("start {} ({})", self.name, self.program.display()))
    }
}

/// A running child. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    launch: Launch,
    child: Child,
}

impl Process {
    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where its output goes.
    pub fn log(&self) -> &Path {
        &self.launch.log
    }

    /// Sends it a signal: `Signal::KILL`, `STOP`, `CONT`, `TERM`.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        kill_process(Pid::from_child(&self.child), signal)
            .with_context(|| format!("send {signal:?} to {}", self.launch.name))
    }

    /// Kills it as a crash would, and waits until it is gone.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts it again with the same arguments, after killing it if it still runs.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.kill()?;
        self.child = self.launch.spawn()?;
        Ok(())
    }

    /// Its exit status, if it has ended.
    pub fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits for its end.
    pub async fn wait_end(&mut self, bound: Duration) -> anyhow::Result<ExitStatus> {
        let what = format!("the end of {}", self.launch.name);
        wait::until(&what, bound, || {
            let ended = self.ended();
            async { ended?.context("still running") }
        })
        .await
    }

    /// An error with the end of its log if it has ended; what to ask while waiting for it to be ready.
    pub fn check_running(&mut self) -> anyhow::Result<()> {
        if let Some(status) = self.ended()? {
            bail!("{} ended ({status}):\n{}", self.launch.name, self.log_tail());
        }
        Ok(())
    }

    /// The last lines of its log.
    pub fn log_tail(&self) -> String {
        self.log_end(LOG_TAIL_LINES)
    }

    /// So many last lines of its log.
    pub fn log_end(&self, lines_max: usize) -> String {
        let text = std::fs::read(&self.launch.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(lines_max)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            tracing::warn!(name = %self.launch.name, %error, "could not be ended");
        }
    }
}

/// Appends, so that the log of a restarted process tells the whole story.
fn open_log(path: &Path) -> anyhow::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("open the log {}", path.display()))
}

type Order = (Command, mpsc::Sender<std::io::Result<Child>>);

fn spawn_on_lasting_thread(command: Command) -> anyhow::Result<Child> {
    static SPAWNER: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (orders, receiver) = mpsc::channel::<Order>();
        thread::spawn(move || {
            for (mut command, reply) in receiver {
                // The one who asked waits for the answer, so it is there to take it.
                drop(reply.send(command.spawn()));
            }
        });
        orders
    });
    let (reply, answer) = mpsc::channel();
    spawner.send((command, reply)).context("the thread that starts processes is gone")?;
    Ok(answer.recv().context("the thread that starts processes is gone")??)
}
