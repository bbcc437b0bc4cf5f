"""Decides access with Samba's library, for comparison.

Reads cases as lines of JSON ({id, shown, sddl, binary, sids, mask, verdict}; a verdict of null is not asked for), prints one JSON object for each check and writes
Samba's own encoding of each descriptor as a line of base64, in the order of the cases.

What Samba's library leaves to its callers is done here as its file server does it (se_map_generic, security_acl_map_generic):
generic rights are mapped to those of files, in the mask asked for and in every ACE.
"""

import base64
import json
import sys

from samba import security as access
from samba.dcerpc import security
from samba.ndr import ndr_pack, ndr_unpack

GENERIC = (
    (security.SEC_GENERIC_ALL, security.SEC_RIGHTS_FILE_ALL),
    (security.SEC_GENERIC_READ, security.SEC_RIGHTS_FILE_READ),
    (security.SEC_GENERIC_WRITE, security.SEC_RIGHTS_FILE_WRITE),
    (security.SEC_GENERIC_EXECUTE, security.SEC_RIGHTS_FILE_EXECUTE),
)
GENERIC_BITS = 0xF0000000
ACCESS_DENIED = 0xC0000022


def mapped(mask):
    specific = mask & ~GENERIC_BITS
    for generic, rights in GENERIC:
        if mask & generic:
            specific |= rights
    return specific


def map_generic(descriptor):
    if descriptor.dacl is None:
        return
    aces = descriptor.dacl.aces
    for ace in aces:
        ace.access_mask = mapped(ace.access_mask)
    descriptor.dacl.aces = aces


def parse(text, domain):
    """Samba gives every list that it reads from SDDL the revision of directories (4); without object ACEs it is 2."""
    descriptor = security.descriptor.from_sddl(text, domain)
    if descriptor.dacl is not None:
        descriptor.dacl.revision = security.SECURITY_ACL_REVISION_NT4
    return descriptor


def token_of(sids):
    token = security.token()
    token.sids = [security.dom_sid(sid) for sid in sids]
    token.num_sids = len(sids)
    return token


def allowed(descriptor, token, mask):
    map_generic(descriptor)
    try:
        access.access_check(descriptor, token, mapped(mask))
        return True
    except Exception as error:  # NTSTATUSError is not the same class in all versions.
        if error.args and error.args[0] == ACCESS_DENIED:
            return False
        raise


def report(check, failures, detail=""):
    text = "; ".join(failures[:3]) if failures else detail
    print(json.dumps({"check": check, "ok": not failures, "detail": text[:900], "failed": len(failures)}))


def main(cases_file, packed_file, domain_text):
    domain = security.dom_sid(domain_text)
    by_text, by_binary, same, again = [], [], [], []
    counts = {True: 0, False: 0, None: 0}
    with open(cases_file, encoding="utf-8") as cases, open(packed_file, "w", encoding="ascii") as packed:
        for line in cases:
            case = json.loads(line)
            binary = base64.b64decode(case["binary"])
            counts[case["verdict"]] += 1
            name = "case %d %s mask 0x%x for %s, Carmine says %s" % (
                case["id"], case["shown"], case["mask"], " ".join(case["sids"]), case["verdict"])
            token = token_of(case["sids"])
            unpacked = ndr_unpack(security.descriptor, binary)
            packed.write(base64.b64encode(ndr_pack(unpacked)).decode("ascii") + "\n")
            if ndr_pack(ndr_unpack(security.descriptor, ndr_pack(unpacked))) != ndr_pack(unpacked):
                again.append(name)
            if case["sddl"] is not None:
                parsed = parse(case["sddl"], domain)
                if ndr_pack(parsed) != ndr_pack(unpacked):
                    same.append("%s: %s and %s" % (name, parsed.as_sddl(domain), unpacked.as_sddl(domain)))
                if case["verdict"] is not None and allowed(parsed, token, case["mask"]) != case["verdict"]:
                    by_text.append(name)
            if case["verdict"] is not None and allowed(unpacked, token, case["mask"]) != case["verdict"]:
                by_binary.append(name)
    total = "%d allowed, %d denied, 0 disagreements, %d without DACL not asked" % (
        counts[True], counts[False], counts[None])
    report("verdicts from SDDL are ours", by_text, total)
    report("verdicts from our binary descriptors are ours", by_binary, total)
    report("our binary descriptors say what Samba reads in the SDDL", same)
    report("Samba packs what it unpacked", again)


main(*sys.argv[1:])
