"""pywinrm with Kerberos tickets against the server agent, over https.

Arguments: a JSON object with url, trust, prefix, source. Prints one JSON object per check.
"""
import json
import sys
import uuid
import xml.etree.ElementTree as ET

from winrm.protocol import Protocol

A = json.loads(sys.argv[1])
S = "http://www.w3.org/2003/05/soap-envelope"
W = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
ADDRESSING = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
GROUP = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/microsoft/bits/BitsCompactServerUrlGroup"

protocol = Protocol(
    endpoint=A["url"],
    transport="kerberos",
    username="alice@CARMINE.TEST",
    password="",
    message_encryption="never",
    ca_trust_path=A["trust"],
)


def invoke(method, parameters, selectors=()):
    chosen = "".join(f'<w:Selector Name="{name}">{value}</w:Selector>' for name, value in selectors)
    inner = "".join(f"<p:{name}>{value}</p:{name}>" for name, value in parameters)
    envelope = (
        f'<s:Envelope xmlns:s="{S}" xmlns:a="{ADDRESSING}" xmlns:w="{W}"><s:Header><a:To>{A["url"]}</a:To>'
        f"<w:ResourceURI>{GROUP}</w:ResourceURI><a:ReplyTo><a:Address>{ADDRESSING}/role/anonymous</a:Address></a:ReplyTo>"
        f"<a:Action>{GROUP}/{method}</a:Action><a:MessageID>uuid:{uuid.uuid4()}</a:MessageID>"
        f"<w:SelectorSet>{chosen}</w:SelectorSet></s:Header>"
        f'<s:Body><p:{method}_INPUT xmlns:p="{GROUP}">{inner}</p:{method}_INPUT></s:Body></s:Envelope>'
    )
    output = ET.fromstring(protocol.transport.send_message(envelope)).find(f"{{{S}}}Body")[0]
    value = int(output.findtext(f"{{{GROUP}}}ReturnValue"))
    if value != 0:
        raise AssertionError(f"{method} returned {value:#x}")
    return output


def check(name, work):
    try:
        work()
        print(json.dumps({"check": name, "ok": True, "detail": ""}), flush=True)
    except Exception as error:  # every failure is a result
        print(json.dumps({"check": name, "ok": False, "detail": f"{type(error).__name__}: {error}"}), flush=True)


group = [("UrlGroup", A["prefix"])]
check("CreateUrlGroup", lambda: invoke("CreateUrlGroup", group))
check(
    "CreateUrl",
    lambda: invoke("CreateUrl", [("UrlSuffix", "image"), ("SourceFilePath", A["source"]), ("SDDLAuth", "")], group),
)
check("CheckUrl", lambda: invoke("CheckUrl", [("UrlSuffix", "image")], group))
