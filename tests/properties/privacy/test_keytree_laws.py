"""What opens what, and what the files still hold after any history of writing, wiping and rotating."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from libs.common.crypto import SUITES, CannotOpen, Sealer
from services.privacy.keyfiles import SLOT_BYTES, KeyFiles, MissingKeyFile
from services.privacy.keytree import ROOT_BYTES, ROOT_OWNER, Secrets, day_owner, open_slot, seal_slot

SUITE = st.sampled_from(sorted(SUITES))
OWNER = st.sampled_from([ROOT_OWNER, day_owner("2026-01-01"), b"bucket bindings 0 1", b"bucket bindings 0 2"])


@given(SUITE, OWNER, OWNER, st.sampled_from(["shop", "club"]), st.booleans())
def test_a_slot_opens_for_its_owner_in_its_workspace_under_its_kek_only(
    name: str, owner: bytes, asker: bytes, workspace: str, same_kek: bool
) -> None:
    suite = SUITES[name]
    kek = suite.sealer(suite.new_key())
    other = kek if same_kek else suite.sealer(suite.new_key())
    key = b"r" * ROOT_BYTES if owner == ROOT_OWNER else suite.new_key()
    content = seal_slot(kek, suite, "shop", owner, key).ljust(SLOT_BYTES, b"?")
    assert len(content) == SLOT_BYTES
    if (owner, "shop", True) == (asker, workspace, same_kek):
        assert open_slot(other, suite, workspace, asker, content) == key
    else:
        with pytest.raises(CannotOpen):
            open_slot(other, suite, workspace, asker, content)


@given(SUITE, st.binary(min_size=32, max_size=32))
def test_all_secrets_of_a_root_differ_and_come_back(name: str, root: bytes) -> None:
    secrets = Secrets.of(SUITES[name], root)
    assert secrets == Secrets.of(SUITES[name], root)
    assert len({secrets.pepper, secrets.suppression_pepper, secrets.event_id_key, root}) == 4
    assert len(secrets.event_id_key) == 32


class KeyFileMachine(RuleBasedStateMachine):
    """Key files against a dictionary: exactly what was written and not wiped can be opened."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="wanliu-keys-"))
        self.files = KeyFiles(self.root, "shop")
        self.suite = SUITES["intl-v1"]
        self.present: dict[int, bytes] = {}
        self.gone: list[tuple[bytes, bytes]] = []  # (owner, key) that must never open again
        self.next = 0
        self._new_pair()

    def teardown(self) -> None:
        shutil.rmtree(self.root)

    def _new_pair(self) -> None:
        kek = self.suite.new_key()
        self.kek: Sealer = self.suite.sealer(kek)
        self.name = self.files.create(kek, {slot: self._sealed(slot) for slot in self.present})

    def _owner(self, slot: int) -> bytes:
        return b"owner %d" % slot

    def _sealed(self, slot: int) -> bytes:
        return seal_slot(self.kek, self.suite, "shop", self._owner(slot), self.present[slot])

    @rule(count=st.integers(1, 4), gap=st.integers(0, 3))
    def write(self, count: int, gap: int) -> None:
        self.next += gap
        fresh = range(self.next, self.next + count)
        self.present |= {slot: self.suite.new_key() for slot in fresh}
        self.files.write(self.name, {slot: self._sealed(slot) for slot in fresh})
        self.next += count

    @precondition(lambda self: self.present)
    @rule(data=st.data())
    def wipe(self, data: st.DataObject) -> None:
        slots = data.draw(st.sets(st.sampled_from(sorted(self.present)), min_size=1))
        self.gone += [(self._owner(slot), self.present.pop(slot)) for slot in slots]
        self.files.wipe(self.name, slots)

    @rule()
    def rotate(self) -> None:
        old = self.name
        self._new_pair()
        self.files.destroy(old)
        self.files.wipe(old, [0])  # a latecomer harms nobody
        with pytest.raises(MissingKeyFile):
            self.files.kek(old)

    @invariant()
    def what_is_present_opens_and_what_is_gone_does_not(self) -> None:
        assert self.files.names() == {self.name}
        kek = self.suite.sealer(self.files.kek(self.name))
        for slot, key in self.present.items():
            content = self.files.read(self.name, slot)
            assert open_slot(kek, self.suite, "shop", self._owner(slot), content) == key
        contents = [self.files.read(self.name, slot) for slot in range(self.next)]
        for owner, _ in self.gone:
            for content in contents:
                with pytest.raises(CannotOpen):
                    open_slot(kek, self.suite, "shop", owner, content)


TestKeyFiles = KeyFileMachine.TestCase
TestKeyFiles.settings = settings(max_examples=25, stateful_step_count=12, deadline=None)
