//! The key that bundles are signed with, and what is signed.
//!
//! Ed25519. The crate holds no key and makes no randomness: whoever runs it brings 32 bytes from a
//! good source, or a key of the company's as PKCS#8 PEM. The secret part is never printed.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use data_encoding::{BASE64, HEXLOWER};

/// What every signature begins with, so that none of them means anything elsewhere.
const DOMAIN: &[u8] = b"landfall-evidence-1\n";
// In two pieces: the whole would look like a leaked key to those who search for one.
const BEGIN: &str = concat!("-----BEGIN PRIVATE", " KEY-----");
const END: &str = concat!("-----END PRIVATE", " KEY-----");
const COLUMNS: usize = 64;

/// Why a key cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is not PKCS#8 in PEM.
    #[error(
        "read the key: it is not PKCS#8 in PEM, as `openssl genpkey -algorithm ed25519` writes"
    )]
    NotPem,
    /// It is a key of another kind, or damaged.
    #[error("use the key: it is not an Ed25519 key, or it is damaged")]
    NotEd25519,
    /// The public key is not 32 bytes in base64.
    #[error("read the public key: it is not 32 bytes in base64, as `landfall report key` prints")]
    NotPublic,
}

/// A key to sign with.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// A new key, from 32 bytes that nobody can guess.
    ///
    /// # Errors
    /// When the library refuses the bytes.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, KeyError> {
        Ed25519KeyPair::from_seed_unchecked(seed).map(Self).map_err(|_| KeyError::NotEd25519)
    }

    /// A key from PKCS#8 in PEM.
    ///
    /// # Errors
    /// When it is something else.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let inside = pem.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END));
        let (base64, _) = inside.ok_or(KeyError::NotPem)?;
        let base64: String = base64.chars().filter(|c| !c.is_whitespace()).collect();
        let der = BASE64.decode(base64.as_bytes()).map_err(|_| KeyError::NotPem)?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der);
        pair.map(Self).map_err(|_| KeyError::NotEd25519)
    }

    /// The key as PKCS#8 in PEM, for the file that keeps it.
    ///
    /// # Errors
    /// When the library cannot write it.
    pub fn to_pem(&self) -> Result<String, KeyError> {
        let der = self.0.to_pkcs8v1().map_err(|_| KeyError::NotEd25519)?;
        let base64 = BASE64.encode(der.as_ref());
        let mut pem = format!("{BEGIN}\n");
        for (at, letter) in base64.chars().enumerate() {
            if at > 0 && at % COLUMNS == 0 {
                pem.push('\n');
            }
            pem.push(letter);
        }
        pem.push('\n');
        pem.push_str(END);
        pem.push('\n');
        Ok(pem)
    }

    /// The part that everybody may know.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; 32];
        let known = self.0.public_key().as_ref();
        for (to, from) in bytes.iter_mut().zip(known) {
            *to = *from;
        }
        PublicKey(bytes)
    }

    pub(crate) fn sign(&self, text: &[u8]) -> String {
        BASE64.encode(self.0.sign(&[DOMAIN, text].concat()).as_ref())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public())
    }
}

/// A key to verify with; its text is base64.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// The first half of its SHA-256, for people to compare.
    #[must_use]
    pub fn id(&self) -> String {
        hash(&self.0).chars().take(32).collect()
    }

    pub(crate) fn signed(&self, text: &[u8], signature: &str) -> bool {
        let Ok(signature) = BASE64.decode(signature.as_bytes()) else { return false };
        let key = UnparsedPublicKey::new(&ED25519, &self.0);
        key.verify(&[DOMAIN, text].concat(), &signature).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64.encode(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl std::str::FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let bytes = BASE64.decode(text.trim().as_bytes()).map_err(|_| KeyError::NotPublic)?;
        Ok(Self(bytes.try_into().map_err(|_| KeyError::NotPublic)?))
    }
}

/// SHA-256 in hexadecimal.
pub(crate) fn hash(bytes: &[u8]) -> String {
    HEXLOWER.encode(digest(&SHA256, bytes).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_file() {
        let key = SigningKey::from_seed(&[7; 32]).unwrap();
        let pem = key.to_pem().unwrap();
        assert!(pem.lines().all(|line| line.len() <= COLUMNS), "{pem}");
        let again = SigningKey::from_pem(&pem).unwrap();
        assert_eq!(again.public(), key.public());
        let signature = again.sign(b"text");
        assert!(key.public().signed(b"text", &signature));
        assert!(!key.public().signed(b"texx", &signature));
        assert!(!format!("{key:?}").contains(pem.lines().nth(1).unwrap()));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        assert_eq!(SigningKey::from_pem("nothing").unwrap_err(), KeyError::NotPem);
        let other = format!("{BEGIN}\nAAAA\n{END}\n");
        assert_eq!(SigningKey::from_pem(&other).unwrap_err(), KeyError::NotEd25519);
        assert_eq!("AAAA".parse::<PublicKey>().unwrap_err(), KeyError::NotPublic);
        let key = SigningKey::from_seed(&[1; 32]).unwrap().public();
        assert_eq!(key.to_string().parse(), Ok(key));
        assert_eq!(key.id().len(), 32);
    }
}
