//! Who asks: by the kernel's word, never by the asker's.

use crate::model::item::Asker;
use rustix::net::sockopt::socket_peercred;
use std::io::Read;
use std::os::unix::net::UnixStream;

/// No account file that we search is longer.
const PASSWD_MAX: u64 = 16 << 20;

/// The user of this process, at the command line.
pub fn this_process() -> Asker {
    of(rustix::process::getuid().as_raw(), "cli")
}

/// The user at the other end of a socket.
pub fn of_peer(stream: &UnixStream) -> std::io::Result<Asker> {
    let peer = socket_peercred(stream)?;
    Ok(of(peer.uid.as_raw(), "socket"))
}

fn of(uid: u32, door: &str) -> Asker {
    let mut accounts = String::new();
    if let Ok(file) = std::fs::File::open("/etc/passwd") {
        // An account file that cannot be read as text gives no name; the number is recorded anyway.
        let _ = file.take(PASSWD_MAX).read_to_string(&mut accounts);
    }
    let name = name_of(&accounts, uid).unwrap_or_else(|| format!("uid {uid}"));
    Asker { uid, name, door: door.into() }
}

fn name_of(accounts: &str, uid: u32) -> Option<String> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let number = fields.nth(1)?;
        (number.parse() == Ok(uid)).then(|| name.to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_the_name_of_the_account_file() {
        let accounts = "root:x:0:0:root:/root:/bin/bash\n\nbroken\nanna:x:1000:1000::/home/anna:/bin/sh\n";
        assert_eq!(name_of(accounts, 1000).as_deref(), Some("anna"));
        assert_eq!(name_of(accounts, 7), None);
    }

    #[test]
    fn the_kernel_says_who_is_at_the_other_end() {
        let (one, _other) = UnixStream::pair().unwrap();
        let asker = of_peer(&one).unwrap();
        assert_eq!(asker.uid, rustix::process::getuid().as_raw());
        assert_eq!(asker.door, "socket");
    }
}
