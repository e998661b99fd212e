//! Compiles `proto/` into Rust code and a descriptor set with comments, without protoc.
fn main() {}
