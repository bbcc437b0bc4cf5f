"""MIT's GSS-API behind a pipe: one JSON request per line on stdin, one JSON answer per line on stdout. Octets are hexadecimal."""

import json
import sys

import gssapi
import gssapi.raw as raw
from gssapi.raw import IOV, IOVBufferType

OIDS = {
    "krb5": gssapi.OID.from_int_seq("1.2.840.113554.1.2.2"),
    "spnego": gssapi.OID.from_int_seq("1.3.6.1.5.5.2"),
}
FLAGS = gssapi.RequirementFlag
context = None


def bindings(request):
    data = request.get("bindings")
    return None if data is None else raw.ChannelBindings(application_data=bytes.fromhex(data))


def start(request):
    global context
    if request["role"] == "accept":
        credentials = gssapi.Credentials(usage="accept", store={"keytab": request["keytab"]})
        context = gssapi.SecurityContext(creds=credentials, usage="accept", channel_bindings=bindings(request))
        return {}
    flags = FLAGS.replay_detection | FLAGS.out_of_sequence_detection | FLAGS.confidentiality | FLAGS.integrity
    if request.get("mutual", True):
        flags |= FLAGS.mutual_authentication
    if request.get("dce"):
        flags |= FLAGS.dce_style
    name = gssapi.Name(request["service"], gssapi.NameType.hostbased_service)
    credentials = gssapi.Credentials(usage="initiate", store={"ccache": request["ccache"]})
    context = gssapi.SecurityContext(
        name=name,
        creds=credentials,
        usage="initiate",
        mech=OIDS[request["mechanism"]],
        flags=flags,
        channel_bindings=bindings(request),
    )
    return {}


def step(request):
    token = request.get("token")
    out = context.step(None if token is None else bytes.fromhex(token))
    return {"token": None if out is None else out.hex(), "complete": context.complete}


def names(_):
    return {"initiator": str(context.initiator_name), "target": str(context.target_name)}


def wrap(request):
    return {"token": context.wrap(bytes.fromhex(request["data"]), True).message.hex()}


def unwrap(request):
    result = context.unwrap(bytes.fromhex(request["token"]))
    return {"data": result.message.hex(), "encrypted": result.encrypted}


def mic(request):
    return {"mic": context.get_signature(bytes.fromhex(request["data"])).hex()}


def verify(request):
    context.verify_signature(bytes.fromhex(request["data"]), bytes.fromhex(request["mic"]))
    return {}


def seal(request):
    """Header buffer and data in place; with `sign` the parts around them are signed too, as RPC does."""
    around = [bytes.fromhex(part) for part in request.get("sign", [])]
    parts = [bytes.fromhex(request["data"])]
    if around:
        parts = [(IOVBufferType.sign_only, around[0]), parts[0], (IOVBufferType.sign_only, around[1])]
    iov = IOV(IOVBufferType.header, *parts, std_layout=False)
    raw.wrap_iov(context, iov, confidential=True)
    return {"header": iov[0].value.hex(), "data": iov[2 if around else 1].value.hex()}


def open_(request):
    around = [bytes.fromhex(part) for part in request.get("sign", [])]
    parts = [bytes.fromhex(request["data"])]
    if around:
        parts = [(IOVBufferType.sign_only, around[0]), parts[0], (IOVBufferType.sign_only, around[1])]
    iov = IOV((IOVBufferType.header, False, bytes.fromhex(request["header"])), *parts, std_layout=False)
    raw.unwrap_iov(context, iov)
    return {"data": iov[2 if around else 1].value.hex()}


HANDLERS = {
    "start": start,
    "step": step,
    "names": names,
    "wrap": wrap,
    "unwrap": unwrap,
    "mic": mic,
    "verify": verify,
    "seal": seal,
    "open": open_,
}

for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = HANDLERS[request["op"]](request)
    except Exception as error:  # the other side decides whether it was expected
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
