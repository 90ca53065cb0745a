//! Who types a command, for the audit trail.

use offtake_model::audit::{Act, Via};

/// An act of the user of the machine whom this process runs as: by name where the machine's own list has it, else by
/// number. Variables such as `USER` are what anybody may set.
pub(crate) fn act() -> Act {
    let uid = rustix::process::geteuid().as_raw();
    let known = std::fs::read_to_string("/etc/passwd").ok().and_then(|users| name_in(&users, uid));
    let name = known.unwrap_or_else(|| format!("uid {uid}"));
    Act::by(&name, Via::CommandLine).with_agent(Some(concat!("offtake/", env!("CARGO_PKG_VERSION"))))
}

/// The name of the user `uid` in a list like `/etc/passwd`.
fn name_in(users: &str, uid: u32) -> Option<String> {
    let uid = uid.to_string();
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_number() {
        let users = "root:x:0:0:::\n\nbroken\nada:x:1000:1000:::\n";
        assert_eq!(name_in(users, 1000).as_deref(), Some("ada"));
        assert_eq!(name_in(users, 100), None);
        assert_eq!(name_in("", 0), None);
    }
}
