//! A mailer that drops messages into a folder as `.eml` files.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::fs;
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use super::message::message_id_of;
use super::{Closing, Delivery, MailLane, Mailer, Outgoing, Probing, Sending};

/// How long writing one file may take.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);

/// Writes each message to its own file: for rehearsals, and for machines without a mail server.
///
/// A file is named after the message's id (of a foreign message: after its content), so that a second attempt
/// replaces the first one's file. It appears under its name only when it is complete and on disk.
#[derive(Debug, Clone)]
pub struct FolderMailer {
    folder: PathBuf,
}

impl FolderMailer {
    /// Writes into `folder`, which is made when it is missing.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }
}

impl Mailer for FolderMailer {
    fn lane(&self) -> Box<dyn MailLane> {
        Box::new(FolderLane { folder: self.folder.clone() })
    }

    fn total_deadline(&self) -> Duration {
        WRITE_DEADLINE
    }

    fn probe(&self) -> Probing<'_> {
        Box::pin(async move {
            match fs::metadata(&self.folder).await {
                Ok(found) if found.is_dir() => Ok("the folder is there".to_owned()),
                Ok(_) => Err("it is not a folder".to_owned()),
                Err(error) => Err(error.to_string()),
            }
        })
    }
}

struct FolderLane {
    folder: PathBuf,
}

impl MailLane for FolderLane {
    fn send<'a>(&'a mut self, outgoing: &'a Outgoing) -> Sending<'a> {
        Box::pin(async move {
            match tokio::time::timeout(WRITE_DEADLINE, write(&self.folder, outgoing)).await {
                Ok(Ok(name)) => Delivery::Sent { reply: format!("written to {name}") },
                Ok(Err(error)) => {
                    Delivery::TransportDown { reason: format!("folder {}: {error}", self.folder.display()) }
                }
                // The file operation may still finish behind our back.
                Err(_) => Delivery::Uncertain { reason: format!("folder {}: too slow", self.folder.display()) },
            }
        })
    }

    fn close(&mut self) -> Closing<'_> {
        Box::pin(std::future::ready(()))
    }
}

async fn write(folder: &Path, outgoing: &Outgoing) -> io::Result<String> {
    fs::create_dir_all(folder).await?;
    let name = format!("{}.eml", file_stem(outgoing));
    let unfinished = folder.join(format!(".{name}.{}.part", Uuid::new_v4()));
    let written = async {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).open(&unfinished).await?;
        file.write_all(&outgoing.message).await?;
        file.sync_all().await?;
        fs::rename(&unfinished, folder.join(&name)).await
    }
    .await;
    if let Err(error) = written {
        // Best effort: the error that is worth telling is the first one.
        drop(fs::remove_file(&unfinished).await);
        return Err(error);
    }
    // The new name is durable only once the folder is.
    fs::File::open(folder).await?.sync_all().await?;
    Ok(name)
}

fn file_stem(outgoing: &Outgoing) -> String {
    message_id_of(&outgoing.message).map_or_else(
        || {
            let digest = Sha256::new().chain_update(&outgoing.to).chain_update([0]).chain_update(&outgoing.message);
            format!("{:.32}", format!("{:x}", digest.finalize()))
        },
        |id| id.to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outgoing(message: &str) -> Outgoing {
        Outgoing { from: "a@example.com".into(), to: "b@example.com".into(), message: message.as_bytes().to_vec() }
    }

    #[tokio::test]
    async fn a_second_attempt_replaces_the_file_of_the_first() {
        let folder = std::env::temp_dir().join(format!("andon-folder-{}", Uuid::new_v4()));
        let id = Uuid::new_v4();
        let mailer = FolderMailer::new(folder.clone());
        let mut lane = mailer.lane();
        let message = outgoing(&format!("X-Andon-Message: {id}\r\n\r\nHello\r\n"));
        for _ in 0..2 {
            assert_eq!(lane.send(&message).await, Delivery::Sent { reply: format!("written to {id}.eml") });
        }
        let names: Vec<_> =
            std::fs::read_dir(&folder).expect("made").map(|entry| entry.expect("readable").file_name()).collect();
        assert_eq!(names, [format!("{id}.eml").as_str()]);
        assert_eq!(std::fs::read(folder.join(format!("{id}.eml"))).expect("there"), message.message);
        std::fs::remove_dir_all(&folder).expect("ours");
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_made_is_a_fault_of_the_transport() {
        let mailer = FolderMailer::new(PathBuf::from("/dev/null/mail"));
        let delivery = mailer.lane().send(&outgoing("Subject: x\r\n\r\n")).await;
        assert!(matches!(delivery, Delivery::TransportDown { .. }), "{delivery:?}");
    }
}
