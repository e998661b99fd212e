//! The floors of the house: imports run downwards only.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Floor by file or folder of `src/`, from the ground up. Rooms of the same floor see each other only where the name is the same.
const FLOORS: [(&str, u8); 15] = [
    ("domain", 0),
    ("store", 1),
    ("mail", 1),
    ("webhook", 1),
    ("ops", 2),
    ("grpc", 3),
    ("schedule", 3),
    // Beside the house: neither is used by a floor.
    ("config", 4),
    ("telemetry", 4),
    ("lifecycle", 4),
    ("cli", 4),
    ("daemon", 5),
    // Tests what the daemon would be built from.
    ("check", 6),
    ("bin", 7),
    ("lib", 8),
];

/// What only one floor may name.
const RESERVED: [(&str, &[&str]); 9] = [
    ("sqlx::", &["store"]),
    ("lettre::", &["mail"]),
    ("hyper::", &["webhook"]),
    ("prost_types::", &["grpc", "cli"]),
    ("grpc::proto", &["grpc", "cli"]),
    ("include_proto!", &["grpc"]),
    ("Utc::now", &["ops/clock.rs"]),
    ("Local::now", &["ops/clock.rs"]),
    ("SystemTime::now", &["ops/clock.rs"]),
];

fn sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("src can be read") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    walk(&root, &mut found);
    assert!(found.len() > 30, "the walk over src/ found only {} files", found.len());
    found.sort();
    found
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(&root).expect("below src").to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).expect("a source can be read"))
        })
        .collect()
}

/// The code of a file: without comments, and without the unit tests at its end.
fn code(source: &str) -> String {
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    source.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// File or folder directly below `src/`.
fn room(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap_or_default()
}

/// The rooms that the code names: by `crate::x`, `crate::{x::.., y}` and, in the binaries, the same with `andon`.
fn named(code: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for root in ["crate::", "andon::"] {
        for (at, _) in code.match_indices(root) {
            if code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == ':') {
                continue;
            }
            let rest = &code[at + root.len()..];
            if let Some(group) = rest.strip_prefix('{') {
                rooms.extend(first_names(group));
            } else {
                rooms.push(word(rest));
            }
        }
    }
    rooms
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The first name of each path of a group; `group` begins after its opening brace.
fn first_names(group: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut depth = 0;
    let mut begins = true;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => begins = true,
            c if begins && c.is_alphanumeric() => {
                names.push(word(&group[at..]));
                begins = false;
            }
            _ => {}
        }
    }
    names
}

fn floor(room: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

#[test]
fn imports_run_downwards_only() {
    let mut wrong = Vec::new();
    for (file, source) in sources() {
        let here = room(&file);
        let Some(own) = floor(here) else {
            wrong.push(format!("src/{file}: '{here}' stands on no floor"));
            continue;
        };
        for name in named(&code(&source)) {
            let Some(other) = floor(&name) else { continue };
            // The configuration knows nobody, and only what stands above the doors reads it.
            if name != here && other >= own && !(here == "telemetry" && name == "config") {
                wrong.push(format!("src/{file} imports {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_technique_stays_on_its_floor() {
    let mut wrong = Vec::new();
    for (file, source) in sources() {
        let code = code(&source);
        for (text, allowed) in RESERVED {
            if code.contains(text) && !allowed.iter().any(|allowed| file.starts_with(allowed)) {
                wrong.push(format!("src/{file} names {text}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_reader_of_imports_sees_paths_and_groups() {
    let found =
        named("use crate::{\n    domain::{self, order::Order},\n    store::Store,\n};\nlet x = crate::mail::bare();");
    assert_eq!(found, ["domain", "store", "mail"]);
    assert_eq!(named("use andon::{check, config::Config};"), ["check", "config"]);
    assert_eq!(named("use mycrate::store;"), Vec::<String>::new());
}
