//! The signature of a call.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::domain::alerts::webhook::SigningSecret;

/// The value of `webhook-signature`: `v1,` and the base64 of the HMAC-SHA256 of `id.timestamp.body`, for each secret, separated
/// by spaces. A receiver that knows any of them accepts it.
///
/// # Source
/// Standard Webhooks 1.0.0, "Signature scheme".
///
/// ```
/// use andon::{domain::alerts::webhook::SigningSecret, webhook::sign};
/// // The example of the specification's own libraries.
/// let secret = SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
/// let signature = sign(&[secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
/// assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
/// ```
#[must_use]
pub fn sign(secrets: &[SigningSecret], id: &str, timestamp: i64, body: &[u8]) -> String {
    let one = |secret: &SigningSecret| {
        let mut mac = keyed(secret);
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()))
    };
    secrets.iter().map(one).collect::<Vec<_>>().join(" ")
}

fn keyed(secret: &SigningSecret) -> Hmac<Sha256> {
    Hmac::new_from_slice(&secret.key()).expect("a key of any length can be used")
}
