"""WMI over DCOM as impacket speaks it, against both agents: classes, jobs and URL groups.

Arguments: a JSON object with host, user, password, plainUser, class, role ("client" or "server").
Prints one JSON object per check: {"check", "ok", "detail"}.
"""
import contextlib
import io
import json
import sys

from impacket.dcerpc.v5.dcom import wmi
from impacket.dcerpc.v5.dcom.oaut import NULL
from impacket.dcerpc.v5.dcomrt import DCOMConnection, IObjectExporter
from impacket.dcerpc.v5 import transport

A = json.loads(sys.argv[1])
BITS = "//./root/Microsoft/BITS"
LEVELS = {"integrity": 5, "privacy": 6}


def check(name):
    """Runs a function as a check; what it returns is the detail."""

    def wrap(function):
        quiet = io.StringIO()
        try:
            with contextlib.redirect_stdout(quiet):
                detail = function()
            print(json.dumps({"check": name, "ok": True, "detail": detail or ""}), flush=True)
        except Exception as error:  # whatever it is, the check failed
            print(json.dumps({"check": name, "ok": False, "detail": f"{type(error).__name__}: {error}"[:300]}), flush=True)
        return function

    return wrap


class Machine:
    """A login to one namespace. impacket keeps one connection for a host: who closes it closes it for all."""

    shared = None

    def __init__(self, namespace=BITS, user=None, password=None):
        if user is not None:
            login = self.log_in(DCOMConnection(A["host"], user, password, "", oxidResolver=True))
        elif Machine.shared is None:
            self.dcom = DCOMConnection(A["host"], A["user"], A["password"], "", oxidResolver=True)
            login = Machine.shared = self.log_in(self.dcom)
        else:
            login = Machine.shared
        self.services = login.NTLMLogin(namespace, NULL, NULL)

    @staticmethod
    def log_in(dcom):
        return wmi.IWbemLevel1Login(dcom.CoCreateInstanceEx(wmi.CLSID_WbemLevel1Login, wmi.IID_IWbemLevel1Login))

    def query(self, text, flags=0):
        found, enum = [], self.services.ExecQuery(text, flags)
        while True:
            try:
                found.append(enum.Next(0xFFFFFFFF, 1)[0])
            except Exception as error:
                if "S_FALSE" not in str(error):
                    raise
                break
        enum.RemRelease()
        return found

    def get(self, path):
        return self.services.GetObject(path)[0]

    def close(self):
        self.dcom.disconnect()


def values(instance):
    return {name: record["value"] for name, record in instance.getProperties().items()}


def expect(actual, wanted, what):
    if actual != wanted:
        raise AssertionError(f"{what}: {actual!r} instead of {wanted!r}")


def refused(work, text):
    try:
        work()
    except Exception as error:
        if text in str(error):
            return str(error)[:120]
        raise
    raise AssertionError(f"not refused with {text}")


@check("ServerAlive2 without authentication")
def _():
    rpc = transport.DCERPCTransportFactory(rf"ncacn_ip_tcp:{A['host']}[135]").get_dce_rpc()
    rpc.connect()
    exporter = IObjectExporter(rpc)
    bindings = exporter.ServerAlive2()
    names = [binding["aNetworkAddr"].strip("\x00") for binding in bindings]
    rpc.disconnect()
    if A["host"] not in names:
        raise AssertionError(f"{names} has no {A['host']}")
    return ", ".join(names)


@check("a wrong password and a plain user are refused")
def _():
    return "; ".join(
        refused(lambda login=login: Machine(user=login[0], password=login[1]), "access_denied")
        for login in ((A["user"], "wrong"), (A["plainUser"], A["password"]))
    )


machine = Machine()


@check("namespaces and classes are listed")
def _():
    root = Machine("root")
    names = sorted(values(each)["Name"] for each in root.query("select * from __NAMESPACE"))
    classes = [each.getClassName() for each in machine.query("select * from meta_class")]
    for wanted in ("__NAMESPACE", "__Win32Provider", A["class"]):
        if wanted not in classes:
            raise AssertionError(f"{wanted} is not in {classes}")
    expect(names, ["Carmine", "Microsoft", "cimv2"], "namespaces")
    return f"{len(classes)} classes"


@check("the class is described, with its methods")
def _():
    cls = machine.get(A["class"])
    cls.printInformation()
    return ", ".join(sorted(cls.getMethods()))


@check("an empty path gives an empty class; what is not there is told")
def _():
    machine.get("")
    refused(lambda: machine.query("select * from Nothing"), "INVALID_CLASS")
    refused(lambda: machine.query("select Nothing from " + A["class"]), "INVALID_QUERY")
    refused(lambda: machine.services.ExecQuery("drop table"), "INVALID_QUERY")
    refused(lambda: machine.get("Nothing"), "NOT_FOUND")
    refused(lambda: Machine("root/none"), "INVALID_NAMESPACE")
    refused(lambda: machine.services.DeleteClass(A["class"] + "x"), "NOT_FOUND")


if A["role"] == "client":

    def create(name):
        cls = machine.get("BitsClientJob")
        made = cls.CreateJob(name, A["remoteUrl"], f"{A['inbox']}/{name}", 2, 0, True, "by impacket")
        expect(made.ReturnValue, 0, "ReturnValue")
        return made.JobId

    def job(job_id):
        return machine.get(f'BitsClientJob.JobId="{job_id}"')

    @check("a job is created, read and found")
    def _():
        job_id = create("impacket-ü")
        read = values(job(job_id))
        expect(read["DisplayName"], "impacket-ü", "DisplayName")
        expect(read["Description"], "by impacket", "Description")
        expect((read["Priority"], read["FilesTotal"], read["BytesTotal"]), (2, 1, 2**64 - 1), "values")
        found = machine.query(f"select JobId, State from BitsClientJob where JobId = '{job_id}'")
        expect([values(each) for each in found], [{"JobId": job_id, "State": read["State"]}], "query")
        files = job(job_id).Files
        expect([each.RemoteUrl for each in files], [A["remoteUrl"]], "embedded files")
        return job_id

    @check("its priority and texts are changed with PutInstance")
    def _():
        job_id = create("put")
        instance = job(job_id)
        instance.Priority = 0
        # impacket cannot write arrays of objects; the property is read-only.
        instance.Files = None
        instance.DisplayName = "renamed"
        machine.services.PutInstance(instance.marshalMe())
        read = values(job(job_id))
        expect((read["Priority"], read["DisplayName"]), (0, "renamed"), "after Put")

    @check("every method of a job runs")
    def _():
        job_id = create("methods")
        done = []
        calls = [
            ("AddFile", (A["remoteUrl"], f"{A['inbox']}/methods-2"), 0),
            ("SetCredentials", (1, 1, "user", "secret"), 0),
            ("RemoveCredentials", (1, 1), 0),
            ("GetError", (0,), 0x8020000F),
            ("SetClientCertificateByName", (0, "MY", "nobody"), None),
            ("SetClientCertificateById", (0, "MY", list(range(20))), None),
            ("RemoveClientCertificate", (), 0),
            ("SetProxySettings", (1, "", ""), None),
            ("SetJobState", (3,), 0),
        ]
        for name, arguments, wanted in calls:
            out = getattr(job(job_id), name)(*arguments)
            if wanted is not None:
                expect(out.ReturnValue, wanted, name)
            done.append(f"{name} 0x{out.ReturnValue:x}")
        return ", ".join(done)

    @check("jobs are deleted: cancelled, and gone")
    def _():
        jobs = [values(each)["JobId"] for each in machine.query("select JobId from BitsClientJob")]
        for job_id in jobs:
            expect(job(job_id).SetJobState(0).ReturnValue, 0, "cancel")
        expect(machine.query("select JobId from BitsClientJob"), [], "what is left")
        refused(lambda: job(jobs[0]), "NOT_FOUND")
        refused(lambda: machine.services.DeleteInstance(f'BitsClientJob.JobId="{jobs[0]}"'), "NOT_SUPPORTED")
        return f"{len(jobs)} jobs"

    @check("semi-synchronous and synchronous enumeration agree")
    def _():
        for number in range(25):
            create(f"many-{number}")
        forward = machine.query("select * from BitsClientJob", 0x30)
        plain = machine.query("select * from BitsClientJob")
        expect(len(forward), 25, "forward only")
        expect([values(each)["JobId"] for each in forward], [values(each)["JobId"] for each in plain], "jobs")
        enum = machine.services.CreateInstanceEnum("BitsClientJob")
        enum.Skip(0xFFFFFFFF, 20)
        expect(len(enum.Next(0xFFFFFFFF, 5)), 5, "after Skip")
        enum.Reset()
        expect(len(enum.Next(0xFFFFFFFF, 25)), 25, "after Reset")
        for each in plain:
            job(values(each)["JobId"]).SetJobState(0)

else:

    def group_path():
        return f'BitsCompactServerUrlGroup.UrlGroup="{A["prefix"]}"'

    @check("a URL group is created and every method of it runs")
    def _():
        cls = machine.get("BitsCompactServerUrlGroup")
        done = []

        def run(name, target, arguments, wanted=0):
            out = getattr(target, name)(*arguments)
            expect(out.ReturnValue, wanted, name)
            done.append(name)
            return out

        run("CreateUrlGroup", cls, (A["prefix"],))
        group = machine.get(group_path())
        run("CreateUrl", group, ("impacket", A["source"], "", ""))
        expect(str(run("CheckUrl", group, ("impacket",)).UrlExists), "True", "UrlExists")
        run("SetUrlGroupAuthentication", group, (1, False, 0, "", ""))
        expect(str(run("GetUrlGroupAuthentication", group, (1,)).Enable), "False", "Enable")
        run("SetProperty", group, ("ConnectionLimit", 7))
        expect(run("GetProperty", group, ("ConnectionLimit",)).Value, 7, "Value")
        # impacket writes arrays of octets as words, so that this is no certificate.
        done.append(f"SetSslCertificate 0x{cls.SetSslCertificate(A['dataPort'], 'MY', [1] * 20).ReturnValue:x}")
        for name in ("GetSslCertificate", "RemoveSslCertificate"):
            done.append(f"{name} 0x{getattr(cls, name)(A['dataPort']).ReturnValue:x}")
        run("DeleteUrl", group, ("impacket",))
        return ", ".join(done)

    @check("groups are listed, and deleted as instances")
    def _():
        listed = [values(each)["UrlGroup"] for each in machine.query("select * from BitsCompactServerUrlGroup")]
        expect(listed, [A["prefix"]], "groups")
        machine.services.DeleteInstance(group_path())
        expect(machine.query("select * from BitsCompactServerUrlGroup"), [], "what is left")


machine.close()
