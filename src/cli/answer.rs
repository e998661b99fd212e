//! What a verb has to say: text or bytes for standard output, with an exit code.

/// An answer, complete before anything of it is printed.
pub struct Answer {
    body: Vec<u8>,
    exit_code: u8,
}

impl Answer {
    /// Text; a line end is added where it is missing.
    pub fn text(text: impl Into<String>) -> Self {
        let mut text = text.into();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        Self { body: text.into_bytes(), exit_code: 0 }
    }

    /// Bytes as they are.
    pub fn bytes(body: Vec<u8>) -> Self {
        Self { body, exit_code: 0 }
    }

    /// JSON, indented.
    pub fn json(value: &serde_json::Value) -> Self {
        Self::text(format!("{value:#}"))
    }

    /// The same answer with another exit code.
    pub fn with_exit_code(self, exit_code: u8) -> Self {
        Self { exit_code, ..self }
    }

    /// What is printed.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// 0 unless it was set.
    pub fn exit_code(&self) -> u8 {
        self.exit_code
    }
}
