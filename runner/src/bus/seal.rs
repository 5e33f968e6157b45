//! Secrets on their way to a worker, encrypted to the worker's key: the broker never has them.

use std::fs;
use std::io;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use age::secrecy::ExposeSecret;
use age::x25519::Identity;
use age::x25519::Recipient;
use bytes::Bytes;
use serde::Deserialize;
use serde::Serialize;

use super::wire::decode;
use super::wire::encode;
use crate::private::read_private;

/// What only the worker that runs an attempt may read.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// The values of the secrets, by name.
    pub secrets: Vec<(String, Bytes)>,
    /// The arguments, packed as one list, if secrets are part of them.
    pub args: Option<Bytes>,
}

/// The longest file of a key, in bytes. A key has 74 characters.
const LONGEST: u64 = 4096;

/// The key of a worker.
pub struct Key(Identity);

/// The public key of a worker, which the service lists.
#[derive(Clone)]
pub struct PublicKey(Recipient);

impl PublicKey {
    /// Reads `age1..`.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not a public key.
    pub fn parse(text: &str) -> Result<Self, String> {
        let key = text.parse().map(Self);
        key.map_err(|_: &str| format!("`{text}` is not the public key of a worker (`jobcontrol worker key` prints it)"))
    }

    /// Encrypts what only the holder of the key may read.
    ///
    /// # Errors
    ///
    /// Returns an error if a text is too long for the format.
    pub fn seal(&self, sealed: &Sealed) -> Result<Bytes, String> {
        let plain = encode(sealed)?;
        age::encrypt(&self.0, &plain).map(Bytes::from).map_err(|error| error.to_string())
    }
}

impl Key {
    /// Returns a new key.
    pub fn generate() -> Self {
        Self(Identity::generate())
    }

    /// Returns the public key that belongs to it.
    pub fn to_public(&self) -> PublicKey {
        PublicKey(self.0.to_public())
    }

    /// Reads the key in a file. Returns `None` if the file does not exist.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read, is not a key, or can be read by others.
    pub fn read(path: &Path) -> Result<Option<Self>, String> {
        let shown = path.display();
        if !path.try_exists().map_err(|e| format!("the key `{shown}`: {e}"))? {
            return Ok(None);
        }
        let text = read_private(path, LONGEST).map_err(|why| format!("the key `{shown}` {why}"))?;
        let text = String::from_utf8_lossy(&text);
        let key = text.trim().parse().map_err(|why: &str| format!("`{shown}` is not a key: {why}"))?;
        Ok(Some(Self(key)))
    }

    /// Reads the key in a file. Creates the file with a new key if it is missing.
    ///
    /// # Errors
    ///
    /// Returns an error as [`Key::read`] does, or if the file cannot be created.
    pub fn read_or_create(path: &Path) -> Result<Self, String> {
        if let Some(key) = Self::read(path)? {
            return Ok(key);
        }
        let failed = |e: io::Error| format!("the key `{}` cannot be created: {e}", path.display());
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let key = Identity::generate();
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
        writeln!(file, "{}", key.to_string().expose_secret()).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        Ok(Self(key))
    }

    /// Returns the public key, as the service lists it.
    pub fn public(&self) -> String {
        self.0.to_public().to_string()
    }

    /// Decrypts what was encrypted to the public key.
    ///
    /// # Errors
    ///
    /// Returns an error if the bytes were encrypted to another key, or were changed.
    pub fn open(&self, bytes: &[u8]) -> Result<Sealed, String> {
        decode(&age::decrypt(&self.0, bytes).map_err(|error| error.to_string())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_holder_of_the_key_reads_a_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys/worker.key");
        assert!(Key::read(&path).unwrap().is_none());
        let key = Key::read_or_create(&path).unwrap();
        assert_eq!(Key::read_or_create(&path).unwrap().public(), key.public());
        let sealed = Sealed { secrets: vec![("TOKEN".to_owned(), Bytes::from_static(b"hunter2"))], args: None };
        let bytes = PublicKey::parse(&key.public()).unwrap().seal(&sealed).unwrap();
        assert!(!bytes.windows(7).any(|window| window == b"hunter2"));
        assert!(key.open(&bytes).unwrap() == sealed);
        let other = Key::read_or_create(&folder.path().join("other")).unwrap();
        assert!(other.open(&bytes).is_err());
        let mut changed = bytes.to_vec();
        *changed.last_mut().unwrap() ^= 1;
        assert!(key.open(&changed).is_err());
    }

    #[test]
    fn a_key_is_the_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("worker.key");
        fs::write(&path, "AGE-SECRET-KEY-1").unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        assert!(Key::read(&path).err().unwrap().contains("chmod 600"));
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        assert!(Key::read(&path).err().unwrap().contains("is not a key"));
        assert!(PublicKey::parse("age1x").err().unwrap().contains("`jobcontrol worker key` prints it"));
    }
}
