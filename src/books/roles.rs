//! Who may approve a deletion: by the accounts of this machine and the roles of the configuration.
//!
//! - The second person is another one, by number and by name, and holds the role; root, the service's own user and whoever
//!   is operator never are.
//! - Accounts are read when somebody asks, so that who left a group yesterday approves nothing today.

use crate::books::config::{GROUP, Roles};
use crate::model::item::Asker;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// No account file that we search is longer.
const ACCOUNTS_MAX: u64 = 16 << 20;

/// Users and groups, as the account files of a machine tell them.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    passwd: String,
    group: String,
}

/// Why somebody may not approve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotPermitted {
    /// It is root.
    Root,
    /// It is the user that the service runs as.
    Service,
    /// The role is not theirs.
    NoRole,
    /// They are operator.
    Operator,
    /// They asked for it themselves.
    SamePerson,
}

impl NotPermitted {
    /// Why, as a sentence.
    pub fn because(self) -> &'static str {
        match self {
            NotPermitted::Root => "root may be anybody, so its word is no second person's",
            NotPermitted::Service => "the service's own user is no person",
            NotPermitted::NoRole => "it takes the role of an approver, and it is not yours",
            NotPermitted::Operator => "you are operator, and who runs the house does not approve",
            NotPermitted::SamePerson => "you asked for it yourself; it takes a second person",
        }
    }
}

impl Accounts {
    /// Those of this machine. A file that cannot be read holds nobody.
    pub fn of_this_machine() -> Accounts {
        let read = |path: &str| {
            let mut text = String::new();
            if let Ok(file) = File::open(path) {
                let _ = file.take(ACCOUNTS_MAX).read_to_string(&mut text);
            }
            text
        };
        Accounts { passwd: read("/etc/passwd"), group: read("/etc/group") }
    }

    /// Of these account files.
    pub fn from_text(passwd: &str, group: &str) -> Accounts {
        Accounts { passwd: passwd.into(), group: group.into() }
    }

    /// True when one of these entries names this person: by name, or by a group.
    pub fn holds(&self, entries: &[String], asker: &Asker) -> bool {
        entries.iter().any(|entry| match entry.strip_prefix(GROUP) {
            Some(group) => self.is_member(group, asker),
            None => *entry == asker.name,
        })
    }

    fn is_member(&self, group: &str, asker: &Asker) -> bool {
        let mut rows = self.group.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let Some(row) = rows.find(|row| row.len() >= 3 && row[0] == group) else { return false };
        let members = row.get(3).copied().unwrap_or_default();
        members.split(',').any(|member| member.trim() == asker.name)
            || self.primary_group(asker.uid).is_some_and(|number| number == row[2])
    }

    fn primary_group(&self, uid: u32) -> Option<&str> {
        self.passwd.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            (fields.get(2)?.parse() == Ok(uid)).then(|| fields.get(3).copied())?
        })
    }
}

/// The user that owns this folder: of a service's ledger, the service's own.
pub fn owner_of(folder: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(folder).ok().map(|found| found.uid())
}

/// Whether this person may say yes or no to a deletion that another one asked for.
pub fn may_decide(
    roles: &Roles,
    accounts: &Accounts,
    service: Option<u32>,
    asker: &Asker,
) -> Result<(), NotPermitted> {
    if asker.uid == 0 || asker.name == "root" {
        return Err(NotPermitted::Root);
    }
    if service == Some(asker.uid) {
        return Err(NotPermitted::Service);
    }
    if !accounts.holds(&roles.approver, asker) {
        return Err(NotPermitted::NoRole);
    }
    if accounts.holds(&roles.operator, asker) {
        return Err(NotPermitted::Operator);
    }
    Ok(())
}

/// True when both are one person, as far as a number or a name can tell.
pub fn is_same_person(one: &Asker, other: &Asker) -> bool {
    one.uid == other.uid || one.name == other.name
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0::/root:/bin/sh\nanna:x:1000:1000::/:/bin/sh\nberta:x:1001:50::/:/bin/sh\n";
    const GROUP_FILE: &str = "archivists:x:50:\noperators:x:60:carl, anna\nbroken\n";

    fn asker(uid: u32, name: &str) -> Asker {
        Asker { uid, name: name.into(), door: "test".into() }
    }

    #[test]
    fn who_may_approve_is_decided_by_role_and_never_root_service_or_operator() {
        let accounts = Accounts::from_text(PASSWD, GROUP_FILE);
        let roles = Roles {
            approver: ["anna", "group:archivists", "group:nobody", "dora", "root", "serv"]
                .map(String::from)
                .into(),
            operator: ["group:operators", "dora"].map(String::from).into(),
        };
        let table = [
            (asker(1001, "berta"), Ok(())),
            (asker(1000, "anna"), Err(NotPermitted::Operator)),
            (asker(1002, "carl"), Err(NotPermitted::NoRole)),
            (asker(1003, "dora"), Err(NotPermitted::Operator)),
            (asker(0, "root"), Err(NotPermitted::Root)),
            (asker(0, "anna"), Err(NotPermitted::Root)),
            (asker(990, "serv"), Err(NotPermitted::Service)),
            (asker(1009, "uid 1009"), Err(NotPermitted::NoRole)),
        ];
        for (who, wanted) in table {
            assert_eq!(may_decide(&roles, &accounts, Some(990), &who), wanted, "{}", who.name);
        }
    }

    #[test]
    fn one_number_or_one_name_is_one_person() {
        assert!(is_same_person(&asker(1, "a"), &asker(1, "b")));
        assert!(is_same_person(&asker(1, "a"), &asker(2, "a")));
        assert!(!is_same_person(&asker(1, "a"), &asker(2, "b")));
    }
}
