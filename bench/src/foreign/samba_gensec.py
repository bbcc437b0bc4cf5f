"""Samba's client security library (gensec), which smbclient uses, driven by lines of JSON on stdin; one answer each on stdout."""

import base64
import json
import sys

from samba import Ldb, auth, gensec, param
from samba.credentials import DONT_USE_KERBEROS, MUST_USE_KERBEROS, SPECIFIED, Credentials


# The bindings keep no reference to what a context was given: it must outlive the context.
alive = []


def configuration(facts):
    settings = param.LoadParm()
    if "smb_conf" in facts:
        settings.load(facts["smb_conf"])
    for name, value in facts.get("settings", {}).items():
        settings.set(name, value)
    return settings


def credentials(facts, settings):
    made = Credentials()
    made.guess(settings)
    made.set_kerberos_state(MUST_USE_KERBEROS if "ccache" in facts else DONT_USE_KERBEROS)
    if "user" in facts:
        made.set_username(facts["user"])
        made.set_password(facts["password"])
        made.set_domain(facts["domain"])
        made.set_workstation("SMBCLIENT")
    if "ccache" in facts:
        made.set_named_ccache(facts["ccache"], SPECIFIED, settings)
    return made


def remember_keytab(settings, keytab):
    """The bindings name no key table, but a machine account in Samba's secrets may."""
    secrets = Ldb(settings.private_path("secrets.ldb"), session_info=auth.system_session(), lp=settings)
    secrets.add({
        "dn": "flatname=%s,CN=Primary Domains" % settings.get("workgroup"),
        "objectClass": ["top", "primaryDomain"],
        "flatname": settings.get("workgroup"),
        "realm": settings.get("realm"),
        "sAMAccountName": settings.get("netbios name") + "$",
        "secret": "not used",
        "krb5Keytab": keytab,
    })


def start(facts):
    settings = configuration(facts)
    alive.append(settings)
    target = {"lp_ctx": settings, "target_hostname": facts["host"]}
    if facts["role"] == "client":
        context = gensec.Security.start_client(target)
        own = credentials(facts, settings)
        context.set_credentials(own)
        context.set_target_service(facts["service"])
    else:
        accounts = auth.AuthContext(lp_ctx=settings)
        alive.append(accounts)
        context = gensec.Security.start_server(target, accounts)
        own = Credentials()
        own.guess(settings)
        if "keytab" in facts:
            remember_keytab(settings, facts["keytab"])
            own.set_machine_account(settings)
            own.set_principal(facts["principal"], SPECIFIED)
            own.set_kerberos_state(MUST_USE_KERBEROS)
        context.set_credentials(own)
    alive.append(own)
    context.set_target_hostname(facts["host"])
    for feature in facts["features"]:
        context.want_feature(getattr(gensec, "FEATURE_" + feature))
    context.start_mech_by_name(facts["mechanism"])
    return context


def octets(text):
    return b"" if text is None else base64.b64decode(text)


def text(value):
    return None if value is None else base64.b64encode(value).decode()


def main():
    context = None
    for line in sys.stdin:
        facts = json.loads(line)
        verb = facts.pop("do")
        try:
            if verb == "start":
                context = start(facts)
                answer = {}
            elif verb == "update":
                finished, token = context.update(octets(facts["token"]))
                answer = {"finished": finished, "token": text(token)}
            elif verb == "check":
                context.check_packet(octets(facts["data"]), octets(facts["data"]), octets(facts["signature"]))
                answer = {}
            elif verb == "sign":
                data = octets(facts["data"])
                answer = {"data": text(context.sign_packet(data, data))}
            elif verb == "key":
                answer = {"data": text(context.session_key())}
            else:
                answer = {"data": text(getattr(context, verb)(octets(facts["data"])))}
        except Exception as error:  # whatever Samba says is the answer
            answer = {"error": str(error)}
        print(json.dumps(answer), flush=True)


main()
