//! Waits for the reader.

use std::io::IsTerminal;

use super::{Options, narrate::Narrator};

/// Waits for Enter, if there is somebody to press it.
pub(super) async fn for_reader(options: &Options, narrator: &Narrator, before: &str) {
    if options.no_pause || !std::io::stdin().is_terminal() {
        return;
    }
    narrator.print(&format!("           press Enter to {before}"));
    let (sender, pressed) = tokio::sync::oneshot::channel();
    // A thread of its own: the runtime would wait at its end for a blocking read, and Ctrl-C would seem to hang.
    std::thread::spawn(move || {
        // Whatever comes, also an end of input, goes on.
        let _ = std::io::stdin().read_line(&mut String::new());
        let _ = sender.send(());
    });
    drop(pressed.await);
}
