//! Who asks.

use crate::error::{Error, ErrorKind};
use crate::id::OrgId;
use crate::permission::{Permission, Permissions};

/// A user or a machine, with permissions, in one organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The organization everything this principal touches belongs to.
    pub org: OrgId,
    /// The identity provider's name for it.
    pub sub: String,
    /// Where to write to, if known.
    pub email: Option<String>,
    /// What it may do.
    pub permissions: Permissions,
}

impl Principal {
    /// # Errors
    /// `forbidden`, naming the permission that is missing.
    pub fn require(&self, permission: &Permission) -> Result<(), Error> {
        if self.permissions.allow(permission) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Forbidden, format!("the permission {permission} is needed")))
    }
}
