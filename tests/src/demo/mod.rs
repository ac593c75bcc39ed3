//! x
/// x
#[derive(Debug, clap::Args)]
pub struct Options {
    /// x
    #[arg(long)]
    pub no_pause: bool,
}
/// x
pub async fn run(_: &Options) -> anyhow::Result<()> {
    Ok(())
}
