"""Small contracts, compiled into a pool of their own: one that is sound, and one for each fault.

In a seed's text `@` stands for its package, so that `@.S/A` is a method of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

from plexus.contract import Contract, read
from tools.contracts import protoc

OPERATIONAL = "[(plexus.policy.v1.data_class) = DATA_CLASS_OPERATIONAL]"
PATIENT = (
    "[(plexus.policy.v1.data_class) = DATA_CLASS_OPERATIONAL, (plexus.policy.v1.patient) = true]"
)
READS = "option idempotency_level = NO_SIDE_EFFECTS;"
IDEMPOTENT = "option idempotency_level = IDEMPOTENT;"
ONCE = ""

HEADER = """syntax = "proto3";
package {package};
import "buf/validate/validate.proto";
import "google/protobuf/timestamp.proto";
import "plexus/policy/v1/policy.proto";
import "plexus/type/v1/degradation.proto";
"""

MESSAGES = f"""
message Ask {{ string request_id = 1 {OPERATIONAL}; }}
message Told {{ repeated plexus.type.v1.Degradation degradations = 1; string who = 2 {PATIENT}; }}
message Nothing {{}}
"""


@dataclass(frozen=True)
class Seed:
    """A contract and the (proof, subject) pairs that are found in it, the seeded one first.

    A fault may bring another with it: a cycle of required calls cannot have deadlines that fit.
    """

    name: str
    text: str
    found: tuple[tuple[str, str], ...] = ()
    file: str = "seed_service.proto"

    @property
    def package(self) -> str:
        return f"plexus.{self.name}.v1"

    @property
    def path(self) -> str:
        return f"plexus/{self.name}/v1/{self.file}"

    @property
    def expected(self) -> list[tuple[str, str, str]]:
        """(proof, file, subject), in order."""
        return sorted((p, self.path, s.replace("@", self.package)) for p, s in self.found)

    def source(self) -> str:
        text = HEADER + (MESSAGES if "service" in self.text else "") + self.text
        return text.replace("{package}", self.package).replace("@", self.package)


def rpc(
    name: str,
    *calls: str,
    level: str = READS,
    deadline: int = 1000,
    criticality: str = "ROUTINE",
    ask: str = "Ask",
    told: str = "Told",
) -> str:
    stated = f"deadline_ms: {deadline} criticality: CRITICALITY_{criticality} {' '.join(calls)}"
    return (
        f"  rpc {name}({ask}) returns ({told}) {{ {level} "
        f"option (plexus.policy.v1.method) = {{ {stated} }}; }}\n"
    )


def requires(path: str) -> str:
    return f'calls: {{ method: "{path}" need: NEED_REQUIRED }}'


def tries(path: str, effect: str = "less") -> str:
    return f'calls: {{ method: "{path}" need: NEED_OPTIONAL effect: {json.dumps(effect)} }}'


def task(*stated: str) -> str:
    tasks = f'tasks: {{ name: "t" {" ".join(stated)} }}'
    return f"  option (plexus.policy.v1.service) = {{ {tasks} }};\n"


def service(*parts: str, messages: str = "") -> str:
    return f"service S {{\n{''.join(parts)}}}\n{messages}"


def fields(*lines: str) -> str:
    """A service whose one request has the fields, each written as it stands."""
    held = "message Held { string text = 1 [(plexus.policy.v1.data_class) = DATA_CLASS_CLINICAL]; }"
    kinds = "enum Kind { KIND_UNSPECIFIED = 0; }"
    body = "\n".join(lines)
    return service(rpc("A", ask="Query"), messages=f"{held}\n{kinds}\nmessage Query {{ {body} }}")


def compiled(seeds: Iterable[Seed], real: Path, folder: Path) -> dict[str, Contract]:
    """Each seed's contract, by name. One run of protoc, one pool; *real* gives the imports."""
    seeds = list(seeds)
    for seed in seeds:
        target = folder / seed.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(seed.source(), encoding="utf-8")
    out = folder / "seeds.binpb"
    protoc(folder, real, [seed.path for seed in seeds], "--include_imports", "-o", str(out))
    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString(out.read_bytes()).file:
        pool.Add(file)
    return {seed.name: read([pool.FindFileByName(seed.path)]) for seed in seeds}
