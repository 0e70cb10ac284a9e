"""Scheduled work: timers and cron as the role sets them up, and the mail that a finding makes."""
from host import holds, say

# These jobs are due whenever they are started.
SETTINGS = '[jobs]\nfixity = "1 s"\nrepair = "1 s"'
# A release of its own, made of the program alone, whatever stories before left.
PLAIN = "plain"
SENDMAIL = "#!/bin/sh\ncat >> /var/mail/captured\nprintf '\\n===end===\\n' >> /var/mail/captured\n"


def runs(m, by):
    history = m.json("strongroom job history fixity --json")
    return [run for run in history["runs"] if run["by"].startswith(by)]


def timers(host):
    m = host.machine
    done, _ = host.play("site.yml", PLAIN, schedule="timer", settings=SETTINGS)
    holds("the role sets timers up", done.returncode == 0, done.stdout[-2000:])
    listed = m.out("systemctl list-timers --all --no-legend --no-pager 'strongroom-*'")
    holds("there is one for each job", len(listed.splitlines()) == 7, listed)
    verified = m.ssh("systemd-analyze verify --man=no /etc/systemd/system/strongroom*.service /etc/systemd/system/strongroom*.timer", check=False)
    holds("systemd finds nothing to say about the units", verified.returncode == 0 and not verified.stderr.strip(), verified.stderr)
    # The timer as it was installed, but for its hour.
    m.ssh("mkdir -p /run/systemd/system/strongroom-fixity.timer.d && "
          "printf '[Timer]\\nOnCalendar=\\nOnCalendar=*:*:0/5\\nRandomizedDelaySec=0\\nAccuracySec=1s\\n' > /run/systemd/system/strongroom-fixity.timer.d/soon.conf && "
          "systemctl daemon-reload && systemctl restart strongroom-fixity.timer")
    m.until("a run that the timer started", lambda: [run for run in runs(m, "timer") if run["end"] == "well"], 60)
    say("  the timer started a run of fixity, and it went well")
    m.ssh("rm -r /run/systemd/system/strongroom-fixity.timer.d && systemctl daemon-reload && systemctl restart strongroom-fixity.timer")


def cron(host):
    m = host.machine
    host.bag("rotting", "1MiB", 60)
    m.ssh("strongroom submit /srv/in/rotting.tar")
    host.kept("rotting")
    m.put("/usr/sbin/sendmail", SENDMAIL, 0o755)
    # cron hands mail over as the user whose job it was.
    m.put("/var/mail/captured", "", 0o666)
    done, _ = host.play("site.yml", PLAIN, schedule="cron", settings=SETTINGS)
    holds("the role sets cron up", done.returncode == 0, done.stdout[-2000:])
    holds("and takes the timers away", not m.out("systemctl list-timers --no-legend --no-pager 'strongroom-*'"))
    file = m.out("find /srv/east -path '*rotting*content*' -name '*.bin' -size +4k | sort | head -1")
    m.ssh(f"printf rotten | dd of='{file}' bs=1 seek=100 conv=notrunc 2>/dev/null")
    found = m.ssh("strongroom fixity run --all", check=False)
    holds("a sweep finds the damage", found.returncode == 1, found.stdout + found.stderr)
    # The lines as they were installed, but for the hour.
    m.ssh("systemctl enable --now -q cron && sed -Ei '/ job run repair /s/^[0-9* ]+strongroom/* * * * * strongroom/' /etc/cron.d/strongroom")
    m.until("cron's mail", lambda: "===end===" in m.ssh("cat /var/mail/captured", check=False).stdout, 150)
    mail = m.out("cat /var/mail/captured").split("===end===")[0]
    body = mail.split("\n\n", 1)[1].strip().splitlines()
    holds("one mail, whose first line says what and what to type", body and "1 " in body[0] and "strongroom " in body[0] and len(body) <= 21, mail)
    holds("to whom the role says", "To: root" in mail and "job run repair --cron" in mail, mail)
    m.ssh("rm /etc/cron.d/strongroom")
    repaired = m.ssh("strongroom repair run --yes", check=False)
    holds("the copy is put right again", repaired.returncode == 0 and m.ssh(f"grep -aq rotten '{file}'", check=False).returncode == 1, repaired.stdout + repaired.stderr)
    done, _ = host.play("site.yml", PLAIN)
    holds("without a schedule nothing of it stays", done.returncode == 0 and m.ssh("test -e /etc/cron.d/strongroom", check=False).returncode == 1, done.stdout[-2000:])


STORIES = [timers, cron]
