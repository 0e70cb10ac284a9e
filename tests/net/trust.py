"""Whom a download believes and whom it tells its secrets: certificates, passwords, redirects, proxies. One story each, with
a real nginx, a certificate authority made on the spot, and names that only our own proxy knows.
"""
import base64, os

import servers
from forward import ANY, Forward
from proxy import Proxy
from runs import Broken
from servers import DROP, WORD
from stories import holds

#: Passwords as they go over the line, which nobody but the server may see.
BASIC = base64.b64encode(f"depositor:{WORD}".encode()).decode()
TOKEN = "token-of-a-depositor-9c41"


def source(url, more=""):
    return f'[[source]]\nname = "drop"\nkind = "http"\nurl = "{url}"\n{more}\n'


def network(**keys):
    return "[network]\n" + "".join(f"{key} = {str(value).lower() if value is True else repr(str(value))}\n" for key, value in keys.items())


def secret_file(folder, name, text, mode=0o600):
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/{name}", "w") as out:
        out.write(text + "\n")
    os.chmod(f"{folder}/{name}", mode)
    return f"{folder}/{name}"


def refused(run, address, *said):
    """It is not taken, and what is told has these words in it."""
    outcome = run.ingest(address, limit=120)
    holds(f"{address} is not taken", outcome == "not-taken", outcome)
    for words in said:
        holds(f"it is told that {words}", words in run.log, run.log[-600:])


def taken(run, address, bag):
    outcome = run.ingest(address, limit=120)
    holds(f"{address} is kept", outcome == "kept", (outcome, run.log[-600:]))
    run.check_kept(bag)


# --- certificates ---

def the_authority_that_is_named_is_believed_and_no_other(stage):
    nginx = stage.nginx
    address = f"{nginx.tls_url}/plain/{stage.mark}/small.tar"
    before = len(stage.rows())
    refused(stage.run(), address, "is not trusted", "ca_file")
    holds("nothing was asked without trust", len(stage.rows()) == before)
    refused(stage.run(network(ca_file=f"{stage.folder}/none.pem")), address, "none.pem", "No such file")
    taken(stage.run(network(ca_file=nginx.ca)), address, stage.small)
    # Of a source its own counts, not that of everybody.
    more = "allow_private = true"
    refused(stage.run(network(ca_file=nginx.ca) + source(f"{nginx.tls_url}/plain/{stage.mark}/", more)), "source://drop/small.tar", "is not trusted")
    more += f'\nca_file = "{nginx.ca}"'
    taken(stage.run(source(f"{nginx.tls_url}/plain/{stage.mark}/", more)), "source://drop/small.tar", stage.small)


def certificates_of_others_and_old_ones_are_refused(stage):
    nginx = stage.nginx
    for certificate, said in (("other", "other.example.org"), ("late", "expired")):
        with Proxy(nginx.upstream, (), tls=nginx.tls(certificate)) as proxy:
            refused(stage.run(network(ca_file=nginx.ca)), f"{proxy.url}/plain/{stage.mark}/small.tar", "is not trusted", said)
            holds("nothing was asked", not proxy.counts.log, proxy.counts.log[:2])


# --- passwords ---

def a_password_is_read_from_where_the_configuration_says(stage):
    nginx = stage.nginx
    given = f"{nginx.tls_url}/user/{stage.mark}/"
    more = f'allow_private = true\nca_file = "{nginx.ca}"\ncredentials = '
    file = secret_file(f"{stage.folder}/held", "drop", f"depositor:{WORD}")
    before = len(stage.rows())
    runs = [stage.run(source(given, f'{more}"file:{file}"')),
            stage.run(source(given, f'{more}"systemd:drop"'), {"CREDENTIALS_DIRECTORY": f"{stage.folder}/held"})]
    for run in runs:
        taken(run, "source://drop/small.tar", stage.small)
        run.check_silent(WORD, BASIC)
    rows = stage.rows()[before:]
    holds("every request proves who it is", all(row["authorization"] == f"Basic {BASIC}" for row in rows), rows[:2])
    token = secret_file(f"{stage.folder}/held", "token", f"bearer {TOKEN}")
    run = stage.run(source(given, f'{more}"file:{token}"'))
    refused(run, "source://drop/small.tar", "401")
    holds("a token is sent as one", stage.rows()[-1]["authorization"] == f"Bearer {TOKEN}", stage.rows()[-1])
    run.check_silent(TOKEN)


def a_wrong_password_is_told_as_refused_by_the_source(stage):
    nginx = stage.nginx
    given, wrong = f"{nginx.tls_url}/user/{stage.mark}/", "not-the-word-51d2"
    more = f'allow_private = true\nca_file = "{nginx.ca}"\n'
    file = secret_file(stage.folder, "drop", f"depositor:{wrong}")
    cases = [(f'credentials = "file:{file}"', "401"), ("", "401"),
             (f'credentials = "file:{stage.folder}/none"', "none: No such file"),
             ('credentials = "systemd:drop"', "LoadCredential=drop"),
             (f'credentials = "file:{secret_file(stage.folder, "open", "a:b", 0o644)}"', "chmod o=")]
    for credentials, said in cases:
        run = stage.run(source(given, more + credentials))
        refused(run, "source://drop/small.tar", said)
        run.check_silent(wrong, base64.b64encode(f"depositor:{wrong}".encode()).decode())


def a_password_that_is_taken_away_holds_the_item_and_comes_back(stage):
    """In the middle: the right kind of trouble, and with the password back only what is missing is fetched."""
    nginx = stage.nginx
    more = f'allow_private = true\nca_file = "{nginx.ca}"\n'
    with Proxy(nginx.upstream, ["GET status=401@last*always"], tls=nginx.tls(), about="/bag.tar") as proxy:
        file = secret_file(stage.folder, "drop", f"depositor:{WORD}")
        run = stage.run(source(f"{proxy.url}/user/{stage.mark}/", f'{more}credentials = "file:{file}"'))
        outcome = run.ingest("source://drop/bag.tar")
        holds("it is told as refused", outcome == "source-denied", outcome)
        holds("it is held", run.item["standing"] == "held", run.item["standing"])
        proxy.set([])
        run.ask("requeue", str(run.item["id"]))
        taken(run, "source://drop/bag.tar", stage.bag)
        row = proxy.counts.table()[f"/user/{stage.mark}/bag.tar"]
        holds("no byte came twice", row["again"] <= row["longest"], row)
        run.check_silent(WORD, BASIC)


# --- redirects ---

def a_redirect_to_another_host_comes_without_the_password(stage):
    nginx = stage.nginx
    file = secret_file(stage.folder, "drop", f"depositor:{WORD}")
    more = f'allow_private = true\nca_file = "{nginx.ca}"\ncredentials = "file:{file}"'
    with Proxy(nginx.upstream, (), tls=nginx.tls()) as other:
        with Proxy(nginx.upstream, [f"ANY redirect={other.url}/plain/{stage.mark}/small.tar*always"], tls=nginx.tls(), about="/small.tar") as first:
            run = stage.run(source(f"{first.url}/user/{stage.mark}/", more))
            taken(run, "source://drop/small.tar", stage.small)
            rows = first.counts.table()
            asked, proved = (sum(how(row) for row in rows.values()) for how in (lambda row: sum(row["requests"].values()), lambda row: row["authorized"]))
            holds("the first host is told who asks, each time", 0 < asked == proved, rows)
            rows = other.counts.table()
            holds("the other host gave it", rows[f"/plain/{stage.mark}/small.tar"]["delivered"] >= stage.small.bytes, rows)
            holds("and was told nothing", not any(row["authorized"] for row in rows.values()), rows)
            run.check_silent(WORD, BASIC)
    # On the same host the password goes along.
    with Proxy(nginx.upstream, [f"ANY redirect=/user/{stage.mark}/moved/bag.tar*6"], tls=nginx.tls(), about=f"/user/{stage.mark}/bag.tar") as proxy:
        taken(stage.run(source(f"{proxy.url}/user/{stage.mark}/", more)), "source://drop/bag.tar", stage.bag)


def a_redirect_from_outside_to_a_private_address_is_refused_unless_allowed(stage):
    """The first host is one of the public, as far as anybody can tell: a proxy leads to it."""
    nginx = stage.nginx
    host, port = nginx.upstream
    for near in (f"http://{host}:{port}/plain/{stage.mark}/small.tar", f"http://localhost:{port}/plain/{stage.mark}/small.tar", f"http://[::ffff:127.0.0.1]:{port}/plain/{stage.mark}/small.tar"):
        with Proxy(nginx.upstream, [f"ANY redirect={near}*always"], about="/small.tar") as leads:
            with Forward({(DROP, 80): ("127.0.0.1", leads.port), (host, ANY): nginx.upstream, ("localhost", ANY): nginx.upstream}) as forward:
                before = len(stage.rows())
                run = stage.run(network(proxy=forward.url))
                outcome = run.nearless(f"http://{DROP}/plain/{stage.mark}/small.tar")
                holds(f"{near} is not followed", outcome == "not-taken", (outcome, run.log[-300:]))
                holds("it is told why", "private addresses are asked only with" in run.log, run.log[-400:])
                rows = [row for row in stage.rows()[before:] if DROP not in row["host"]]
                holds("nobody near was asked", not rows, rows)
                if "ffff" not in near:
                    run = stage.run(network(proxy=forward.url, allow_private=True))
                    taken(run, f"http://{DROP}/plain/{stage.mark}/small.tar", stage.small)


# --- proxies ---

def a_proxy_carries_both_and_tls_is_proved_through_it(stage):
    nginx = stage.nginx
    hosts = {(DROP, 443): ("127.0.0.1", nginx.tls_port), (DROP, 80): nginx.upstream, ("other.example.org", 443): ("127.0.0.1", nginx.tls_port)}
    with Forward(hosts) as forward:
        run = stage.run(network(proxy=forward.url, ca_file=nginx.ca))
        holds("plain is kept", run.nearless(f"http://{DROP}/plain/{stage.mark}/small.tar") == "kept", run.log[-500:])
        run.check_kept(stage.small)
        holds("plain requests are passed on, not tunnelled", forward.asked("GET") and not forward.asked("CONNECT"), forward.asked()[:2])
        run = stage.run(network(proxy=forward.url, ca_file=nginx.ca))
        holds("TLS is kept", run.nearless(f"https://{DROP}/plain/{stage.mark}/bag.tar") == "kept", run.log[-500:])
        run.check_kept(stage.bag)
        tunnels = [row for row in forward.asked("CONNECT") if (row["host"], row["port"]) == (DROP, 443)]
        holds("through tunnels", tunnels, forward.asked()[-2:])
        # The proxy leads elsewhere than it was told to: the certificate shows it.
        run = stage.run(network(proxy=forward.url, ca_file=nginx.ca))
        holds("whoever else answers is refused", run.nearless(f"https://other.example.org/plain/{stage.mark}/small.tar") == "not-taken", run.log[-300:])
        holds("for its certificate", "is not trusted" in run.log and "other.example.org" in run.log, run.log[-400:])
        return f"{len(tunnels)} tunnels"


def a_proxy_gets_its_password_and_nobody_else_does(stage):
    nginx, secret = stage.nginx, "word-of-the-proxy-22b8"
    proof = "Basic " + base64.b64encode(f"us%er:{secret}".encode()).decode()
    hosts = {(DROP, 443): ("127.0.0.1", nginx.tls_port), (DROP, 80): nginx.upstream}
    for scheme in ("http", "https"):
        with Forward(hosts, proof) as forward:
            given = forward.url.replace("//", f"//us%25er:{secret}@")
            run = stage.run(network(ca_file=nginx.ca), {f"{scheme}_proxy": given, "no_proxy": ""})
            holds(f"{scheme} is kept", run.nearless(f"{scheme}://{DROP}/plain/{stage.mark}/small.tar") == "kept", run.log[-500:])
            run.check_silent(secret, proof)
            run = stage.run(network(ca_file=nginx.ca), {f"{scheme}_proxy": forward.url, "no_proxy": ""})
            holds(f"without it {scheme} is not", run.nearless(f"{scheme}://{DROP}/plain/{stage.mark}/small.tar") == "not-taken", run.log[-300:])
            holds("and it is told why", "407" in run.log, run.log[-400:])
    leaked = [row for row in stage.rows() if "Basic" in row["authorization"] and secret in base64.b64decode(row["authorization"][6:]).decode()]
    holds("the server never saw the proxy's password", not leaked, leaked[:1])


def what_no_proxy_names_goes_directly(stage):
    nginx = stage.nginx
    # A proxy that knows nobody: what goes through it fails.
    with Forward({}) as forward:
        everywhere = {"http_proxy": forward.url, "https_proxy": forward.url}
        for exception, direct in (("127.0.0.1", True), ("127.0.0.0/8", True), ("*", True), ("example.org,10.0.0.0/8", False), ("", False)):
            run = stage.run("", {**everywhere, "no_proxy": exception})
            outcome = run.ingest(f"{nginx.url}/plain/{stage.mark}/small.tar", limit=120)
            holds(f'with NO_PROXY "{exception}"', outcome == ("kept" if direct else "not-taken"), (outcome, run.log[-300:]))
            holds("the proxy hears of it or does not", bool(forward.asked()) != direct, forward.asked())
            forward.rows.clear()
        run = stage.run(network(proxy="direct"), everywhere)
        taken(run, f"{nginx.url}/plain/{stage.mark}/small.tar", stage.small)
        holds("a configuration that says direct is stronger", not forward.asked(), forward.asked())


QUICK = [the_authority_that_is_named_is_believed_and_no_other, a_wrong_password_is_told_as_refused_by_the_source,
         a_password_is_read_from_where_the_configuration_says, a_redirect_to_another_host_comes_without_the_password,
         a_redirect_from_outside_to_a_private_address_is_refused_unless_allowed, a_proxy_carries_both_and_tls_is_proved_through_it,
         what_no_proxy_names_goes_directly]
ALL = QUICK + [certificates_of_others_and_old_ones_are_refused, a_password_that_is_taken_away_holds_the_item_and_comes_back,
               a_proxy_gets_its_password_and_nobody_else_does]
