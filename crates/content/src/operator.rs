//! Who may see the operator's page: the holder of an admin's key, and then of a pass.

use std::time::Duration;

use jiff::SignedDuration;
use prepnexus_domain::{Pass, Role, cursor::CursorSigner, pass::PassSigner};
use prepnexus_storage::{Cluster, Deadline, Error, Freshness, ReadConn, keys, signing};
use tokio::sync::OnceCell;

use crate::{access::check_role, error::ContentError, service::Content, session::Session};

/// How long a pass is good.
pub const PASS: SignedDuration = SignedDuration::from_hours(12);
/// How long the database is asked whether a pass's key still is. Whoever has a pass needs the page most when the database does
/// not answer.
const LOOK: Duration = Duration::from_millis(500);

/// What the service signs with: all with one secret, which is in the database and is asked for once.
#[derive(Debug)]
pub(crate) struct Signers {
    pub(crate) cursors: CursorSigner,
    pub(crate) passes: PassSigner,
}

impl Signers {
    async fn read(conn: &ReadConn) -> Result<Self, ContentError> {
        let secret = signing::secret(conn).await?;
        Ok(Self {
            cursors: CursorSigner::new(secret.expose()),
            passes: PassSigner::new(secret.expose()),
        })
    }

    pub(crate) async fn of<'a>(
        known: &'a OnceCell<Self>,
        conn: &ReadConn,
    ) -> Result<&'a Self, ContentError> {
        known.get_or_try_init(|| Self::read(conn)).await
    }
}

impl Content {
    /// A pass for who sends the text of an admin's key; good for [`PASS`].
    ///
    /// # Errors
    /// [`ContentError::UnknownKey`]; [`ContentError::Forbidden`] for a key of another role; [`ContentError::Storage`].
    pub async fn admit_operator(
        &self,
        key: &str,
        session: &Session,
    ) -> Result<String, ContentError> {
        let key = self.authenticate_reader(key, session).await?;
        check_role(&key, Role::Admin)?;
        let conn = self.cluster().read(Freshness::Any, session.deadline());
        let signers = self.signers(&conn.await?).await?;
        let until = self.clock().now() + PASS;
        Ok(signers.passes.encode(Pass { key: key.id, until }))
    }

    /// Whether `pass` is one that this service gave out, is good now, and is for a key that was not revoked. While the database can't
    /// be asked, the last counts as true.
    ///
    /// # Errors
    /// [`ContentError::Storage`] while this process has never reached the database, and so has not the secret to check with.
    pub async fn is_operator(&self, pass: &str) -> Result<bool, ContentError> {
        let deadline = Deadline::after(LOOK);
        let signers = match self.known_signers() {
            Some(signers) => signers,
            None => {
                let conn = self.cluster().read(Freshness::Any, deadline).await?;
                self.signers(&conn).await?
            }
        };
        let Some(pass) = signers.passes.decode(pass, self.clock().now()) else {
            return Ok(false);
        };
        let role = role_now(self.cluster(), pass.key, deadline).await;
        Ok(role.map_or(true, |role| role == Some(Role::Admin)))
    }
}

/// What the holder of the key of that number may do now; `None` when there is none that was not revoked.
async fn role_now(cluster: &Cluster, key: i64, deadline: Deadline) -> Result<Option<Role>, Error> {
    let conn = cluster.read(Freshness::Primary, deadline).await?;
    let key = keys::find(&conn, key).await?;
    Ok(key.map(|key| key.role))
}
