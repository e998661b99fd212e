//! The types and services generated from `proto/`; nothing below this floor sees them.

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
