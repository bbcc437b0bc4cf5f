"""Prints test/golden/kerberos-mit-pac.json: logon information (hexadecimal, on stdin) in a PAC that MIT signs. Needs libkrb5-3.

The logon information is what encodeValidationInfo of test/kerberos-support.ts makes.
"""

import ctypes
import json
import sys

krb5 = ctypes.CDLL("libkrb5.so.3")


class Data(ctypes.Structure):
    _fields_ = [("magic", ctypes.c_int32), ("length", ctypes.c_uint), ("data", ctypes.c_void_p)]


class Keyblock(ctypes.Structure):
    _fields_ = [
        ("magic", ctypes.c_int32),
        ("enctype", ctypes.c_int32),
        ("length", ctypes.c_uint),
        ("contents", ctypes.c_void_p),
    ]


def buffer(octets):
    return ctypes.cast(ctypes.create_string_buffer(octets, len(octets)), ctypes.c_void_p)


info = bytes.fromhex(sys.stdin.read())
context, pac, principal = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
assert krb5.krb5_init_context(ctypes.byref(context)) == 0
assert krb5.krb5_pac_init(context, ctypes.byref(pac)) == 0
held = buffer(info)
assert krb5.krb5_pac_add_buffer(context, pac, 1, ctypes.byref(Data(0, len(info), held))) == 0
assert krb5.krb5_parse_name(context, b"admin@CARMINE.TEST", ctypes.byref(principal)) == 0
key, kdc = bytes(range(32)), bytes(range(32, 64))
held_key, held_kdc = buffer(key), buffer(kdc)
signed = Data()
status = krb5.krb5_pac_sign(
    context,
    pac,
    ctypes.c_int32(1767225600),
    principal,
    ctypes.byref(Keyblock(0, 18, 32, held_key)),
    ctypes.byref(Keyblock(0, 18, 32, held_kdc)),
    ctypes.byref(signed),
)
assert status == 0, status
print(
    json.dumps(
        {
            "source": "krb5_pac_sign of MIT krb5 1.20.1, by test/foreign/pac_vector.py",
            "client": "admin",
            "authtime": 1767225600,
            "etype": 18,
            "key": key.hex(),
            "pac": ctypes.string_at(signed.data, signed.length).hex(),
        },
        indent=2,
    )
)
