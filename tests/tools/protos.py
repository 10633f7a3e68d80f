"""Generate the protobuf code from the `.proto` files in the tree, and check it.

    python -m tests.tools.protos generate    write the generated modules beside their protos
    python -m tests.tools.protos check       are they current, and is no released message changed incompatibly?
    python -m tests.tools.protos baseline    on a release: write down what later protos must stay compatible with

Every ``<root>/omegacell/<portion>/proto/<name>_v<N>.proto`` is found; ``<root>`` is the include path, so modules
import as ``omegacell.<portion>.proto.<name>_v<N>_pb2``. Services are generated for the API only. A baseline is the
FileDescriptorProto of a released file as text, under ``tests/testdata/proto/``, so that a review can read it.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from google.protobuf import text_format
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)

REPOSITORY = Path(__file__).resolve().parents[2]
BASELINES = REPOSITORY / "tests" / "testdata" / "proto"
ROOTS = ("store", "schedulers", "agent", "api")
ROOTS_WITH_SERVICES = ("api",)


def proto_files() -> list[Path]:
    """List every versioned proto in the tree, relative to the repository."""
    found = (path for root in ROOTS for path in (REPOSITORY / root).glob("omegacell/*/proto/*_v[0-9]*.proto"))
    return sorted(path.relative_to(REPOSITORY) for path in found)


def run_protoc(proto: Path, *options: str) -> None:
    """Run protoc on one proto (relative to the repository) with its root as the include path."""
    root = proto.parts[0]
    plugin = Path(sys.executable).with_name("protoc-gen-mypy_grpc")
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{root}", f"--plugin=protoc-gen-mypy_grpc={plugin}"]
    command += [*options, str(proto.relative_to(root))]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"protoc: {proto}: {done.stderr.strip()}")


def generate(out: Path) -> list[Path]:
    """Generate the code of every proto below ``out``, laid out as in the repository; return what was written."""
    for proto in proto_files():
        into = out / proto.parts[0]
        into.mkdir(parents=True, exist_ok=True)
        options = [f"--python_out={into}", f"--pyi_out={into}"]
        if proto.parts[0] in ROOTS_WITH_SERVICES:
            options += [f"--grpc_python_out={into}", f"--mypy_grpc_out={into}"]
        run_protoc(proto, *options)
    return generated_files(out)


def generated_files(tree: Path) -> list[Path]:
    """List the generated modules and stubs below ``tree``, relative to it."""
    patterns = ("*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py", "*_pb2_grpc.pyi")
    found = (path for root in ROOTS for pattern in patterns for path in (tree / root).rglob(pattern))
    return sorted(path.relative_to(tree) for path in found)


def find_stale() -> list[str]:
    """Say which committed modules differ from what the protos generate now."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        made = set(generate(fresh))
        kept = set(generated_files(REPOSITORY))
        stale = [f"{path}: is not committed" for path in sorted(made - kept)]
        stale += [f"{path}: has no proto" for path in sorted(kept - made)]
        for path in sorted(made & kept):
            if (fresh / path).read_bytes() != (REPOSITORY / path).read_bytes():
                stale.append(f"{path}: is not what its proto generates")
    return stale


def describe(proto: Path) -> FileDescriptorProto:
    """Compile one proto and return its descriptor, without the comments."""
    with tempfile.NamedTemporaryFile(suffix=".binpb") as out:
        run_protoc(proto, f"--descriptor_set_out={out.name}")
        return FileDescriptorSet.FromString(Path(out.name).read_bytes()).file[0]


def baseline_path(proto: Path) -> Path:
    """Name the file that keeps what was released of ``proto``."""
    return BASELINES / f"{proto.stem}.txtpb"


def write_baselines() -> list[Path]:
    """Write every proto's baseline as it is now; return the paths."""
    BASELINES.mkdir(parents=True, exist_ok=True)
    for proto in proto_files():
        baseline_path(proto).write_text(text_format.MessageToString(describe(proto)), encoding="utf-8")
    return [baseline_path(proto) for proto in proto_files()]


def find_incompatible() -> list[str]:
    """Say where a proto of today breaks what its baseline released."""
    today = {baseline_path(proto): proto for proto in proto_files()}
    found = []
    for path in sorted(BASELINES.glob("*.txtpb")):
        if path not in today:
            found.append(f"{path.stem}: was released and is gone")
            continue
        released = text_format.Parse(path.read_text(encoding="utf-8"), FileDescriptorProto())
        found += [f"{path.stem}: {change}" for change in find_breaking_changes(released, describe(today[path]))]
    return found


def find_breaking_changes(released: FileDescriptorProto, today: FileDescriptorProto) -> list[str]:
    """Compare two versions of one file; nothing released may go, change its number, its name or its type.

    Additions are fine. A field nobody should use any more is marked deprecated, not removed: logs keep it.
    """
    found = []
    if (released.package, released.syntax) != (today.package, today.syntax):
        found.append(f"package or syntax: was {released.package} {released.syntax}")
    messages, enums = dict(walk_messages(today)), dict(walk_enums(today))
    for name, message in walk_messages(released):
        found += message_changes(name, message, messages)
    for name, enum in walk_enums(released):
        found += enum_changes(name, enum, enums)
    services = {service.name: service for service in today.service}
    for service in released.service:
        found += service_changes(service, services)
    return found


def walk_messages(file: FileDescriptorProto) -> Iterator[tuple[str, DescriptorProto]]:
    """Give every message of a file, nested ones too, by its dotted name."""
    waiting = [(message.name, message) for message in file.message_type]
    while waiting:
        name, message = waiting.pop(0)
        yield name, message
        waiting += [(f"{name}.{nested.name}", nested) for nested in message.nested_type]


def walk_enums(file: FileDescriptorProto) -> Iterator[tuple[str, EnumDescriptorProto]]:
    """Give every enum of a file, nested ones too, by its dotted name."""
    for enum in file.enum_type:
        yield enum.name, enum
    for name, message in walk_messages(file):
        for enum in message.enum_type:
            yield f"{name}.{enum.name}", enum


def message_changes(name: str, released: DescriptorProto, today: Mapping[str, DescriptorProto]) -> list[str]:
    """Say what of one released message is gone or different."""
    message = today.get(name)
    if message is None:
        return [f"message {name}: is gone"]
    found = []
    fields = {field.number: field for field in message.field}
    for field in released.field:
        was = field_shape(released, field)
        now = field_shape(message, fields[field.number]) if field.number in fields else "gone"
        if was != now:
            found.append(f"field {name}.{field.name} = {field.number}: was {was}, is {now}")
    reserved = {number for span in message.reserved_range for number in range(span.start, span.end)}
    for span in released.reserved_range:
        if not reserved.issuperset(range(span.start, span.end)):
            found.append(f"message {name}: {span.start} to {span.end - 1} is reserved no more")
    if not set(released.reserved_name) <= set(message.reserved_name):
        found.append(f"message {name}: a reserved name is reserved no more")
    return found


def field_shape(message: DescriptorProto, field: FieldDescriptorProto) -> str:
    """Spell everything about a field that a reader of old bytes or old JSON depends on."""
    label = FieldDescriptorProto.Label.Name(field.label).removeprefix("LABEL_").lower()
    kind = field.type_name or FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()
    shape = f"{label} {kind} {field.name}"
    if field.proto3_optional:
        return f"{shape} (presence kept)"
    if field.HasField("oneof_index"):
        return f"{shape} (one of {message.oneof_decl[field.oneof_index].name})"
    return shape


def enum_changes(name: str, released: EnumDescriptorProto, today: Mapping[str, EnumDescriptorProto]) -> list[str]:
    """Say which values of one released enum are gone or renamed."""
    if name not in today:
        return [f"enum {name}: is gone"]
    values = {(value.number, value.name) for value in today[name].value}
    gone = [value for value in released.value if (value.number, value.name) not in values]
    return [f"enum {name}: {value.name} = {value.number} is gone" for value in gone]


def service_changes(released: ServiceDescriptorProto, services: Mapping[str, ServiceDescriptorProto]) -> list[str]:
    """Say which methods of one released service are gone or take or give something else."""
    if released.name not in services:
        return [f"service {released.name}: is gone"]
    methods = {method.name: method for method in services[released.name].method}
    found = []
    for was in released.method:
        now = methods.get(was.name)
        if now is None:
            found.append(f"method {released.name}.{was.name}: is gone")
        elif (was.input_type, was.output_type, was.client_streaming, was.server_streaming) != (
            now.input_type,
            now.output_type,
            now.client_streaming,
            now.server_streaming,
        ):
            found.append(f"method {released.name}.{was.name}: takes or gives something else")
    return found


def main() -> None:
    """Do what the first argument says."""
    match sys.argv[1:]:
        case ["generate"]:
            print("\n".join(map(str, generate(REPOSITORY))))
        case ["check"]:
            if problems := find_stale() + find_incompatible():
                raise SystemExit("\n".join([*problems, "run `make proto`, or put back what was released"]))
        case ["baseline"]:
            print("\n".join(str(path.relative_to(REPOSITORY)) for path in write_baselines()))
        case _:
            raise SystemExit("usage: python -m tests.tools.protos generate|check|baseline")


if __name__ == "__main__":
    main()
