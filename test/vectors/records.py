#!/usr/bin/env python3
"""Writes records.json: a second implementation of docs/protocol/records.md, made from its text alone.

Needs the package `cryptography`. Run by hand when the format gets a new version; the tests only read the result.
"""
import base64
import hashlib
import json
import struct
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def head(major, n):
    if n < 24:
        return bytes([major << 5 | n])
    for info, size, form in ((24, 1, '>B'), (25, 2, '>H'), (26, 4, '>I'), (27, 8, '>Q')):
        if n < 1 << 8 * size:
            return bytes([major << 5 | info]) + struct.pack(form, n)
    raise ValueError(n)


class Link(bytes):
    pass


def cbor(value):
    if value is None:
        return b'\xf6'
    if value is True or value is False:
        return b'\xf5' if value else b'\xf4'
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, float):
        return b'\xfb' + struct.pack('>d', value)
    if isinstance(value, Link):
        return b'\xd8\x2a' + head(2, len(value) + 1) + b'\0' + value
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b''.join(map(cbor, value))
    keys = sorted(value, key=lambda k: (len(k.encode()), k.encode()))
    return head(5, len(keys)) + b''.join(cbor(k) + cbor(value[k]) for k in keys)


def dag_json(value):
    if isinstance(value, Link):
        return {'/': 'b' + base64.b32encode(value).decode().lower().rstrip('=')}
    if isinstance(value, bytes):
        return {'/': {'bytes': base64.b64encode(value).decode().rstrip('=')}}
    if isinstance(value, list):
        return [dag_json(v) for v in value]
    if isinstance(value, dict):
        return {k: dag_json(v) for k, v in value.items()}
    return value


def base58(data):
    alphabet = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
    n, text = int.from_bytes(data, 'big'), ''
    while n:
        n, rest = divmod(n, 58)
        text = alphabet[rest] + text
    return '1' * (len(data) - len(data.lstrip(b'\0'))) + text


def public(seed):
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def envelope(seed, kind, payload, keys=('k', 'p', 's'), **changed):
    message = b'commonhold/' + kind.encode() + b'/v1\0' + payload
    fields = {'p': payload, 'k': public(seed), 's': Ed25519PrivateKey.from_private_bytes(seed).sign(message), **changed}
    return message, head(5, len(fields)) + b''.join(cbor(k) + cbor(fields[k]) for k in keys)


seeds = [bytes(32), bytes(range(32)), b'\xff' * 32]
raw = Link(b'\x01\x55\x12\x20' + hashlib.sha256(b'hello').digest())
bodies = [
    ('an empty map', {}),
    ('keys are sorted by length, then by bytes', {'bb': 1, 'a': 2, 'c': 3, 'aaa': 4}),
    ('integers take their shortest form', [0, 23, 24, 255, 256, 65535, 65536, 4294967295, 4294967296, 2**53 - 1]),
    ('negative integers', [-1, -24, -25, -256, -257, -(2**53) + 1]),
    ('a float that is no integer has 64 bits', [1.5, -0.25]),
    ('text is UTF-8', {'name': 'Kaffee ☕ Größe'}),
    ('bytes and links', {'digest': hashlib.sha256(b'hello').digest(), 'root': raw}),
    ('the three simple values', [True, False, None]),
    ('lists and maps within one another', {'list': [{'seq': 1}, {'seq': 2, 'empty': []}]}),
]
signed = [
    ('an empty record', 0, 'example', {}),
    ('a record with bytes and numbers', 1, 'example', {'seq': 7, 'prev': bytes(32), 'name': 'first'}),
    ('the same record of another kind: another signature', 1, 'example-head', {'seq': 7, 'prev': bytes(32), 'name': 'first'}),
]
payload = cbor({'seq': 7})
message, good = envelope(seeds[1], 'example', payload)

Path(__file__).with_name('records.json').write_text(json.dumps({
    'identities': [{
        'seed': s.hex(), 'publicKey': public(s).hex(),
        'nodeId': base58(bytes.fromhex('002408011220') + public(s)),
        'operatorId': 'z' + base58(b'\xed\x01' + public(s)),
    } for s in seeds],
    'records': [{'what': what, 'json': dag_json(body), 'cbor': cbor(body).hex()} for what, body in bodies],
    'signed': [{
        'what': what, 'seed': seeds[i].hex(), 'kind': kind, 'json': dag_json(body), 'payload': cbor(body).hex(),
        'message': envelope(seeds[i], kind, cbor(body))[0].hex(),
        'envelope': envelope(seeds[i], kind, cbor(body))[1].hex(),
        'hash': hashlib.sha256(envelope(seeds[i], kind, cbor(body))[1]).hexdigest(),
    } for what, i, kind, body in signed],
    'refusedRecords': [{'why': why, 'cbor': text.replace(' ', '')} for why, text in [
        ('nothing at all', ''),
        ('keys out of order', 'a2 6162 01 6161 02'),
        ('a longer key before a shorter one', 'a2 626161 01 6162 02'),
        ('a key twice', 'a2 6161 01 6161 02'),
        ('an integer longer than it needs to be', 'a1 6161 1801'),
        ('a length longer than it needs to be', 'a1 7801 61 01'),
        ('a map of indefinite length', 'bf 6161 01 ff'),
        ('a text of indefinite length', 'a1 6161 7f 6161 ff'),
        ('a float of 16 bits', 'a1 6161 f93e00'),
        ('a float of 32 bits', 'a1 6161 fa3fc00000'),
        ('an integer spelled as a float', 'a1 6161 fb3ff0000000000000'),
        ('minus zero', 'a1 6161 fb8000000000000000'),
        ('not a number', 'a1 6161 fb7ff8000000000000'),
        ('infinity', 'a1 6161 fb7ff0000000000000'),
        ('undefined', 'a1 6161 f7'),
        ('another tag than 42', 'a1 6161 c1 01'),
        ('an unassigned simple value', 'a1 6161 f8ff'),
        ('a key that is a number', 'a1 01 01'),
        ('a key that is not UTF-8', 'a1 61ff 01'),
        ('bytes after the record', 'a1 6161 01 00'),
        ('a record cut short', 'a1 6161'),
    ]],
    'refusedEnvelopes': [{'why': why, 'kind': kind, 'envelope': data.hex()} for why, kind, data in [
        ('signed as another kind', 'example-head', good),
        ('signed as a kind that this one begins with', 'exam', good),
        ('keys of the envelope out of order', 'example', envelope(seeds[1], 'example', payload, ('p', 'k', 's'))[1]),
        ('a field more', 'example', envelope(seeds[1], 'example', payload, ('k', 'p', 's', 'x'), x=1)[1]),
        ('the key of somebody else', 'example', envelope(seeds[1], 'example', payload, k=public(seeds[2]))[1]),
        ('a key of 31 bytes', 'example', envelope(seeds[1], 'example', payload, k=public(seeds[1])[:31])[1]),
        ('a signature of 63 bytes', 'example', envelope(seeds[1], 'example', payload, s=bytes(63))[1]),
        ('a signature of zeros', 'example', envelope(seeds[1], 'example', payload, s=bytes(64))[1]),
        ('another payload', 'example', envelope(seeds[1], 'example', payload, p=cbor({'seq': 8}))[1]),
        ('a rightly signed payload that is not canonical', 'example', envelope(seeds[1], 'example', bytes.fromhex('a1637365711807'))[1]),
        ('a rightly signed payload that is no record of this shape', 'example', envelope(seeds[1], 'example', cbor([1]))[1]),
    ]],
}, indent=1, ensure_ascii=False) + '\n')
