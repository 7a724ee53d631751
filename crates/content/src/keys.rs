//! API keys: made, checked, listed, revoked.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use prepnexus_domain::{Invalid, Role, author::MAX_NAME_LEN, fields};
use prepnexus_storage::{
    Cluster, Deadline, Error as StorageError, Freshness, ReadConn, Tx, keys, keys::ApiKey,
};
use sha2::{Digest, Sha256};

use crate::{error::ContentError, gate::Class, service::Content, session::Session};

/// Begins every key, so that one that leaked is found by those who look for such.
const PREFIX: &str = "pnx_";
/// Random bytes in a key.
const ENTROPY: usize = 32;

/// A key that was just made: the only time its text is known.
#[derive(Debug)]
pub struct NewKey {
    /// The text its holder sends.
    pub text: String,
    /// What is stored of it.
    pub key: ApiKey,
}

/// The keys of a service: made, listed, revoked.
#[derive(Debug, Clone)]
pub struct Keys(Cluster);

impl Keys {
    /// Those in that database.
    #[must_use]
    pub fn new(cluster: Cluster) -> Self {
        Self(cluster)
    }

    /// Makes a key.
    ///
    /// # Errors
    /// [`ContentError::Invalid`] for a bad name; [`ContentError::Storage`].
    pub async fn create(
        &self,
        name: &str,
        role: Role,
        deadline: Deadline,
    ) -> Result<NewKey, ContentError> {
        // What its holder writes is by an author of this name.
        let name = fields::line(&name.into(), 1, MAX_NAME_LEN)
            .map_err(|detail| Invalid::one("/name", detail))?;
        let name = fields::fold_white_space(&name);
        let mut bytes = [0; ENTROPY];
        getrandom::fill(&mut bytes).map_err(|_| ContentError::Abandoned)?;
        let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
        let (name, hash) = (&name, &digest(&text));
        let insert = |tx: Tx| async move { keys::insert(&tx, name, role, hash).await };
        let committed = self.0.write("keys.create", deadline, insert).await?;
        Ok(NewKey {
            text,
            key: committed.value,
        })
    }

    /// All keys, oldest first.
    ///
    /// # Errors
    /// [`ContentError::Storage`].
    pub async fn list(&self, deadline: Deadline) -> Result<Vec<ApiKey>, ContentError> {
        let conn = self.0.read(Freshness::Primary, deadline).await?;
        Ok(keys::list(&conn).await?)
    }

    /// Revokes a key.
    ///
    /// # Errors
    /// [`ContentError::NotFound`] when there is no such key that was not revoked yet;
    /// [`ContentError::Storage`].
    pub async fn revoke(&self, id: i64, deadline: Deadline) -> Result<(), ContentError> {
        let revoke = |tx: Tx| async move { keys::revoke(&tx, id).await };
        let committed = self.0.write("keys.revoke", deadline, revoke).await?;
        if committed.value {
            Ok(())
        } else {
            Err(ContentError::NotFound)
        }
    }
}

impl Content {
    /// The service's keys.
    #[must_use]
    pub fn keys(&self) -> Keys {
        Keys::new(self.cluster().clone())
    }

    /// The key with that text, for a request that may change something: the primary is asked, so
    /// that a key is of no use from the moment it is revoked.
    ///
    /// # Errors
    /// [`ContentError::UnknownKey`] when there is none, or it was revoked; [`ContentError::Storage`].
    pub async fn authenticate(
        &self,
        text: &str,
        session: &Session,
    ) -> Result<ApiKey, ContentError> {
        self.find_key(text, Freshness::Primary, Class::Write, session)
            .await
    }

    /// The key with that text, for a request that only reads: while there is no primary a replica is
    /// asked.
    ///
    /// # Errors
    /// As [`Content::authenticate`].
    pub async fn authenticate_reader(
        &self,
        text: &str,
        session: &Session,
    ) -> Result<ApiKey, ContentError> {
        let (primary, class) = (Freshness::Primary, Class::Read);
        match self.find_key(text, primary, class, session).await {
            Err(ContentError::Storage(StorageError::Unavailable { .. })) => {
                self.find_key(text, Freshness::Any, class, session).await
            }
            outcome => outcome,
        }
    }

    async fn find_key(
        &self,
        text: &str,
        freshness: Freshness,
        class: Class,
        session: &Session,
    ) -> Result<ApiKey, ContentError> {
        if !text.starts_with(PREFIX) {
            return Err(ContentError::UnknownKey);
        }
        let hash = &digest(text);
        let find = async |conn: &ReadConn| Ok(keys::find_by_hash(conn, hash).await?);
        let permit = self
            .gate()
            .enter(class, session.client(), "keys.find")
            .await?;
        let found = self.read_at(freshness, session, find).await;
        permit.ended(&found);
        let found = found?;
        session.note_key();
        found.ok_or(ContentError::UnknownKey)
    }
}

/// What is stored: looking a digest up in an index tells an attacker nothing about other digests.
fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}
