//! `kubectl lifeboat`: what the plain objects do not show at a glance.

mod recover;
mod register;
mod tenant;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use kube::Client;
use shell::api;

/// Questions to a fleet. Put `kubectl-lifeboat` on the PATH and call it as `kubectl lifeboat`.
#[derive(Debug, Parser)]
#[command(name = "kubectl-lifeboat", version)]
struct Flags {
    /// kubeconfig file; its current context is used
    #[arg(long, env = "KUBECONFIG", global = true)]
    kubeconfig: Option<PathBuf>,
    /// Namespace of the fleet; the context's if absent
    #[arg(long, short, global = true)]
    namespace: Option<String>,
    #[command(subcommand)]
    question: Question,
}

#[derive(Debug, Subcommand)]
enum Question {
    /// Print the register (the `FleetState` object) as JSON, unpacked; or confirm it
    State {
        #[command(subcommand)]
        act: Option<StateAct>,
    },
    /// Say which stamp serves a tenant now, and why
    Where {
        /// Name of the Tenant
        tenant: String,
    },
}

#[derive(Debug, Subcommand)]
enum StateAct {
    /// Confirm a register that was lost, put back from a backup or copied: show what is really served, ask, and take that
    /// as the truth. Nothing is moved by it
    Recover {
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    let access = match flags.kubeconfig {
        Some(path) => api::Access::File(path),
        None => api::Access::File(home_kubeconfig()?),
    };
    let config = api::config(&access).await?;
    let namespace = flags.namespace.unwrap_or_else(|| config.default_namespace.clone());
    let client: Client = api::client(config)?;
    let answer = match flags.question {
        Question::State { act: None } => register::text(&register::read(&client, &namespace).await?)?,
        Question::State { act: Some(StateAct::Recover { yes }) } => {
            recover::run(&client, &namespace, yes).await?
        }
        Question::Where { tenant } => tenant::sentence(&client, &namespace, &tenant).await?,
    };
    print(&answer);
    Ok(())
}

fn home_kubeconfig() -> anyhow::Result<PathBuf> {
    let home = std::env::var_os("HOME")
        .ok_or_else(|| anyhow::anyhow!("neither KUBECONFIG nor HOME is set; say --kubeconfig FILE"))?;
    Ok(PathBuf::from(home).join(".kube/config"))
}

#[expect(clippy::print_stdout, reason = "the answer is what the command is for")]
fn print(answer: &str) {
    println!("{answer}");
}
