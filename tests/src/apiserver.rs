//! A kube-apiserver with TLS, RBAC and an audit log: one Kubernetes cluster without nodes.
//!
//! There is no controller manager: nothing collects garbage, and a deleted namespace never ends.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use chrono::{DateTime, Utc};
use kube::{Client, Config, config::Kubeconfig};
use rcgen::KeyPair;
use serde::Deserialize;

use crate::{
    etcd::Etcd,
    net::free_address,
    pki::{Ca, Identity, write_private},
    process::{Launch, Process},
    wait,
};

/// It is ready after about 4 s; beside compilers it has been seen to take far longer.
const READY_WITHIN: Duration = Duration::from_mins(2);
/// See [`crate::etcd`]: the port may be taken meanwhile.
const ATTEMPTS: usize = 3;
/// This group may do everything, past RBAC.
const ADMINISTRATORS: &str = "system:masters";
/// Every request leaves one line, when it is answered.
const AUDIT_POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
- level: Metadata
";

/// One cluster: an API server of its own, or one that another process runs.
pub struct Cluster {
    name: String,
    address: SocketAddr,
    ca: Ca,
    folder: PathBuf,
    process: Option<Process>,
}

impl Cluster {
    /// Starts an API server with its files in `folder`. Servers of different names on one etcd do not
    /// see each other's objects.
    pub async fn start(etcd: &Etcd, name: &str, folder: &Path) -> anyhow::Result<Self> {
        let ca = Ca::create(folder)?;
        let server = ca.server()?;
        fs::write(folder.join("server.pem"), &server.certificate)?;
        write_private(&folder.join("server-key.pem"), &server.key)?;
        let accounts = KeyPair::generate()?;
        write_private(&folder.join("service-account-key.pem"), &accounts.serialize_pem())?;
        fs::write(folder.join("service-account.pem"), accounts.public_key_pem())?;
        fs::write(folder.join("audit-policy.yaml"), AUDIT_POLICY)?;

        let address = free_address()?;
        let process = launch(etcd, name, folder, address)?.start()?;
        let mut cluster =
            Self { name: name.to_owned(), address, ca, folder: folder.to_owned(), process: Some(process) };
        for attempt in 1.. {
            match cluster.wait_ready().await {
                Ok(()) => break,
                Err(error) if attempt == ATTEMPTS => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, name, "API server did not start; trying another port");
                    cluster.process = None;
                    cluster.address = free_address()?;
                    cluster.process = Some(launch(etcd, name, folder, cluster.address)?.start()?);
                }
            }
        }
        Ok(cluster)
    }

    /// Uses the API server that another process runs at `address` with its files in `folder`.
    pub fn attach(name: &str, address: SocketAddr, folder: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            name: name.to_owned(),
            address,
            ca: Ca::open(folder)?,
            folder: folder.to_owned(),
            process: None,
        })
    }

    /// Waits until it says that it is ready.
    pub async fn wait_ready(&mut self) -> anyhow::Result<()> {
        let config = self.config(&self.admin_kubeconfig()?).await?;
        let client = Client::try_from(config)?;
        let mut process = self.process.as_mut();
        let what = format!("API server {} to be ready", self.name);
        let answer = wait::until(&what, READY_WITHIN, || {
            let running = process.as_mut().map_or(Ok(()), |process| process.check_running());
            let client = client.clone();
            async move {
                match running {
                    Err(ended) => Ok(Err(ended)),
                    Ok(()) => ready(&client).await.map(Ok),
                }
            }
        });
        answer.await?
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The process, to be killed, stopped or restarted; none if another process runs it.
    pub fn process(&mut self) -> Option<&mut Process> {
        self.process.as_mut()
    }

    /// A kubeconfig whose user may do everything.
    pub fn admin_kubeconfig(&self) -> anyhow::Result<String> {
        self.kubeconfig_for("testbed-admin", Some(ADMINISTRATORS))
    }

    /// A kubeconfig for a user, by client certificate. What the user may do is up to RBAC.
    pub fn kubeconfig_for(&self, user: &str, group: Option<&str>) -> anyhow::Result<String> {
        let identity = self.ca.client(user, group)?;
        Ok(kubeconfig(self.address, self.ca.certificate(), user, &identity, "default"))
    }

    /// The same, as a file among the cluster's own.
    pub fn kubeconfig_file(&self, user: &str, group: Option<&str>) -> anyhow::Result<PathBuf> {
        let file_name: String =
            user.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let path = self.folder.join(format!("{file_name}.kubeconfig"));
        write_private(&path, &self.kubeconfig_for(user, group)?)?;
        Ok(path)
    }

    /// The administrator's kubeconfig as a file.
    pub fn admin_kubeconfig_file(&self) -> anyhow::Result<PathBuf> {
        self.kubeconfig_file("testbed-admin", Some(ADMINISTRATORS))
    }

    /// A kubeconfig file for a person, who may do everything and means `namespace` when they say none.
    pub fn person_kubeconfig_file(&self, namespace: &str) -> anyhow::Result<PathBuf> {
        let user = "testbed-person";
        let identity = self.ca.client(user, Some(ADMINISTRATORS))?;
        let path = self.folder.join("kubeconfig");
        let text = kubeconfig(self.address, self.ca.certificate(), user, &identity, namespace);
        write_private(&path, &text)?;
        Ok(path)
    }

    /// A client that may do everything.
    ///
    /// A client belongs to the runtime it was made on, and each test has its own: make one per test.
    pub async fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::try_from(self.config(&self.admin_kubeconfig()?).await?)?)
    }

    /// A client of a user.
    pub async fn client_for(&self, user: &str, group: Option<&str>) -> anyhow::Result<Client> {
        Ok(Client::try_from(self.config(&self.kubeconfig_for(user, group)?).await?)?)
    }

    /// A client that shows no certificate.
    pub async fn client_anonymous(&self) -> anyhow::Result<Client> {
        let mut config = self.config(&self.admin_kubeconfig()?).await?;
        config.auth_info.client_certificate_data = None;
        config.auth_info.client_key_data = None;
        Ok(Client::try_from(config)?)
    }

    async fn config(&self, text: &str) -> anyhow::Result<Config> {
        Ok(Config::from_custom_kubeconfig(
            Kubeconfig::from_yaml(text)?,
            &kube::config::KubeConfigOptions::default(),
        )
        .await?)
    }

    /// The file of the audit log: one JSON object a line, written before the request is answered.
    pub fn audit_log(&self) -> PathBuf {
        self.folder.join("audit.log")
    }

    /// The requests answered so far.
    pub fn audit(&self) -> anyhow::Result<Vec<AuditEvent>> {
        let path = self.audit_log();
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        // The last line may be half written.
        let complete = text.rfind('\n').map_or("", |end| &text[..end]);
        complete.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }
}

/// One answered request.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEvent {
    /// get, list, watch, create, update, patch, delete.
    pub verb: String,
    /// Who asked.
    pub user: AuditUser,
    /// What it was about; none for paths such as `/readyz`.
    pub object_ref: Option<AuditObject>,
    /// How it was answered.
    pub response_status: Option<AuditStatus>,
    /// When it was answered.
    pub stage_timestamp: DateTime<Utc>,
    /// The path and query.
    #[serde(rename = "requestURI")]
    pub request_uri: String,
}

impl AuditEvent {
    /// Whether it asked for a change, successful or not.
    pub fn is_write(&self) -> bool {
        matches!(self.verb.as_str(), "create" | "update" | "patch" | "delete" | "deletecollection")
    }
}

/// Who asked.
#[derive(Clone, Debug, Deserialize)]
pub struct AuditUser {
    /// The name of the user.
    pub username: String,
}

/// What a request was about.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AuditObject {
    /// The plural name of the resource.
    pub resource: String,
    /// `status` and the like.
    pub subresource: String,
    /// The namespace, empty for cluster-wide resources.
    pub namespace: String,
    /// The name, empty for lists.
    pub name: String,
}

/// How a request was answered.
#[derive(Clone, Debug, Deserialize)]
pub struct AuditStatus {
    /// The HTTP status.
    pub code: u16,
}

fn launch(etcd: &Etcd, name: &str, folder: &Path, address: SocketAddr) -> anyhow::Result<Launch> {
    let file = |name: &str| folder.join(name).display().to_string();
    Ok(Launch::tool("kube-apiserver", folder)?
        .arg(format!("--etcd-servers={}", etcd.url()))
        .arg(format!("--etcd-prefix=/{name}"))
        .arg(format!("--bind-address={}", address.ip()))
        .arg(format!("--advertise-address={}", address.ip()))
        .arg(format!("--secure-port={}", address.port()))
        .arg(format!("--tls-cert-file={}", file("server.pem")))
        .arg(format!("--tls-private-key-file={}", file("server-key.pem")))
        .arg(format!("--client-ca-file={}", file("ca.pem")))
        .arg("--authorization-mode=RBAC")
        .arg(format!("--service-account-key-file={}", file("service-account.pem")))
        .arg(format!("--service-account-signing-key-file={}", file("service-account-key.pem")))
        .arg("--service-account-issuer=https://kubernetes.default.svc")
        // Pods would wait for a service account that no controller makes.
        .arg("--disable-admission-plugins=ServiceAccount")
        // The service `kubernetes` cannot point at loopback.
        .arg("--endpoint-reconciler-type=none")
        .arg("--service-cluster-ip-range=10.0.0.0/24")
        .arg(format!("--audit-policy-file={}", file("audit-policy.yaml")))
        .arg(format!("--audit-log-path={}", file("audit.log")))
        .arg("--profiling=false"))
}

async fn ready(client: &Client) -> anyhow::Result<()> {
    let request = http::Request::get("/readyz").body(Vec::new())?;
    client.request_text(request).await?;
    Ok(())
}

fn kubeconfig(address: SocketAddr, ca: &str, user: &str, identity: &Identity, namespace: &str) -> String {
    let (ca, certificate, key) =
        (BASE64.encode(ca), BASE64.encode(&identity.certificate), BASE64.encode(&identity.key));
    format!(
        "\
apiVersion: v1
kind: Config
clusters:
- name: testbed
  cluster:
    server: https://{address}
    certificate-authority-data: {ca}
users:
- name: \"{user}\"
  user:
    client-certificate-data: {certificate}
    client-key-data: {key}
contexts:
- name: testbed
  context:
    cluster: testbed
    namespace: {namespace}
    user: \"{user}\"
current-context: testbed
"
    )
}
