"""Prints test/golden/kerberos-mit-vectors.json: what MIT's libk5crypto makes of fixed keys and texts. Needs libkrb5-3.

rc4-hmac needs a KRB5_CONFIG with `[libdefaults] allow_weak_crypto = true` and `allow_rc4 = true`.
"""

import ctypes
import hashlib
import json

krb5 = ctypes.CDLL("libkrb5.so.3")
crypto = ctypes.CDLL("libk5crypto.so.3")


class Data(ctypes.Structure):
    _fields_ = [("magic", ctypes.c_int32), ("length", ctypes.c_uint), ("data", ctypes.c_void_p)]


class Keyblock(ctypes.Structure):
    _fields_ = [
        ("magic", ctypes.c_int32),
        ("enctype", ctypes.c_int32),
        ("length", ctypes.c_uint),
        ("contents", ctypes.c_void_p),
    ]


class EncData(ctypes.Structure):
    _fields_ = [
        ("magic", ctypes.c_int32),
        ("enctype", ctypes.c_int32),
        ("kvno", ctypes.c_uint),
        ("ciphertext", Data),
    ]


class Checksum(ctypes.Structure):
    _fields_ = [
        ("magic", ctypes.c_int32),
        ("checksum_type", ctypes.c_int32),
        ("length", ctypes.c_uint),
        ("contents", ctypes.c_void_p),
    ]


context = ctypes.c_void_p()
assert krb5.krb5_init_context(ctypes.byref(context)) == 0
keep = []


def data(octets):
    buffer = ctypes.create_string_buffer(bytes(octets), max(1, len(octets)))
    keep.append(buffer)
    return Data(0, len(octets), ctypes.cast(buffer, ctypes.c_void_p))


def keyblock(etype, octets):
    inner = data(octets)
    return Keyblock(0, etype, len(octets), inner.data)


def encrypt(key, usage, text):
    size = ctypes.c_size_t()
    assert crypto.krb5_c_encrypt_length(context, key.enctype, ctypes.c_size_t(len(text)), ctypes.byref(size)) == 0
    out = EncData(0, key.enctype, 0, data(bytes(size.value)))
    assert crypto.krb5_c_encrypt(context, ctypes.byref(key), usage, None, ctypes.byref(data(text)), ctypes.byref(out)) == 0
    return ctypes.string_at(out.ciphertext.data, out.ciphertext.length)


def checksum(key, kind, usage, text):
    out = Checksum()
    result = crypto.krb5_c_make_checksum(
        context, kind, ctypes.byref(key), usage, ctypes.byref(data(text)), ctypes.byref(out)
    )
    assert result == 0
    return ctypes.string_at(out.contents, out.length)


def string_to_key(etype, password, salt, iterations):
    params = data(iterations.to_bytes(4, "big"))
    out = Keyblock()
    status = crypto.krb5_c_string_to_key_with_params(
        context,
        etype,
        ctypes.byref(data(password.encode())),
        ctypes.byref(data(salt.encode())),
        ctypes.byref(params) if iterations else None,
        ctypes.byref(out),
    )
    assert status == 0, (etype, iterations, status)
    return ctypes.string_at(out.contents, out.length)


result = {"source": "libk5crypto of MIT krb5 1.20.1, by test/foreign/crypto_vectors.py", "vectors": []}
for etype, length, kind in [(17, 16, 15), (18, 32, 16), (19, 16, 19), (20, 32, 20), (23, 16, -138)]:
    key = keyblock(etype, hashlib.shake_128(b"carmine %d" % etype).digest(length))
    octets = ctypes.string_at(key.contents, key.length)
    for usage, size in [(1, 0), (2, 1), (3, 15), (7, 16), (8, 17), (9, 32), (11, 33), (22, 100), (24, 256)]:
        text = bytes(i % 251 for i in range(size))
        result["vectors"].append(
            {
                "etype": etype,
                "key": octets.hex(),
                "usage": usage,
                "text": text.hex(),
                "encrypted": encrypt(key, usage, text).hex(),
                "checksum": checksum(key, kind, usage, text).hex(),
            }
        )
result["stringToKey"] = [
    {
        "etype": etype,
        "password": "Pässw0rd",
        "salt": "CARMINE.TESTadmin",
        "iterations": iterations,
        "key": string_to_key(etype, "Pässw0rd", "CARMINE.TESTadmin", iterations).hex(),
    }
    for etype, iterations in [(17, 4096), (18, 4096), (18, 5000), (19, 32768), (20, 32768), (20, 40000), (23, 0)]
]
print(json.dumps(result, indent=2, ensure_ascii=False))
