//! Brings in what the testbed needs and the machine lacks. Each part is done only when it is missing.

#[cfg(test)]
mod tests;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, bail};

use crate::{paths, progress};

/// A program from the distribution, and the Debian package that brings it.
struct Packaged {
    program: &'static str,
    package: &'static str,
    why: &'static str,
}

const PACKAGED: &[Packaged] = &[
    Packaged { program: "knotd", package: "knot", why: "the DNS servers" },
    Packaged { program: "knsupdate", package: "knot-dnsutils", why: "dynamic updates by a foreign hand" },
    Packaged { program: "dig", package: "bind9-dnsutils", why: "looking at the zone" },
    Packaged { program: "ip", package: "iproute2", why: "network namespaces" },
    Packaged { program: "setpriv", package: "util-linux", why: "children that end with their parent" },
];

/// A program built from `tests/tools/go`.
struct Built {
    program: &'static str,
    go_package: &'static str,
    /// On two cores with nothing in the build cache of Go; kube-apiserver was seen to take 3 to 8 minutes.
    expected: Duration,
}

const BUILT: &[Built] = &[
    Built { program: "etcd", go_package: "go.etcd.io/etcd/server/v3", expected: Duration::from_mins(1) },
    Built {
        program: "kube-apiserver",
        go_package: "k8s.io/kubernetes/cmd/kube-apiserver",
        expected: Duration::from_mins(5),
    },
    Built {
        program: "kubectl",
        go_package: "k8s.io/kubernetes/cmd/kubectl",
        expected: Duration::from_secs(75),
    },
];

/// Installs and builds what is missing; the folder of the built tools is the result.
pub(crate) fn run() -> anyhow::Result<PathBuf> {
    install_packages()?;
    build_tools()
}

fn install_packages() -> anyhow::Result<()> {
    let missing: Vec<&Packaged> = PACKAGED.iter().filter(|p| paths::find(p.program, &[]).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|p| p.package).collect();
    let by_hand = format!("sudo apt-get update && sudo apt-get install --yes {}", packages.join(" "));
    let whys: Vec<String> = missing.iter().map(|p| format!("{} ({})", p.program, p.why)).collect();
    if paths::find("apt-get", &[]).is_none() {
        bail!(
            "missing: {}. Install them with this system's package manager; on Debian: {by_hand}",
            whys.join(", ")
        );
    }
    if !is_root()? {
        bail!("missing: {}. Install them with: {by_hand}", whys.join(", "));
    }
    progress::run("apt-get update", Duration::from_secs(10), apt().arg("update"))?;
    progress::run(
        &format!("apt-get install {}", packages.join(" ")),
        Duration::from_secs(30),
        apt().args(["install", "--yes", "--no-install-recommends"]).args(&packages),
    )
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn is_root() -> anyhow::Result<bool> {
    let output = Command::new("id").arg("-u").output().context("run id")?;
    Ok(output.stdout.trim_ascii() == b"0")
}

fn build_tools() -> anyhow::Result<PathBuf> {
    let module = paths::root()?.join("tests/tools/go");
    let versions = Versions::read(&module.join("go.mod"))?;
    let tools = paths::cache()?.join("tools").join(versions.folder());
    fs::create_dir_all(&tools).with_context(|| format!("make {}", tools.display()))?;

    let mut folders: Vec<PathBuf> =
        env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from).into_iter().collect();
    folders.push(tools.clone());
    let missing: Vec<&Built> = BUILT.iter().filter(|b| paths::find(b.program, &folders).is_none()).collect();
    if missing.is_empty() {
        return Ok(tools);
    }
    let Some(go) = paths::find("go", &[PathBuf::from("/usr/local/go/bin")]) else {
        let names: Vec<&str> = missing.iter().map(|b| b.program).collect();
        bail!(
            "{} must be built, and there is no `go`. Install Go {} or newer (https://go.dev/dl), or set \
             KUBEBUILDER_ASSETS to a folder that holds etcd, kube-apiserver and kubectl",
            names.join(", "),
            versions.go
        );
    };
    for built in missing {
        build(&go, &module, &tools, &versions, built)?;
    }
    Ok(tools)
}

/// Builds under a name of its own and renames, so that an interrupted or parallel build never leaves
/// half a program under the real name.
fn build(go: &Path, module: &Path, tools: &Path, versions: &Versions, built: &Built) -> anyhow::Result<()> {
    let unfinished = tools.join(format!(".{}.{}", built.program, std::process::id()));
    let mut command = Command::new(go);
    command
        .current_dir(module)
        .env("CGO_ENABLED", "0")
        .args(["build", "-v", "-mod=readonly", "-trimpath", "-ldflags", &versions.linker_flags(), "-o"])
        .arg(&unfinished)
        .arg(built.go_package);
    let result = progress::run(&format!("build {}", built.program), built.expected, &mut command);
    if result.is_ok() {
        let finished = tools.join(built.program);
        fs::rename(&unfinished, &finished).with_context(|| format!("put {} in place", finished.display()))?;
    } else {
        // The failure of the build is what the person needs to read; a file left over is harmless.
        drop(fs::remove_file(&unfinished));
    }
    result
}

/// What the Go module pins.
struct Versions {
    go: String,
    kubernetes: String,
    etcd: String,
}

impl Versions {
    fn read(go_mod: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(go_mod).with_context(|| format!("read {}", go_mod.display()))?;
        let version_of = |name: &str| {
            text.lines()
                .filter_map(|line| line.trim().strip_prefix(name)?.strip_prefix(' '))
                .find_map(|rest| {
                    rest.split_whitespace()
                        .next()
                        .filter(|v| v.starts_with(|c: char| c == 'v' || c.is_ascii_digit()))
                })
                .map(str::to_owned)
                .with_context(|| format!("{} does not say the version of {name}", go_mod.display()))
        };
        Ok(Self {
            go: version_of("go")?,
            kubernetes: version_of("k8s.io/kubernetes")?,
            etcd: version_of("go.etcd.io/etcd/server/v3")?,
        })
    }

    /// The testbed's library makes the same name from the same file.
    fn folder(&self) -> String {
        format!("kubernetes-{}-etcd-{}", self.kubernetes, self.etcd)
    }

    /// Kubernetes learns its own version from the linker; without it, it calls itself v0.0.0.
    fn linker_flags(&self) -> String {
        let version = &self.kubernetes;
        let mut numbers = version.trim_start_matches('v').split('.');
        let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
        let package = "k8s.io/component-base/version";
        format!(
            "-s -w -X {package}.gitVersion={version} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}"
        )
    }
}
