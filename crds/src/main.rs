//! Writes the definitions of the Kubernetes API as YAML, or says which file has drifted from the types.

use std::{fs, path::PathBuf};

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "lifeboat-crds", about, version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write one YAML file per definition
    Generate {
        /// Write nothing; fail and name the file if one differs from the types
        #[arg(long)]
        check: bool,
        /// Folder of the files
        #[arg(long, default_value = "crds/generated")]
        out: PathBuf,
    },
}

fn main() -> anyhow::Result<()> {
    let Command::Generate { check, out } = Cli::parse().command;
    let files = crds::definitions::files()?;
    if check {
        return unchanged(&out, &files);
    }
    for folder in [out.clone(), out.join(crds::definitions::POLICIES)] {
        fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    }
    for stray in strays(&out, &files)? {
        fs::remove_file(&stray).with_context(|| format!("remove {}", stray.display()))?;
    }
    for (name, yaml) in files {
        let path = out.join(name);
        fs::write(&path, yaml).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

/// Fails with the names of all files that differ.
fn unchanged(out: &std::path::Path, files: &[(String, String)]) -> anyhow::Result<()> {
    let mut drifted: Vec<String> =
        strays(out, files)?.iter().map(|path| path.display().to_string()).collect();
    for (name, yaml) in files {
        let path = out.join(name);
        if fs::read_to_string(&path).ok().as_ref() != Some(yaml) {
            drifted.push(path.display().to_string());
        }
    }
    if drifted.is_empty() {
        return Ok(());
    }
    bail!("differs from the types: {}; run `lifeboat-crds generate` and commit", drifted.join(", "))
}

/// YAML files that nothing makes.
fn strays(out: &std::path::Path, files: &[(String, String)]) -> anyhow::Result<Vec<PathBuf>> {
    let mut strays = Vec::new();
    for folder in [out.to_owned(), out.join(crds::definitions::POLICIES)] {
        for entry in fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))? {
            let path = entry?.path();
            let yaml = path.extension().is_some_and(|extension| extension == "yaml");
            if yaml && !files.iter().any(|(name, _)| path == out.join(name)) {
                strays.push(path);
            }
        }
    }
    Ok(strays)
}
