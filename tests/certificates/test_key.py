"""Kinds of key."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from pytest_mtls.certificates.key import KeyKind, private_key_pem, same_key, signature_hash
from pytest_mtls.errors import UnsupportedKeyKind

CLASSIC = [kind for kind in KeyKind if not kind.value.startswith("mldsa")]


@pytest.mark.parametrize("kind", CLASSIC)
def test_generate(kind: KeyKind) -> None:
    """A new key is of its kind, as are its public half and its PEM."""
    key = kind.generate()
    assert kind is KeyKind.of(key)
    assert kind is KeyKind.of(key.public_key())
    for password in (None, "secret"):
        read = load_pem_private_key(private_key_pem(key, password), password.encode() if password else None)
        assert same_key(key.public_key(), read.public_key())  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [kind for kind in KeyKind if kind not in CLASSIC])
def test_post_quantum(kind: KeyKind) -> None:
    """ML-DSA works, or the error tells what is needed."""
    if not _has_ml_dsa():
        with pytest.raises(UnsupportedKeyKind, match="needs a cryptography that has ML-DSA"):
            kind.generate()
        return
    key = kind.generate()
    assert (kind, kind, None) == (KeyKind.of(key), KeyKind.of(key.public_key()), signature_hash(key))


def test_post_quantum_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where cryptography has no ML-DSA, the error says so."""
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.mldsa", None)
    with pytest.raises(UnsupportedKeyKind, match="needs a cryptography that has ML-DSA, and this is"):
        KeyKind.ML_DSA_44.generate()


def test_signature_hash() -> None:
    """The hash is as strong as the key."""
    chosen = {kind: signature_hash(kind.generate()) for kind in CLASSIC if kind is not KeyKind.RSA3072}
    assert {"p256": "sha256", "p384": "sha384", "rsa2048": "sha256", "ed25519": None} == {
        kind.value: used and used.name for kind, used in chosen.items()
    }
    assert isinstance(signature_hash(ec.generate_private_key(ec.SECP521R1())), hashes.SHA512)


@pytest.mark.parametrize("text", ["p256", "P256", KeyKind.P256])
def test_parse(text: KeyKind | str) -> None:
    """A kind is named by its value, in any case, or is one already."""
    assert KeyKind.P256 is KeyKind.parse(text)


@pytest.mark.parametrize("text", ["p257", "", None, 5])
def test_parse_unknown(text: Any) -> None:
    """An unknown kind is rejected, and the known ones are named."""
    with pytest.raises(UnsupportedKeyKind) as refused:
        KeyKind.parse(text)
    assert str(text) == refused.value.kind
    assert all(f'"{kind}"' in str(refused.value) for kind in KeyKind)


def test_unlisted_kinds() -> None:
    """Keys of other kinds have none."""
    assert [None, None] == [
        KeyKind.of(ed448.Ed448PrivateKey.generate()),
        KeyKind.of(ec.generate_private_key(ec.SECP521R1())),
    ]


def _has_ml_dsa() -> bool:
    try:
        from cryptography.hazmat.primitives.asymmetric import mldsa

        mldsa.MLDSA44PrivateKey.generate()
    except (ImportError, UnsupportedAlgorithm):
        return False
    return True
