"""A whole copy driven by pywinrm alone: raw SOAP for every method of both classes, NTLM with message encryption.

Arguments: a JSON object with serverUrl, clientUrl, user, password, source, inbox, dataPort, thumbprint.
Prints one JSON object per check: {"check", "ok", "detail"}.
"""
import hashlib
import json
import sys
import time
import uuid
import xml.etree.ElementTree as ET

from winrm.exceptions import WinRMError, WinRMTransportError
from winrm.protocol import Protocol

A = json.loads(sys.argv[1])
NS = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    "w": "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd",
    "n": "http://schemas.xmlsoap.org/ws/2004/09/enumeration",
    "e": "http://schemas.xmlsoap.org/ws/2004/08/eventing",
    "f": "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault",
    "wsmid": "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd",
}
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
BASE = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/microsoft/bits/"
JOB = BASE + "BitsClientJob"
GROUP = BASE + "BitsCompactServerUrlGroup"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
ANONYMOUS = NS["a"] + "/role/anonymous"


def escape(text):
    return str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class Machine:
    def __init__(self, url, user, password, **options):
        options = {"transport": "ntlm", "message_encryption": "always", **options}
        self.protocol = Protocol(endpoint=url, username=user, password=password, **options)

    def send(self, uri, action, body, selectors=None, headers=""):
        """Returns the element inside s:Body; raises Fault."""
        chosen = "".join(
            f'<w:Selector Name="{name}">{escape(value)}</w:Selector>' for name, value in (selectors or {}).items()
        )
        envelope = (
            f'<s:Envelope xmlns:s="{NS["s"]}" xmlns:a="{NS["a"]}" xmlns:w="{NS["w"]}" xmlns:n="{NS["n"]}"><s:Header>'
            f'<a:To>http://windows-host:5985/wsman</a:To><w:ResourceURI s:mustUnderstand="true">{uri}</w:ResourceURI>'
            f'<a:ReplyTo><a:Address s:mustUnderstand="true">{ANONYMOUS}</a:Address></a:ReplyTo>'
            f'<a:Action s:mustUnderstand="true">{action}</a:Action>'
            f'<w:MaxEnvelopeSize s:mustUnderstand="true">153600</w:MaxEnvelopeSize>'
            f"<a:MessageID>uuid:{uuid.uuid4()}</a:MessageID><w:OperationTimeout>PT60.000S</w:OperationTimeout>"
            f'{"<w:SelectorSet>" + chosen + "</w:SelectorSet>" if chosen else ""}'
            f"{headers}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
        )
        try:
            answer = self.protocol.transport.send_message(envelope)
        except (WinRMError, WinRMTransportError) as error:
            text = getattr(error, "response_text", None) or str(error)
            raise Fault(text) from None
        found = ET.fromstring(answer).find("s:Body", NS)
        return found[0] if len(found) else None

    def invoke(self, uri, method, parameters=(), selectors=None):
        """Returns (ReturnValue, out parameters)."""
        inner = "".join(f"<p:{name}>{escape(value)}</p:{name}>" for name, value in parameters)
        body = f'<p:{method}_INPUT xmlns:p="{uri}">{inner}</p:{method}_INPUT>'
        output = self.send(uri, f"{uri}/{method}", body, selectors)
        values = {}
        for child in output:
            name = child.tag.split("}")[1]
            values.setdefault(name, []).append(None if child.get(f"{{{XSI}}}nil") == "true" else (child.text or ""))
        return int(values.pop("ReturnValue")[0]), values

    def get(self, uri, selectors):
        element = self.send(uri, TRANSFER + "/Get", "", selectors)
        return {child.tag.split("}")[1]: child.text for child in element}, element

    def put(self, uri, selectors, changes):
        name = uri.split("/")[-1]
        inner = "".join(f"<p:{key}>{escape(value)}</p:{key}>" for key, value in changes.items())
        return self.send(uri, TRANSFER + "/Put", f'<p:{name} xmlns:p="{uri}">{inner}</p:{name}>', selectors)

    def enumerate(self, uri, wql=None):
        dialect = "http://schemas.microsoft.com/wbem/wsman/1/WQL"
        filter_ = f'<w:Filter Dialect="{dialect}">{escape(wql)}</w:Filter>' if wql else ""
        answer = self.send(uri, NS["n"] + "/Enumerate", f"<n:Enumerate>{filter_}</n:Enumerate>")
        context = answer.findtext("n:EnumerationContext", namespaces=NS)
        items = []
        while context:
            body = f"<n:Pull><n:EnumerationContext>{context}</n:EnumerationContext><n:MaxElements>20</n:MaxElements></n:Pull>"
            pull = self.send(uri, NS["n"] + "/Pull", body)
            items += list(pull.find("n:Items", NS))
            context = pull.findtext("n:EnumerationContext", namespaces=NS)
            if pull.find("n:EndOfSequence", NS) is not None:
                break
        return items

    def release(self, uri):
        answer = self.send(uri, NS["n"] + "/Enumerate", "<n:Enumerate/>")
        context = answer.findtext("n:EnumerationContext", namespaces=NS)
        self.send(uri, NS["n"] + "/Release", f"<n:Release><n:EnumerationContext>{context}</n:EnumerationContext></n:Release>")

    def subscribe(self, uri, wql):
        """Pull delivery. Returns the header that names the subscription, and the context to pull from."""
        dialect = "http://schemas.microsoft.com/wbem/wsman/1/WQL"
        body = (
            f'<e:Subscribe xmlns:e="{NS["e"]}"><e:Delivery Mode="http://schemas.dmtf.org/wbem/wsman/1/wsman/Pull"/>'
            f'<e:Expires>PT60.000S</e:Expires><w:Filter Dialect="{dialect}">{escape(wql)}</w:Filter></e:Subscribe>'
        )
        answer = self.send(uri, NS["e"] + "/Subscribe", body)
        identifier = answer.findtext("e:SubscriptionManager/a:ReferenceParameters/e:Identifier", namespaces=NS)
        header = f'<e:Identifier xmlns:e="{NS["e"]}">{identifier}</e:Identifier>'
        return header, answer.findtext("n:EnumerationContext", namespaces=NS)

    def pull_event(self, uri, header, context):
        body = f"<n:Pull><n:EnumerationContext>{context}</n:EnumerationContext><n:MaxElements>10</n:MaxElements></n:Pull>"
        return list(self.send(uri, NS["n"] + "/Pull", body, headers=header).find("n:Items", NS))

    def identify(self):
        envelope = (
            f'<s:Envelope xmlns:s="{NS["s"]}" xmlns:wsmid="{NS["wsmid"]}"><s:Header/><s:Body><wsmid:Identify/></s:Body></s:Envelope>'
        )
        return ET.fromstring(self.protocol.transport.send_message(envelope)).findtext(".//wsmid:ProductVendor", namespaces=NS)


class Fault(Exception):
    def __init__(self, text):
        super().__init__(text[:300])
        self.code = None
        try:
            fault = ET.fromstring(text).find(".//f:WSManFault", NS)
            self.code = int(fault.get("Code")) if fault is not None else None
        except ET.ParseError:
            pass


def check(name, work):
    try:
        detail = work()
        print(json.dumps({"check": name, "ok": True, "detail": "" if detail is None else str(detail)}), flush=True)
        return detail
    except Exception as error:  # every failure is a result
        detail = f"{type(error).__name__}: {error}"
        print(json.dumps({"check": name, "ok": False, "detail": detail}), flush=True)
        return None


def expect(actual, wanted):
    if actual != wanted:
        raise AssertionError(f"{actual!r} is not {wanted!r}")


server = Machine(A["serverUrl"], A["user"], A["password"])
client = Machine(A["clientUrl"], A["user"], A["password"])
prefix = f"https://127.0.0.1:{A['dataPort']}/pywinrm/"
on_group = {"UrlGroup": prefix}
hash_bytes = [("hashBlob", byte) for byte in bytes.fromhex(A["thumbprint"])]
state = {}


def returns(machine, uri, method, parameters=(), selectors=None, wanted=0):
    value, out = machine.invoke(uri, method, parameters, selectors)
    expect(value, wanted)
    return out


def ssl():
    returns(server, GROUP, "SetSslCertificate", [("Port", A["dataPort"]), ("StoreName", "MY"), *hash_bytes])
    out = returns(server, GROUP, "GetSslCertificate", [("Port", A["dataPort"])])
    expect(out["StoreName"], ["MY"])
    expect(bytes(int(byte) for byte in out["hashBlob"]).hex(), A["thumbprint"].lower())


def groups():
    returns(server, GROUP, "CreateUrlGroup", [("UrlGroup", prefix)])
    returns(server, GROUP, "CreateUrlGroup", [("UrlGroup", prefix)])
    items = server.enumerate(BASE + "*", f"SELECT * FROM BitsCompactServerUrlGroup WHERE UrlGroup='{prefix}'")
    expect([item[0].text for item in items], [prefix])
    expect(server.get(GROUP, on_group)[0]["UrlGroup"], prefix)


def authentication():
    returns(server, GROUP, "SetUrlGroupAuthentication", [("Scheme", 0), ("Enable", "false")], on_group)
    expect(returns(server, GROUP, "GetUrlGroupAuthentication", [("Scheme", 0)], on_group)["Enable"], ["false"])
    expect(returns(server, GROUP, "GetUrlGroupAuthentication", [("Scheme", 1)], on_group)["Enable"], ["true"])


def properties():
    returns(server, GROUP, "SetProperty", [("Property", "ConnectionLimit"), ("Value", 100)], on_group)
    expect(returns(server, GROUP, "GetProperty", [("Property", "ConnectionLimit")], on_group)["Value"], ["100"])
    returns(server, GROUP, "SetProperty", [("Property", "BandwidthLimit"), ("Value", 1)], on_group, wanted=0x80070057)


def publish():
    returns(server, GROUP, "CreateUrl", [("UrlSuffix", "image"), ("SourceFilePath", A["source"]), ("SDDLAuth", "")], on_group)
    expect(returns(server, GROUP, "CheckUrl", [("UrlSuffix", "image")], on_group)["UrlExists"], ["true"])
    expect(returns(server, GROUP, "CheckUrl", [("UrlSuffix", "other")], on_group)["UrlExists"], ["false"])


def create_job():
    state["copy"] = A["inbox"] + "/pywinrm.bin"
    out = returns(
        client,
        JOB,
        "CreateJob",
        [
            ("DisplayName", "pywinrm & <friends>"),
            ("RemoteUrl", prefix + "image"),
            ("LocalFile", state["copy"]),
            ("ServiceAccount", 2),
            ("Type", 0),
            ("Suspend", "true"),
            ("Description", "foreign peer"),
        ],
    )
    state["job"] = {"JobId": out["JobId"][0]}
    return out["JobId"][0]


def set_up_job():
    job = state["job"]
    state["second"] = A["inbox"] + "/pywinrm-2.bin"
    returns(client, JOB, "AddFile", [("RemoteUrl", prefix + "image"), ("LocalFile", state["second"])], job)
    returns(client, JOB, "SetCredentials", [("Target", 0), ("Scheme", 0), ("UserName", "x"), ("Password", "y")], job)
    returns(client, JOB, "RemoveCredentials", [("Target", 0), ("Scheme", 0)], job)
    returns(
        client, JOB, "SetCredentials", [("Target", 0), ("Scheme", 2), ("UserName", A["user"]), ("Password", A["password"])], job
    )
    returns(client, JOB, "SetProxySettings", [("ProxyUsage", 1)], job)


def certificates():
    job = state["job"]
    not_found = 0x80092004
    returns(
        client,
        JOB,
        "SetClientCertificateByName",
        [("CertStoreLocation", 1), ("StoreName", "MY"), ("SubjectName", "nobody")],
        job,
        wanted=not_found,
    )
    hash_ = [("CertHash", byte) for byte in bytes(20)]
    returns(
        client, JOB, "SetClientCertificateById", [("CertStoreLocation", 1), ("StoreName", "MY"), *hash_], job, wanted=not_found
    )
    returns(client, JOB, "RemoveClientCertificate", [], job)


def put_priority():
    client.put(JOB, state["job"], {"Priority": 0, "MinimumRetryDelay": 60})
    job, _ = client.get(JOB, state["job"])
    expect((job["Priority"], job["MinimumRetryDelay"], job["DisplayName"]), ("0", "60", "pywinrm & <friends>"))
    returns(client, JOB, "GetError", [("LanguageId", 1033)], state["job"], wanted=0x8020000F)


def events():
    uri = BASE + "*"
    query = "SELECT * FROM __InstanceModificationEvent WITHIN 1 WHERE TargetInstance ISA 'BitsClientJob'"
    header, context = client.subscribe(uri, query)
    client.put(JOB, state["job"], {"Description": "watched & <seen>"})
    [event] = client.pull_event(uri, header, context)
    expect(event.tag.split("}")[1], "__InstanceModificationEvent")
    instances = {child.tag.split("}")[1]: child for child in event}
    described = {
        name: {item.tag.split("}")[1]: item.text for item in instances[name]}.get("Description")
        for name in ("PreviousInstance", "TargetInstance")
    }
    expect(described["TargetInstance"], "watched & <seen>")
    if described["PreviousInstance"] == described["TargetInstance"]:
        raise AssertionError("the previous instance is not as it was before")
    eventing = NS["e"]
    renewed = client.send(
        uri, eventing + "/Renew", f'<e:Renew xmlns:e="{eventing}"><e:Expires>PT30S</e:Expires></e:Renew>', headers=header
    )
    expect(renewed.findtext("e:Expires", namespaces=NS), "PT30.000S")
    client.send(uri, eventing + "/Unsubscribe", f'<e:Unsubscribe xmlns:e="{eventing}"/>', headers=header)
    try:
        client.pull_event(uri, header, context)
    except Fault as fault:
        expect(fault.code, 2150858779)
    else:
        raise AssertionError("the subscription is still there")


def transfer():
    returns(client, JOB, "SetJobState", [("JobState", 2)], state["job"])
    end = time.monotonic() + 60
    while time.monotonic() < end:
        job, element = client.get(JOB, state["job"])
        if job["State"] == "6":
            files = [child for child in element if child.tag.endswith("}Files")]
            expect(len(files), 2)
            expect(job["BytesTotal"], job["BytesTransferred"])
            break
        if job["State"] == "4":
            raise AssertionError(client.invoke(JOB, "GetError", [("LanguageId", 1033)], state["job"]))
        time.sleep(0.1)
    else:
        raise AssertionError("not transferred in 60 s")
    returns(client, JOB, "SetJobState", [("JobState", 1)], state["job"])
    digests = [hashlib.sha256(open(path, "rb").read()).hexdigest() for path in (A["source"], state["copy"], state["second"])]
    expect(len(set(digests)), 1)
    return digests[0]


def gone():
    try:
        client.get(JOB, state["job"])
    except Fault as fault:
        expect(fault.code, 2150858752)
        return
    raise AssertionError("a completed job can still be read")


def job_error():
    out = returns(
        client,
        JOB,
        "CreateJob",
        [("DisplayName", "fails"), ("RemoteUrl", prefix + "missing"), ("LocalFile", A["inbox"] + "/never"), ("Suspend", "true")],
    )
    job = {"JobId": out["JobId"][0]}
    returns(
        client, JOB, "SetCredentials", [("Target", 0), ("Scheme", 2), ("UserName", A["user"]), ("Password", A["password"])], job
    )
    returns(client, JOB, "SetJobState", [("JobState", 2)], job)
    end = time.monotonic() + 30
    while client.get(JOB, job)[0]["State"] != "4":
        if time.monotonic() > end:
            raise AssertionError("not in error after 30 s")
        time.sleep(0.1)
    report = returns(client, JOB, "GetError", [("LanguageId", 1033)], job)
    expect(report["ErrorCode"], [str(0x80190194)])
    expect(report["ErrorContext"], ["5"])
    returns(client, JOB, "SetJobState", [("JobState", 0)], job)
    return report["ErrorDescription"][0]


def take_back():
    returns(server, GROUP, "DeleteUrl", [("UrlSuffix", "image")], on_group)
    expect(returns(server, GROUP, "CheckUrl", [("UrlSuffix", "image")], on_group)["UrlExists"], ["false"])
    server.send(GROUP, TRANSFER + "/Delete", "", on_group)
    returns(server, GROUP, "DeleteUrlGroup", [("UrlGroup", prefix)])
    returns(server, GROUP, "RemoveSslCertificate", [("Port", A["dataPort"])])
    expect(server.enumerate(GROUP), [])


def wrong_password():
    try:
        Machine(A["serverUrl"], A["user"], "wrong").identify()
    except Exception as error:
        return type(error).__name__
    raise AssertionError("a wrong password was accepted")


def not_administrator():
    try:
        Machine(A["serverUrl"], A["plainUser"], A["password"]).enumerate(GROUP)
    except Fault as fault:
        expect(fault.code, 5)
        return
    raise AssertionError("a caller outside Administrators was served")


def over_https(**options):
    machine = Machine(A["secureUrl"], A["user"], A["password"], ca_trust_path=A["trust"], **options)
    expect(machine.identify(), "Carmine")
    expect(machine.enumerate(GROUP), [])


def basic_over_http():
    try:
        Machine(A["plainBasicUrl"], A["user"], A["password"], transport="basic", message_encryption="never").identify()
    except Exception as error:
        return type(error).__name__
    raise AssertionError("Basic was accepted over plain http")


def unsealed_over_http():
    try:
        Machine(A["serverUrl"], A["user"], A["password"], message_encryption="never").identify()
    except Exception as error:
        return type(error).__name__
    raise AssertionError("an unsealed message was accepted over plain http")


check("Identify", lambda: expect(server.identify(), "Carmine"))
check("SetSslCertificate, GetSslCertificate with a byte array", ssl)
check("CreateUrlGroup twice, WQL, Get", groups)
check("Set- and GetUrlGroupAuthentication", authentication)
check("Set- and GetProperty", properties)
check("CreateUrl, CheckUrl", publish)
check("CreateJob", create_job)
check("AddFile, SetCredentials, RemoveCredentials, SetProxySettings", set_up_job)
check("SetClientCertificateByName, …ById, RemoveClientCertificate", certificates)
check("Put of a priority, Get, GetError", put_priority)
check("Subscribe, Pull of an event, Renew, Unsubscribe", events)
check("SetJobState: resume, watch, complete; two files byte for byte", transfer)
check("a completed job is gone", gone)
check("GetError of a job in error", job_error)
check("DeleteUrl, Delete, DeleteUrlGroup, RemoveSslCertificate, Enumerate", take_back)
check("Release", lambda: client.release(JOB))
check("https with Basic", lambda: over_https(transport="basic", message_encryption="never"))
check("https with NTLM bound to the TLS channel", lambda: over_https(message_encryption="never"))
check("https with NTLM and sealed messages", over_https)
check("Basic over plain http is refused", basic_over_http)
check("unsealed messages over plain http are refused", unsealed_over_http)
check("a wrong password is refused", wrong_password)
check("a caller outside Administrators is refused", not_administrator)
