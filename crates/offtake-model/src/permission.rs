//! What a principal may do.

use std::collections::BTreeSet;
use std::fmt;

/// One permission. The text form is what tokens carry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// Ask for an export.
    ExportsCreate,
    /// See one's own exports.
    ExportsRead,
    /// See the whole organization's exports.
    ExportsReadAll,
    /// Cancel an export.
    ExportsCancel,
    /// Fetch a file.
    ExportsDownload,
    /// Delete a file before it expires.
    ExportsDelete,
    /// Read spans, traces and prompts.
    TracesRead,
    /// Send spans.
    SpansWrite,
    /// See the metrics of the organization.
    MetricsRead,
    /// See what things cost.
    CostsRead,
    /// See alerts.
    AlertsRead,
    /// Read columns that hold what not everybody may see, as they are.
    PiiRead,
    /// Everything within the organization's settings.
    Admin,
    /// Runs the installation: `/metrics`. Not part of `all`.
    Operator,
    /// Read this configured dataset.
    Dataset(String),
}

impl Permission {
    /// The permissions with a fixed name, in the order of the documentation.
    pub const FIXED: [Self; 14] = [
        Self::ExportsCreate,
        Self::ExportsRead,
        Self::ExportsReadAll,
        Self::ExportsCancel,
        Self::ExportsDownload,
        Self::ExportsDelete,
        Self::TracesRead,
        Self::SpansWrite,
        Self::MetricsRead,
        Self::CostsRead,
        Self::AlertsRead,
        Self::PiiRead,
        Self::Admin,
        Self::Operator,
    ];

    /// The permission with this text form. `None` for what nobody here knows.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("datasets:") {
            Some(name) if !name.is_empty() => Some(Self::Dataset(name.to_owned())),
            _ => Self::FIXED.into_iter().find(|fixed| fixed.to_string() == text),
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ExportsCreate => f.write_str("exports:create"),
            Self::ExportsRead => f.write_str("exports:read"),
            Self::ExportsReadAll => f.write_str("exports:read_all"),
            Self::ExportsCancel => f.write_str("exports:cancel"),
            Self::ExportsDownload => f.write_str("exports:download"),
            Self::ExportsDelete => f.write_str("exports:delete"),
            Self::TracesRead => f.write_str("traces:read"),
            Self::SpansWrite => f.write_str("spans:write"),
            Self::MetricsRead => f.write_str("metrics:read"),
            Self::CostsRead => f.write_str("costs:read"),
            Self::AlertsRead => f.write_str("alerts:read"),
            Self::PiiRead => f.write_str("pii:read"),
            Self::Admin => f.write_str("admin"),
            Self::Operator => f.write_str("operator"),
            Self::Dataset(name) => write!(f, "datasets:{name}"),
        }
    }
}

/// In the place of a dataset's name: every dataset.
const EVERY: &str = "*";

/// Whether `permission` is among what is withheld; `datasets:*` stands for every dataset.
pub fn withholds(withheld: &BTreeSet<Permission>, permission: &Permission) -> bool {
    let dataset = matches!(permission, Permission::Dataset(_));
    withheld.contains(permission) || (dataset && withheld.contains(&Permission::Dataset(EVERY.to_owned())))
}

/// What a token grants. `all` is everything but [`Permission::Operator`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permissions {
    all: bool,
    granted: BTreeSet<Permission>,
    withheld: BTreeSet<Permission>,
}

impl Permissions {
    /// Reads the words of a token. Unknown words grant nothing: a token of a newer Offtake still works.
    pub fn from_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let mut permissions = Self::default();
        for word in words {
            if word == "all" {
                permissions.all = true;
            } else {
                permissions.granted.extend(Permission::parse(word));
            }
        }
        permissions
    }

    /// Whether `permission` is granted.
    pub fn allow(&self, permission: &Permission) -> bool {
        !withholds(&self.withheld, permission) && self.grant(permission)
    }

    fn grant(&self, permission: &Permission) -> bool {
        self.granted.contains(permission) || (self.all && *permission != Permission::Operator)
    }

    /// The same without these, whatever grants them.
    #[must_use]
    pub fn without(mut self, withheld: impl IntoIterator<Item = Permission>) -> Self {
        self.withheld.extend(withheld);
        self
    }

    /// What was taken away.
    pub const fn withheld(&self) -> &BTreeSet<Permission> {
        &self.withheld
    }

    /// Whether nobody can do by `other` what these do not allow.
    pub fn cover(&self, other: &Self) -> bool {
        // Of the datasets there may be, those that either speaks of, and one that neither can name.
        let named = other.granted.iter().chain(&self.withheld).cloned();
        let every = Permission::Dataset(EVERY.to_owned());
        let mut asked = Permission::FIXED.into_iter().chain(named).chain([every]).filter(|one| other.allow(one));
        asked.all(|one| self.allow(&one))
    }

    /// The words a token carries for these.
    pub fn to_words(&self) -> Vec<String> {
        let all = self.all.then(|| "all".to_owned());
        let granted = self.granted.iter().filter(|one| !withholds(&self.withheld, one));
        all.into_iter().chain(granted.map(ToString::to_string)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_everything_but_operator() {
        let all = Permissions::from_words(["all"]);
        assert!(all.allow(&Permission::Admin) && all.allow(&Permission::Dataset("trades".to_owned())));
        assert!(!all.allow(&Permission::Operator));
        assert!(Permissions::from_words(["all", "operator"]).allow(&Permission::Operator));
    }

    #[test]
    fn words_come_back_and_unknown_ones_grant_nothing() {
        let words = ["exports:create", "datasets:trades", "exports:fly", "datasets:"];
        assert_eq!(Permissions::from_words(words).to_words(), ["exports:create", "datasets:trades"]);
    }

    #[test]
    fn what_is_withheld_is_allowed_by_nothing() {
        let withheld = || [Permission::ExportsCreate, Permission::Operator];
        let all = Permissions::from_words(["all", "operator", "exports:create"]).without(withheld());
        assert!(!all.allow(&Permission::ExportsCreate) && !all.allow(&Permission::Operator));
        assert!(all.allow(&Permission::ExportsRead));
        assert_eq!(all.to_words(), ["all"]);
        let blind = Permissions::from_words(["all", "datasets:x"]).without(Permission::parse("datasets:*"));
        assert!(!blind.allow(&Permission::Dataset("x".to_owned())) && blind.allow(&Permission::TracesRead));
        assert_eq!(all.withheld().len(), 2);
    }

    #[test]
    fn nobody_hands_on_more_than_is_his() {
        let of = |words: &str| Permissions::from_words(words.split(' '));
        assert!(
            of("all").cover(&of("all")) && of("all").cover(&of("exports:read datasets:x")) && of("x").cover(&of(""))
        );
        assert!(!of("all").cover(&of("operator")) && !of("exports:read").cover(&of("all")));
        assert!(!of("exports:read").cover(&of("exports:read exports:create")));
        let less = of("all").without([Permission::ExportsCreate]);
        assert!(!less.cover(&of("all")) && !less.cover(&of("exports:create")) && less.cover(&of("exports:read")));
        let blind = of("all").without(Permission::parse("datasets:x"));
        assert!(!blind.cover(&of("all")) && !blind.cover(&of("datasets:x")) && blind.cover(&of("datasets:y")));
        assert!(less.cover(&less) && of("all").cover(&less));
    }
}
