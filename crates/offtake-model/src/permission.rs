//! What a principal may do: permissions, and the roles that bundle them. The one table of both; `docs/api.md` prints it.

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
    /// Read this configured dataset; [`EVERY_DATASET`] stands for all of them.
    Dataset(String),
}

/// The name that stands for every configured dataset. No dataset can be called so.
pub const EVERY_DATASET: &str = "*";

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

    /// What it allows, for people.
    pub const fn allows(&self) -> &'static str {
        match self {
            Self::ExportsCreate => "ask for exports and previews, retry, save presets",
            Self::ExportsRead => "see one's own exports, and presets",
            Self::ExportsReadAll => "see the organization's exports",
            Self::ExportsCancel => "cancel an export",
            Self::ExportsDownload => "fetch a file",
            Self::ExportsDelete => "delete a file before it expires",
            Self::TracesRead => "read spans, traces and prompts",
            Self::SpansWrite => "send spans",
            Self::MetricsRead => "see the organization's metrics",
            Self::CostsRead => "see what things cost",
            Self::AlertsRead => "see alerts",
            Self::PiiRead => "read sensitive columns as they are, and filter and sort by them",
            Self::Admin => "change the organization's settings: principals, API keys",
            Self::Operator => "run the installation: `/metrics`",
            Self::Dataset(_) => "read a configured dataset; `datasets:*` is every one",
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

/// A fixed list of permissions under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Looks.
    Viewer,
    /// Looks, and takes files away.
    Analyst,
    /// A machine that sends spans.
    Ingest,
    /// Everything in the organization.
    Admin,
}

impl Role {
    /// Every role, in the order of the documentation.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Analyst, Self::Ingest, Self::Admin];

    /// Its name in the claim `roles`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Analyst => "analyst",
            Self::Ingest => "ingest",
            Self::Admin => "admin",
        }
    }

    /// The role of this name. `None` for what nobody here knows.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// Whether `permission` is on its list.
    pub const fn allows(self, permission: &Permission) -> bool {
        use Permission as P;
        match self {
            Self::Viewer => matches!(
                permission,
                P::ExportsRead | P::TracesRead | P::MetricsRead | P::CostsRead | P::AlertsRead | P::Dataset(_)
            ),
            Self::Analyst => {
                Self::Viewer.allows(permission)
                    || matches!(permission, P::ExportsCreate | P::ExportsCancel | P::ExportsDownload)
            }
            Self::Ingest => matches!(permission, P::SpansWrite),
            Self::Admin => !matches!(permission, P::Operator),
        }
    }
}

/// What goes before a role's name where permissions stand: one permission is called like a role.
const ROLE: &str = "role:";

/// Whether `permission` is among what is withheld; `datasets:*` stands for every dataset.
pub fn withholds(withheld: &BTreeSet<Permission>, permission: &Permission) -> bool {
    let dataset = matches!(permission, Permission::Dataset(_));
    withheld.contains(permission) || (dataset && withheld.contains(&Permission::Dataset(EVERY_DATASET.to_owned())))
}

/// What a token grants. `all` is everything but [`Permission::Operator`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permissions {
    all: bool,
    granted: BTreeSet<Permission>,
    roles: BTreeSet<Role>,
    withheld: BTreeSet<Permission>,
}

impl Permissions {
    /// Reads the words of a token: `all`, permissions, and roles as `role:NAME`. Unknown words grant nothing: a token of
    /// a newer Offtake still works.
    pub fn from_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let mut permissions = Self::default();
        for word in words {
            if word == "all" {
                permissions.all = true;
            } else if let Some(role) = word.strip_prefix(ROLE) {
                permissions.roles.extend(Role::parse(role));
            } else {
                permissions.granted.extend(Permission::parse(word));
            }
        }
        permissions
    }

    /// These and those of the roles with these names. Unknown ones grant nothing.
    #[must_use]
    pub fn with_roles<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.roles.extend(names.into_iter().filter_map(Role::parse));
        self
    }

    /// Whether a word of a token grants anything.
    pub fn knows(word: &str) -> bool {
        Self::from_words([word]) != Self::default()
    }

    /// Whether `permission` is granted.
    pub fn allow(&self, permission: &Permission) -> bool {
        !withholds(&self.withheld, permission) && self.grant(permission)
    }

    fn grant(&self, permission: &Permission) -> bool {
        self.granted.contains(permission)
            || (self.all && *permission != Permission::Operator)
            || self.roles.iter().any(|role| role.allows(permission))
            || (matches!(permission, Permission::Dataset(_))
                && self.granted.contains(&Permission::Dataset(EVERY_DATASET.to_owned())))
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
        let every = Permission::Dataset(EVERY_DATASET.to_owned());
        let mut asked = Permission::FIXED.into_iter().chain(named).chain([every]).filter(|one| other.allow(one));
        asked.all(|one| self.allow(&one))
    }

    /// What is granted here and there alike.
    #[must_use]
    pub fn within(&self, most: &Self) -> Self {
        let named = self.granted.union(&most.granted).cloned();
        let every = Permission::Dataset(EVERY_DATASET.to_owned());
        let asked = Permission::FIXED.into_iter().chain(named).chain([every]);
        let granted = asked.filter(|one| self.allow(one) && most.allow(one)).collect();
        Self { granted, withheld: self.withheld.clone(), ..Self::default() }
    }

    /// The words a token carries for these.
    pub fn to_words(&self) -> Vec<String> {
        let all = self.all.then(|| "all".to_owned());
        let roles = self.roles.iter().map(|role| format!("{ROLE}{}", role.name()));
        let granted = self.granted.iter().filter(|one| !withholds(&self.withheld, one));
        all.into_iter().chain(granted.map(ToString::to_string)).chain(roles).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dataset(name: &str) -> Permission {
        Permission::Dataset(name.to_owned())
    }

    #[test]
    fn all_is_everything_but_operator() {
        let all = Permissions::from_words(["all"]);
        assert!(all.allow(&Permission::Admin) && all.allow(&dataset("trades")));
        assert!(!all.allow(&Permission::Operator));
        assert!(Permissions::from_words(["all", "operator"]).allow(&Permission::Operator));
    }

    #[test]
    fn what_is_granted_stays_within_what_may_be() {
        let of = |words: &str| Permissions::from_words(words.split(' '));
        for (granted, most, expected) in [
            ("all operator", "all", "all"),
            ("all", "exports:read operator", "exports:read"),
            ("exports:read exports:create datasets:x operator", "all", "exports:create exports:read datasets:x"),
            ("exports:read exports:create", "exports:read admin", "exports:read"),
            ("operator", "operator", "operator"),
            ("all", "", ""),
            ("role:admin", "all", "all"),
            ("role:analyst datasets:x", "role:viewer", "role:viewer"),
            ("all", "role:ingest", "spans:write"),
            ("datasets:*", "datasets:x admin", "datasets:x"),
        ] {
            let (within, expected) = (of(granted).within(&of(most)), of(expected));
            assert!(within.cover(&expected) && expected.cover(&within), "{granted} within {most}: {within:?}");
        }
    }

    #[test]
    fn words_come_back_and_unknown_ones_grant_nothing() {
        let words =
            ["exports:create", "datasets:trades", "exports:fly", "datasets:", "role:king", "analyst", "role:viewer"];
        let permissions = Permissions::from_words(words);
        assert_eq!(permissions.to_words(), ["exports:create", "datasets:trades", "role:viewer"]);
        let again = permissions.to_words();
        assert_eq!(Permissions::from_words(again.iter().map(String::as_str)), permissions);
        assert!(Permissions::knows("role:viewer") && Permissions::knows("all") && !Permissions::knows("viewer"));
    }

    #[test]
    fn a_role_grants_its_list_and_nothing_else() {
        let analyst = Permissions::default().with_roles(["analyst", "king"]);
        assert!(analyst.allow(&Permission::ExportsDownload) && analyst.allow(&dataset("trades")));
        for withheld in [Permission::PiiRead, Permission::ExportsReadAll, Permission::SpansWrite, Permission::Admin] {
            assert!(!analyst.allow(&withheld), "{withheld}");
        }
        assert!(Permissions::default().with_roles(["admin"]).allow(&Permission::PiiRead));
        assert!(!Permissions::default().with_roles(["admin"]).allow(&Permission::Operator));
        // The permission of that name is no role, and the role's name alone no permission.
        assert!(!Permissions::from_words(["admin"]).allow(&Permission::PiiRead));
    }

    #[test]
    fn every_dataset_is_every_configured_one() {
        let every = Permissions::from_words(["datasets:*"]);
        assert!(every.allow(&dataset("trades")) && !every.allow(&Permission::TracesRead));
        assert!(!Permissions::from_words(["datasets:trades"]).allow(&dataset("ledger")));
    }

    /// The page lists every permission there is, and which role has it.
    #[test]
    fn the_documented_permissions_are_the_permissions() {
        let names = Role::ALL.map(|role| format!("`{}`", role.name()));
        let mut table = format!("| permission | allows to | {} |\n|---|---|---|---|---|---|\n", names.join(" | "));
        for permission in Permission::FIXED.into_iter().chain([dataset("NAME")]) {
            let marks = Role::ALL.map(|role| if role.allows(&permission) { "✓" } else { "" });
            table.push_str(&format!("| `{permission}` | {} | {} |\n", permission.allows(), marks.join(" | ")));
        }
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/api.md");
        let page = std::fs::read_to_string(path).expect("docs/api.md is there");
        assert!(page.contains(&table), "docs/api.md must contain this table:\n{table}");
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
        assert!(of("all").cover(&of("role:admin")) && of("role:analyst").cover(&of("role:viewer datasets:x")));
        assert!(!of("role:viewer").cover(&of("role:analyst")) && !of("role:analyst").cover(&of("role:ingest")));
        assert!(!of("traces:read").cover(&of("datasets:*")) && of("datasets:*").cover(&of("datasets:x")));
    }
}
