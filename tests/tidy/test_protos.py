"""Generated code is current, and nothing released is broken: the checks, and the checker on small files."""

import re

import pytest
from google.protobuf import text_format
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from tests.tidy.tree import REPOSITORY
from tests.tools import protos

RELEASED = """
syntax: "proto3" package: "p"
message_type {
  name: "M"
  field { name: "a" number: 1 label: LABEL_OPTIONAL type: TYPE_INT64 }
  field { name: "b" number: 2 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: ".p.M" }
  field { name: "c" number: 3 label: LABEL_OPTIONAL type: TYPE_STRING oneof_index: 0 }
  oneof_decl { name: "o" }
  nested_type { name: "N" enum_type { name: "E" value { name: "Z" number: 0 } value { name: "Y" number: 1 } } }
  reserved_range { start: 7 end: 9 }
  reserved_name: "old"
}
service { name: "S" method { name: "Do" input_type: ".p.M" output_type: ".p.M" } }
"""

CHANGES = [
    ('package: "p"', 'package: "q"', "package or syntax: was p proto3"),
    ('name: "a" number: 1', 'name: "a" number: 4', "field M.a = 1: was optional int64 a, is gone"),
    ('name: "a" number: 1', 'name: "z" number: 1', "field M.a = 1: was optional int64 a, is optional int64 z"),
    ("TYPE_INT64", "TYPE_SINT64", "field M.a = 1: was optional int64 a, is optional sint64 a"),
    ("LABEL_REPEATED", "LABEL_OPTIONAL", "field M.b = 2: was repeated .p.M b, is optional .p.M b"),
    (
        'type_name: ".p.M"',
        'type_name: ".p.M.N"',
        "field M.b = 2: was repeated .p.M b, is repeated .p.M.N b",
    ),
    (" oneof_index: 0", "", "field M.c = 3: was optional string c (one of o), is optional string c"),
    ('nested_type { name: "N"', 'nested_type { name: "K"', "message M.N: is gone"),
    (' value { name: "Y" number: 1 }', "", "enum M.N.E: Y = 1 is gone"),
    ("start: 7", "start: 8", "message M: 7 to 8 is reserved no more"),
    ('reserved_name: "old"', "", "message M: a reserved name is reserved no more"),
    ('name: "Do"', 'name: "Undo"', "method S.Do: is gone"),
    ('output_type: ".p.M"', 'output_type: ".p.M" server_streaming: true', "method S.Do: takes or gives something else"),
    ('service { name: "S"', 'service { name: "T"', "service S: is gone"),
]


def parse(text: str) -> FileDescriptorProto:
    """Read a file descriptor from text."""
    return text_format.Parse(text, FileDescriptorProto())


def test_generated_code_is_current() -> None:
    """What is committed is what the protos generate with the pinned compiler."""
    assert protos.proto_files()
    assert protos.find_stale() == []


def test_no_released_message_changed_incompatibly() -> None:
    """Old logs and old clients read what is written today."""
    assert protos.find_incompatible() == []


@pytest.mark.parametrize(("old", "new", "complaint"), CHANGES)
def test_a_breaking_change_is_found(old: str, new: str, complaint: str) -> None:
    """Each way to break a reader is named."""
    assert RELEASED.count(old) == 1 or old.startswith("type_name")
    assert complaint in protos.find_breaking_changes(parse(RELEASED), parse(RELEASED.replace(old, new)))


def test_additions_are_compatible() -> None:
    """New messages, fields, values, methods and services break nobody."""
    grown = parse(RELEASED)
    grown.message_type.add(name="New")
    grown.message_type[0].field.add(name="d", number=4)
    grown.message_type[0].nested_type[0].enum_type[0].value.add(name="X", number=2)
    grown.service[0].method.add(name="More")
    grown.service.add(name="Other")
    assert protos.find_breaking_changes(parse(RELEASED), grown) == []


def test_a_release_has_its_baselines() -> None:
    """From the first release on, every proto that it shipped has its baseline."""
    changelog = (REPOSITORY / "docs" / "changelog.md").read_text(encoding="utf-8")
    released = re.findall(r"^## (\S+) \(\d{4}-\d\d-\d\d\)$", changelog, flags=re.MULTILINE)
    kept = {path.stem for path in protos.BASELINES.glob("*.txtpb")}
    assert not released or kept
