//! A test program that starts itself again.

use std::process::{Command, Stdio};

/// This test program again, to run one of its tests in a process of its own; what a shell is to do before.
pub(crate) fn again(worker: &str, shell: Option<&str>) -> Command {
    let program = std::env::current_exe().expect("this program");
    let mut command = match shell {
        None => Command::new(&program),
        Some(before) => {
            let mut command = Command::new("sh");
            command.arg("-c").arg(format!("{before}; exec \"$@\"")).arg("sh").arg(&program);
            command
        }
    };
    command.args(["--exact", worker, "--nocapture", "--test-threads=1"]).stdin(Stdio::null());
    command
}
