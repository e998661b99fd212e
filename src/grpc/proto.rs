//! The types and services generated from `proto/`; nothing below this floor sees them.

use std::fmt;

/// The tree of packages, as the generated code names them.
#[expect(missing_docs, clippy::pedantic, reason = "generated from proto/, documented there")]
mod packages {
    pub mod andon {
        pub mod v1 {
            tonic::include_proto!("andon.v1");
        }
    }
    pub mod google {
        pub mod r#type {
            tonic::include_proto!("google.r#type");
        }
    }
}

pub use packages::andon::v1;
pub use packages::google::r#type::Date;

/// The descriptor set with comments, for server reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/andon.bin"));

/// As much of a secret as may be shown: whether there is one.
fn hidden(secret: &str) -> &'static str {
    if secret.is_empty() { "" } else { "(hidden)" }
}

impl fmt::Debug for v1::CreateWebhookResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateWebhookResponse")
            .field("webhook", &self.webhook)
            .field("secret", &hidden(&self.secret))
            .finish()
    }
}

impl fmt::Debug for v1::RotateSecretResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RotateSecretResponse")
            .field("webhook", &self.webhook)
            .field("secret", &hidden(&self.secret))
            .field("old_until_time", &self.old_until_time)
            .finish()
    }
}
