//! Compiles `proto/` into Rust code and a descriptor set with comments, without protoc.

use std::{env, error::Error, fs, path::PathBuf};

use protox::prost::Message as _;

const SERVICES: [&str; 11] = [
    "andon/v1/errors.proto",
    "andon/v1/edit_plan.proto",
    "andon/v1/order_types.proto",
    "andon/v1/calendars.proto",
    "andon/v1/people.proto",
    "andon/v1/orders.proto",
    "andon/v1/deliveries.proto",
    "andon/v1/schedule.proto",
    "andon/v1/tasks.proto",
    "andon/v1/triggers.proto",
    "andon/v1/webhooks.proto",
];

/// Messages that hold a secret: `src/grpc/proto.rs` says how they are shown.
const SECRETIVE: [&str; 2] = ["andon.v1.CreateWebhookResponse", "andon.v1.RotateSecretResponse"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    println!("cargo::rerun-if-changed=migrations");
    let files = protox::Compiler::new(["proto"])?
        .include_imports(true)
        .include_source_info(true)
        .open_files(SERVICES)?
        .file_descriptor_set();
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("andon.bin"), files.encode_to_vec())?;
    // Ordered maps: the fingerprint of a request must not depend on the order of a hash map.
    tonic_prost_build::configure().btree_map(".").skip_debug(SECRETIVE).compile_fds(files)?;
    Ok(())
}
