"""The seeds: two contracts that are sound, and one for each fault that a proof is for."""

from __future__ import annotations

from plexus.contract import DataClass
from tests.contracts.seeds import (
    IDEMPOTENT,
    ONCE,
    OPERATIONAL,
    PATIENT,
    READS,
    Seed,
    fields,
    requires,
    rpc,
    service,
    task,
    tries,
)

CLINICAL = "string said = 1 [(plexus.policy.v1.data_class) = DATA_CLASS_CLINICAL];"

# Everything at its limit: a deadline one millisecond above the sum of the calls, a chain of three
# repeatable methods, which is 27 attempts, something vital that does without something sheddable.
SOUND = Seed(
    "sound",
    service(
        task('follows: "@.S/Feed"', tries("@.S/C"), requires("@.S/B")),
        rpc("A", requires("@.S/B"), tries("@.S/D"), deadline=1111, criticality="VITAL"),
        rpc("B", requires("@.S/C"), deadline=1010, criticality="VITAL"),
        rpc("C", criticality="VITAL", told="Nothing"),
        rpc("D", deadline=100, criticality="SHEDDABLE", ask="Query"),
        rpc("W", tries("@.S/Once"), level=ONCE, deadline=1001),
        rpc("Once", level=ONCE),
        rpc("Feed", told="stream Told", deadline=600000),
        messages=f"""
        message Query {{
          message Inner {{ repeated int64 numbers = 1 {OPERATIONAL}; }}
          string patient_id = 1 [
            (buf.validate.field).string.pattern = "^pat_[a-z0-9]{{8,40}}$",
            (plexus.policy.v1.data_class) = DATA_CLASS_OPERATIONAL,
            (plexus.policy.v1.patient) = true
          ];
          repeated string claim_ids = 2 [
            (buf.validate.field).repeated.items.string.pattern = "^clm_[a-z0-9]{{8,40}}$",
            (plexus.policy.v1.data_class) = DATA_CLASS_OPERATIONAL
          ];
          Inner inner = 3;
          map<string, Inner> by_name = 4 {OPERATIONAL};
          google.protobuf.Timestamp time = 5 {OPERATIONAL};
        }}""",
    ),
)

COVERED = Seed(
    "covered",
    fields(
        f"message Loop {{ Held held = 1; Loop loop = 2; bool yes = 3 {OPERATIONAL}; }}",
        "Loop left = 1;",
        "Loop stated = 2 [(plexus.policy.v1.data_class) = DATA_CLASS_FINANCIAL];",
    ),
)

STATEMENTS = (
    Seed(
        "silent_method",
        service(f"  rpc A(Ask) returns (Told) {{ {READS} }}\n"),
        (("method-without-policy", "@.S/A"),),
    ),
    Seed(
        "no_criticality",
        service(rpc("A", criticality="UNSPECIFIED")),
        (("method-without-policy", "@.S/A"),),
    ),
    Seed(
        "no_deadline",
        service(rpc("A", deadline=0)),
        (("method-without-policy", "@.S/A"),),
    ),
    Seed(
        "write_unnamed",
        service(rpc("A", level=ONCE, ask="Nothing")),
        (("write-without-request-id", "@.S/A"),),
    ),
    Seed(
        "idempotent_unnamed",
        service(rpc("A", level=IDEMPOTENT, ask="Nothing")),
        (("write-without-request-id", "@.S/A"),),
    ),
    Seed(
        "unclassified_string",
        fields(f"string plain = 1; string said = 2 {OPERATIONAL};"),
        (("unclassified-field", "@.Query.plain"),),
    ),
    Seed(
        "unclassified_enum",
        fields("repeated Kind kinds = 1; Held held = 2;"),
        (("unclassified-field", "@.Query.kinds"),),
    ),
    Seed(
        "unclassified_time",
        fields("google.protobuf.Timestamp time = 1;"),
        (("unclassified-field", "@.Query.time"),),
    ),
    Seed(
        "unclassified_choice",
        fields(f"oneof either {{ bytes raw = 1; uint32 count = 2 {OPERATIONAL}; }}"),
        (("unclassified-field", "@.Query.raw"),),
    ),
    Seed(
        "unclassified_map",
        fields("map<string, Held> held = 1;"),
        (("unclassified-field", "@.Query.held"),),
    ),
    Seed(
        "unclassified_inside",
        fields("message Inner { bool yes = 1; } Inner inner = 1;"),
        (("unclassified-field", "@.Query.Inner.yes"),),
    ),
    Seed(
        "every_class",
        fields(
            "string silent = 10;",
            *(
                f"string {c.name.lower()} = {c + 1} "
                f"[(plexus.policy.v1.data_class) = DATA_CLASS_{c.name}];"
                for c in DataClass
            ),
        ),
        (
            ("unclassified-field", "@.Query.silent"),
            ("unclassified-field", "@.Query.unspecified"),
        ),
    ),
    Seed(
        "any_id",
        fields(f"string claim_id = 1 {OPERATIONAL};"),
        (("unchecked-id", "@.Query.claim_id"),),
    ),
    Seed(
        "any_ids",
        fields(f"repeated string claim_ids = 1 {OPERATIONAL};"),
        (("unchecked-id", "@.Query.claim_ids"),),
    ),
    Seed(
        "any_id_inside",
        fields(f"message Inner {{ string visit_id = 1 {OPERATIONAL}; }} repeated Inner inner = 1;"),
        (("unchecked-id", "@.Query.Inner.visit_id"),),
    ),
    Seed(
        "nobody_named",
        service(rpc("A", ask="Query", told="Nothing"), messages=f"message Query {{ {CLINICAL} }}"),
        (("unnamed-patient", "@.S/A"),),
    ),
    Seed(
        "nobody_named_inside",
        service(
            rpc("A", ask="Query", told="Nothing"),
            messages=f"message Query {{ message Inner {{ {CLINICAL} }} repeated Inner inner = 1; }}",
        ),
        (("unnamed-patient", "@.S/A"),),
    ),
    Seed(
        "unmarked",
        service(
            rpc("A", ask="Query", told="Answer"),
            messages=f"message Query {{ {CLINICAL} string who = 2 {PATIENT}; }}"
            f"message Answer {{ repeated string patient_ids = 1 {OPERATIONAL}; }}",
        ),
        (("unmarked-patient", "@.Answer.patient_ids"),),
    ),
    Seed(
        "marked_number",
        fields(f"uint32 patient = 1 {PATIENT};"),
        (("unmarked-patient", "@.Query.patient"),),
    ),
    Seed(
        "two_logs",
        service(
            rpc("A", "audience: AUDIENCE_AUDITED", ask="Query", told="Nothing"),
            rpc("B", "audience: AUDIENCE_AUDITED", ask="Query", told="Nothing"),
            messages=f"message Query {{ {CLINICAL} }}",
        ),
        (("second-access-log", "@.S/B"),),
    ),
    Seed(
        "no_code",
        "enum SeedError { SEED_ERROR_UNSPECIFIED = 0; SEED_ERROR_LOST = 1; SEED_ERROR_KNOWN = 2 "
        "[(plexus.policy.v1.error) = {code: NOT_FOUND}]; }",
        (("error-without-code", "@.SeedError.SEED_ERROR_LOST"),),
        file="errors.proto",
    ),
)

CALLS = (
    Seed(
        "call_to_nowhere",
        service(rpc("A", requires("@.S/Gone"))),
        (("unknown-method", "@.S/A"),),
    ),
    Seed(
        "task_to_nowhere",
        service(task(tries("@.S/Gone")), rpc("A")),
        (("unknown-method", "@.S task t"),),
    ),
    Seed(
        "feed_from_nowhere",
        service(task('follows: "@.S/Gone"'), rpc("A")),
        (("unknown-method", "@.S task t"),),
    ),
    Seed(
        "vague_call",
        service(rpc("A", 'calls: { method: "@.S/B" }', deadline=1001), rpc("B")),
        (("call-without-need", "@.S/A"),),
    ),
    Seed(
        "effect_unsaid",
        service(rpc("A", tries("@.S/B", effect=" "), deadline=1001), rpc("B")),
        (("optional-without-effect", "@.S/A"),),
    ),
    Seed(
        "task_effect_unsaid",
        service(task(tries("@.S/A", effect="")), rpc("A")),
        (("optional-without-effect", "@.S task t"),),
    ),
    Seed(
        "said_twice",
        service(rpc("A", requires("@.S/B"), tries("@.S/B"), deadline=1001), rpc("B")),
        (("call-declared-twice", "@.S/A"),),
    ),
    Seed(
        "unary_feed",
        service(task('follows: "@.S/A"'), rpc("A")),
        (("follows-no-stream", "@.S task t"),),
    ),
    Seed(
        "two_way_feed",
        service(task('follows: "@.S/A"'), rpc("A", ask="stream Ask", told="stream Told")),
        (("follows-no-stream", "@.S task t"),),
    ),
    Seed(
        "needs_itself",
        service(rpc("A", requires("@.S/A"))),
        (("required-cycle", "@.S/A"), ("deadline-inversion", "@.S/A")),
    ),
    Seed(
        "need_each_other",
        service(
            rpc("A", requires("@.S/B"), deadline=3000),
            rpc("B", requires("@.S/C"), deadline=2000),
            rpc("C", requires("@.S/A"), deadline=1000),
        ),
        (("required-cycle", "@.S/A"), ("deadline-inversion", "@.S/C")),
    ),
    Seed(
        "too_long",
        service(rpc("A", requires("@.S/B"), deadline=1000), rpc("B", deadline=1000)),
        (("deadline-inversion", "@.S/A"),),
    ),
    Seed(
        "too_long_together",
        service(
            rpc("A", requires("@.S/B"), tries("@.S/C"), deadline=1500),
            rpc("B", deadline=1000),
            rpc("C", deadline=500),
        ),
        (("deadline-inversion", "@.S/A"),),
    ),
    Seed(
        "vital_on_routine",
        service(rpc("A", requires("@.S/B"), deadline=1001, criticality="VITAL"), rpc("B")),
        (("criticality-inversion", "@.S/A"),),
    ),
    Seed(
        "routine_on_sheddable",
        service(rpc("A", requires("@.S/B"), deadline=1001), rpc("B", criticality="SHEDDABLE")),
        (("criticality-inversion", "@.S/A"),),
    ),
    Seed(
        "retry_of_once",
        service(
            rpc("A", tries("@.S/B"), level=IDEMPOTENT, deadline=1001),
            rpc("B", level=ONCE),
        ),
        (("unrepeatable-call", "@.S/A"),),
    ),
    Seed(
        "task_of_once",
        service(task(requires("@.S/B")), rpc("B", level=ONCE)),
        (("unrepeatable-call", "@.S task t"),),
    ),
    Seed(
        "chain_of_four",
        service(
            rpc("Start", requires("@.S/A"), deadline=5000, level=ONCE),
            rpc("A", requires("@.S/B"), deadline=4000),
            rpc("B", requires("@.S/C"), deadline=3000),
            rpc("C", tries("@.S/D"), deadline=2000),
            rpc("D"),
        ),
        (("unbounded-attempts", "@.S/A"),),
    ),
    Seed(
        "endless",
        service(
            rpc("A", requires("@.S/B"), deadline=2000),
            rpc("B", tries("@.S/A"), deadline=1000),
        ),
        (("unbounded-attempts", "@.S/A"), ("deadline-inversion", "@.S/B")),
    ),
    Seed(
        "nothing_to_say",
        service(rpc("A", tries("@.S/B"), deadline=1001, told="Nothing"), rpc("B")),
        (("silent-degradation", "@.S/A"),),
    ),
    Seed(
        "one_word_only",
        service(
            rpc("A", tries("@.S/B"), deadline=1001, told="Single"),
            rpc("B"),
            messages="message Single { plexus.type.v1.Degradation degradations = 1; }",
        ),
        (("silent-degradation", "@.S/A"),),
    ),
)

FAULTY = (*STATEMENTS, *CALLS)
