//! Who asks, and how an organization stands to him.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::error::{Error, ErrorKind};
use crate::id::OrgId;
use crate::permission::{Permission, Permissions, withholds};

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

/// How a principal stands in its organization at a moment, whatever its token says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Why it may do nothing at all.
    pub barred: Option<Barred>,
    /// What it may not do.
    pub withheld: BTreeSet<Permission>,
}

/// Why somebody may do nothing at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Barred {
    /// An administrator disabled the account.
    Disabled,
    /// The API key was revoked.
    KeyRevoked,
    /// Whoever made the API key is disabled.
    MakerDisabled,
}

impl Barred {
    /// In words.
    pub const fn why(self) -> &'static str {
        match self {
            Self::Disabled => "this account is disabled; ask an administrator of your organization",
            Self::KeyRevoked => "this API key was revoked",
            Self::MakerDisabled => "the account that made this API key is disabled",
        }
    }
}

impl Standing {
    /// Why whoever stands so may not do what needs these permissions; `None` if nothing is in the way.
    pub fn against<'a>(&self, needed: impl IntoIterator<Item = &'a Permission>) -> Option<String> {
        if let Some(barred) = self.barred {
            return Some(barred.why().to_owned());
        }
        let missing = needed.into_iter().find(|permission| withholds(&self.withheld, permission))?;
        Some(format!("the permission {missing} is withheld from this account"))
    }

    /// That nothing is in the way of what needs these permissions.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn require<'a>(&self, needed: impl IntoIterator<Item = &'a Permission>) -> Result<(), Error> {
        self.against(needed).map_or(Ok(()), |why| Err(Error::new(ErrorKind::Forbidden, why)))
    }
}

/// A principal as its organization remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownPrincipal {
    /// The identity provider's name for it.
    pub sub: String,
    /// Its address when it last came.
    pub email: Option<String>,
    /// When it first came; `None` if somebody spoke of it before.
    pub first_seen_at: Option<Timestamp>,
    /// When it last came, give or take a minute.
    pub last_seen_at: Option<Timestamp>,
    /// Since when it may do nothing at all.
    pub disabled_at: Option<Timestamp>,
    /// What it may not do, whatever its token says.
    pub withheld: BTreeSet<Permission>,
}

/// What is decided anew about a principal; `None` leaves it as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrincipalChange {
    /// Whether it may do nothing at all.
    pub disabled: Option<bool>,
    /// What it may not do.
    pub withheld: Option<BTreeSet<Permission>>,
}

/// The longest `sub`, in bytes.
const LONGEST_SUB: usize = 320;

/// Whether a principal may be called so.
pub fn is_sub(text: &str) -> bool {
    (1..=LONGEST_SUB).contains(&text.len()) && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_goes_before_what_is_withheld() {
        let withheld = BTreeSet::from([Permission::TracesRead]);
        let standing = Standing { barred: None, withheld };
        assert_eq!(standing.against(&[Permission::ExportsCreate]), None);
        let needed = [Permission::ExportsCreate, Permission::TracesRead];
        assert!(standing.against(&needed).is_some_and(|why| why.contains("traces:read")));
        assert_eq!(standing.require(&needed).unwrap_err().kind(), ErrorKind::Forbidden);
        let barred = Standing { barred: Some(Barred::KeyRevoked), ..standing };
        assert_eq!(barred.against(&needed).as_deref(), Some(Barred::KeyRevoked.why()));
        assert!(barred.require(&[]).is_err());
    }
}
