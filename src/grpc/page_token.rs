//! Page tokens: opaque, authenticated, and bound to the list they belong to.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac as _};
use serde::{Serialize, de::DeserializeOwned};
use sha2::Sha256;

use crate::domain::violation::Violations;

/// Bytes of the authentication code at the head of a token.
const CODE_LENGTH: usize = 16;

/// Seals and opens page tokens.
#[derive(Clone)]
pub struct PageTokens {
    key: Vec<u8>,
}

impl std::fmt::Debug for PageTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PageTokens")
    }
}

impl PageTokens {
    /// With a key of 32 bytes.
    #[must_use]
    pub fn new(key: Vec<u8>) -> Self {
        Self { key }
    }

    /// A token for a position in the list that `binding` names: method, filter and order.
    #[must_use]
    pub fn seal<T: Serialize>(&self, binding: &[u8], position: &T) -> String {
        let body = serde_json::to_vec(position).unwrap_or_default();
        let mut sealed = self.code(binding, &body);
        sealed.extend(body);
        URL_SAFE_NO_PAD.encode(sealed)
    }

    /// The position in a token; `None` for no token. Violation when the token is not ours, or belongs to another list.
    pub fn open<T: DeserializeOwned>(&self, binding: &[u8], token: &str, v: &mut Violations) -> Option<T> {
        if token.is_empty() {
            return None;
        }
        let position =
            URL_SAFE_NO_PAD.decode(token).ok().filter(|sealed| sealed.len() > CODE_LENGTH).and_then(|sealed| {
                let (code, body) = sealed.split_at(CODE_LENGTH);
                (self.code(binding, body) == code).then(|| serde_json::from_slice(body).ok()).flatten()
            });
        if position.is_none() {
            v.add("page_token", "must come from the answer before, with the same filter and order");
        }
        position
    }

    fn code(&self, binding: &[u8], body: &[u8]) -> Vec<u8> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("a key of any length is taken");
        mac.update(&u64::try_from(binding.len()).unwrap_or(0).to_be_bytes());
        mac.update(binding);
        mac.update(body);
        mac.finalize().into_bytes()[..CODE_LENGTH].to_vec()
    }
}

/// The number of rows of a page: 0 = 50, above 500 = 500. Violation when negative.
pub fn page_size(given: i32, v: &mut Violations) -> i64 {
    match given {
        0 => 50,
        size if size < 0 => {
            v.add("page_size", "must be from 0 to 500");
            50
        }
        size => i64::from(size.min(500)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_opens_only_unchanged_and_for_its_own_list() {
        let tokens = PageTokens::new(vec![7; 32]);
        let token = tokens.seal(b"list a", &("x", 3));
        let open = |binding: &[u8], token: &str| {
            let mut v = Violations::new();
            let position: Option<(String, i32)> = tokens.open(binding, token, &mut v);
            (position, v.into_found().len())
        };
        assert_eq!(open(b"list a", &token), (Some(("x".into(), 3)), 0));
        assert_eq!(open(b"list a", ""), (None, 0));
        assert_eq!(open(b"list b", &token), (None, 1));
        for index in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ascii");
            if changed != token {
                assert_eq!(open(b"list a", &changed).0, None, "{index}");
            }
        }
        assert_eq!(PageTokens::new(vec![8; 32]).open::<(String, i32)>(b"list a", &token, &mut Violations::new()), None);
    }

    #[test]
    fn a_page_has_50_rows_unless_told_and_never_more_than_500() {
        let mut v = Violations::new();
        assert_eq!([0, 1, 500, 501, i32::MAX].map(|size| page_size(size, &mut v)), [50, 1, 500, 500, 500]);
        assert!(v.is_empty());
        page_size(-1, &mut v);
        assert!(!v.is_empty());
    }
}
