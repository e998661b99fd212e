//! The guard: a process that cleans up when this one is gone, however it went.
//!
//! It reads from a pipe that only this process holds open. At its end it kills the daemons that are left, stops the private
//! clusters, and removes the scratch folder. A process is signalled only when it carries this run's mark in its environment.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{LazyLock, Mutex, PoisonError},
};

use std::os::unix::{fs::PermissionsExt as _, process::CommandExt as _};

/// The variable by which processes of this run are known.
pub const MARK: &str = "ANDON_TEST_RUN";

const SCRIPT: &str = r#"
trap '' INT TERM HUP
declare -A pids=() clusters=()
while read -r verb value; do
  case $verb in
    daemon) pids[$value]=1 ;;
    cluster) clusters[$value]=1 ;;
  esac
done
for pid in "${!pids[@]}"; do
  if tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null | grep -qxF "ANDON_TEST_RUN=$2"; then kill -9 "$pid"; fi
done
for cluster in "${!clusters[@]}"; do "$1" kill "$cluster"; done
rm -rf "$3"
"#;

/// What the guard of this process watches over.
#[derive(Debug)]
pub struct Guard {
    /// A folder that is removed at the end; the user of a database server can pass through it.
    pub scratch: PathBuf,
    /// The mark of this run.
    pub mark: String,
    pipe: Mutex<ChildStdin>,
    _process: Child,
}

static GUARD: LazyLock<Guard> = LazyLock::new(Guard::start);

/// The guard of this process.
pub fn guard() -> &'static Guard {
    &GUARD
}

/// Where a command of the repository lies.
pub fn command_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("run").join(name)
}

impl Guard {
    fn start() -> Self {
        let mark = format!("{}-{:08x}", std::process::id(), fastrand::u32(..));
        let scratch = std::env::temp_dir().join(format!("andon-tests-{mark}"));
        std::fs::create_dir_all(&scratch).expect("a scratch folder can be made");
        std::fs::set_permissions(&scratch, std::fs::Permissions::from_mode(0o711)).expect("it is ours");
        let mut process = Command::new("bash")
            .args(["-c", SCRIPT, "guard"])
            .arg(command_path("postgres"))
            .arg(&mark)
            .arg(&scratch)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("bash is there");
        let pipe = Mutex::new(process.stdin.take().expect("it was piped"));
        Self { scratch, mark, pipe, _process: process }
    }

    fn tell(&self, line: &str) {
        let mut pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        pipe.write_all(line.as_bytes()).expect("the guard listens");
    }

    /// A daemon that must not outlive this process.
    pub fn daemon(&self, pid: u32) {
        self.tell(&format!("daemon {pid}\n"));
    }

    /// A cluster that must not outlive this process.
    pub fn cluster(&self, folder: &Path) {
        self.tell(&format!("cluster {}\n", folder.display()));
    }

    /// A new folder of this run.
    pub fn folder(&self, name: &str) -> PathBuf {
        let folder = self.scratch.join(format!("{name}-{:08x}", fastrand::u32(..)));
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        folder
    }
}
