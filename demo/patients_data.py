"""The vocabulary that synthetic patients are made of. Codes are those of SNOMED CT, LOINC, RxNorm
(http://www.nlm.nih.gov/research/umls/rxnorm), CVX and UCUM; the frequencies are invented."""

from dataclasses import dataclass

SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
CVX = "http://hl7.org/fhir/sid/cvx"
UCUM = "http://unitsofmeasure.org"
US_SSN = "http://hl7.org/fhir/sid/us-ssn"

Term = tuple[str, str]  # code, display

GIVEN_FEMALE = (
    "Alda",
    "Brisa",
    "Celia",
    "Dorit",
    "Elke",
    "Fanny",
    "Greta",
    "Hilda",
    "Ines",
    "Jutta",
)
GIVEN_MALE = ("Anton", "Bruno", "Casper", "Dario", "Emil", "Falk", "Gero", "Hugo", "Ivo", "Jasper")
FAMILIES = (
    "Testmann",
    "Sampleton",
    "Mockridge",
    "Fauxley",
    "Demarest",
    "Placeholt",
    "Trialoff",
    "Specimer",
    "Exemplar",
    "Dummwell",
)
STREETS = ("Sample Street", "Example Avenue", "Mockup Lane", "Fixture Road", "Placeholder Way")
CITIES = (("Testville", "MA", "02199"), ("Sampleburg", "VT", "05099"), ("Mockport", "ME", "04199"))
LANGUAGES = (("en-US", "English (United States)"), ("es", "Spanish"), ("de", "German"))
PAYERS = ("Example Mutual Health", "Sample State Plan", "Placeholder Senior Care")
CLINICS = ("Example Family Clinic", "Sample Harbor Clinic")
CLINICIANS = (("Vera", "Mockwell"), ("Oskar", "Sampson-Test"), ("Lena", "Exampleby"))


@dataclass(frozen=True, slots=True)
class Illness:
    """Who may have it (ages in years, inclusive; sex "" for any), how likely, its treatments, of
    which one is chosen, and how long it lasts (0: for life)."""

    term: Term
    ages: tuple[int, int]
    chance: float
    medicines: tuple[tuple[Term, str], ...] = ()
    sex: str = ""
    lasts_days: int = 0


ILLNESSES = (
    Illness(
        ("195967001", "Asthma"),
        (4, 70),
        0.14,
        ((("435", "albuterol"), "2 puffs every 4 to 6 hours as needed"),),
    ),
    Illness(
        ("59621000", "Essential hypertension"),
        (38, 105),
        0.45,
        (
            (("314076", "lisinopril 10 MG Oral Tablet"), "1 tablet once a day"),
            (("197361", "amlodipine 5 MG Oral Tablet"), "1 tablet once a day"),
        ),
    ),
    Illness(
        ("46635009", "Diabetes mellitus type 1"),
        (6, 45),
        0.05,
        (
            (
                ("311041", "insulin glargine 100 UNT/ML Injectable Solution"),
                "18 units under the skin at bedtime",
            ),
        ),
    ),
    Illness(
        ("44054006", "Diabetes mellitus type 2"),
        (46, 105),
        0.24,
        (
            (("861007", "metformin hydrochloride 500 MG Oral Tablet"), "1 tablet twice a day"),
            (
                ("311041", "insulin glargine 100 UNT/ML Injectable Solution"),
                "12 units under the skin at bedtime",
            ),
        ),
    ),
    Illness(
        ("49436004", "Atrial fibrillation"),
        (58, 105),
        0.18,
        (
            (("1364445", "apixaban 5 MG Oral Tablet"), "1 tablet twice a day"),
            (("855332", "warfarin sodium 5 MG Oral Tablet"), "as directed by INR"),
        ),
    ),
    Illness(
        ("13645005", "Chronic obstructive lung disease"),
        (48, 105),
        0.14,
        ((("69120", "tiotropium"), "1 inhalation once a day"),),
    ),
    Illness(
        ("370143000", "Major depressive disorder"),
        (15, 90),
        0.13,
        ((("310385", "fluoxetine 20 MG Oral Capsule"), "1 capsule in the morning"),),
    ),
    Illness(
        ("69896004", "Rheumatoid arthritis"),
        (28, 90),
        0.06,
        (
            (
                ("105585", "methotrexate 2.5 MG Oral Tablet"),
                "6 tablets once a week, on the same day",
            ),
        ),
    ),
    Illness(
        ("55822004", "Hyperlipidemia"),
        (35, 100),
        0.3,
        ((("617310", "atorvastatin 20 MG Oral Tablet"), "1 tablet at night"),),
    ),
    Illness(
        ("84114007", "Heart failure"),
        (62, 105),
        0.12,
        ((("313988", "furosemide 40 MG Oral Tablet"), "1 tablet in the morning"),),
    ),
    Illness(("72892002", "Normal pregnancy"), (18, 42), 0.14, sex="female", lasts_days=270),
    Illness(("37796009", "Migraine"), (12, 60), 0.1),
    Illness(
        ("40930008", "Hypothyroidism"),
        (25, 95),
        0.08,
        ((("10582", "levothyroxine"), "75 micrograms before breakfast"),),
    ),
    Illness(("709044004", "Chronic kidney disease"), (55, 105), 0.12),
    Illness(
        ("84757009", "Epilepsy"), (3, 80), 0.03, ((("114477", "levetiracetam"), "twice a day"),)
    ),
    Illness(("24079001", "Atopic dermatitis"), (0, 14), 0.2),
    Illness(("65363002", "Otitis media"), (0, 8), 0.35, lasts_days=10),
    Illness(("195662009", "Acute viral pharyngitis"), (3, 80), 0.25, lasts_days=7),
    Illness(("10509002", "Acute bronchitis"), (10, 95), 0.15, lasts_days=14),
)

ALLERGIES: tuple[tuple[str, Term, str, str, Term], ...] = (
    (RXNORM, ("7980", "penicillin G"), "medication", "high", ("39579001", "Anaphylaxis")),
    (RXNORM, ("1191", "aspirin"), "medication", "low", ("126485001", "Urticaria")),
    (RXNORM, ("2670", "codeine"), "medication", "low", ("422587007", "Nausea")),
    (SNOMED, ("102263004", "Eggs (edible)"), "food", "low", ("126485001", "Urticaria")),
    (SNOMED, ("111088007", "Latex"), "environment", "low", ("126485001", "Urticaria")),
)

# code, display, days of life at which it is due
CHILD_VACCINES = (
    ("08", "Hep B, adolescent or pediatric", (0, 30, 180)),
    ("119", "rotavirus, monovalent", (60, 120)),
    ("20", "DTaP", (60, 120, 180)),
    ("133", "Pneumococcal conjugate PCV 13", (60, 120)),
    ("03", "MMR", (365,)),
    ("21", "varicella", (365,)),
)
ADULT_VACCINES = (
    ("140", "Influenza, seasonal, injectable, preservative free", 18),
    ("113", "Td (adult) preservative free", 25),
    ("187", "zoster recombinant", 50),
    ("33", "pneumococcal polysaccharide PPV23", 65),
)

# code, display, mean, spread, UCUM code and its words
LIPID_PANEL = (
    ("2093-3", "Cholesterol [Mass/volume] in Serum or Plasma", 195, 30, "mg/dL", "mg/dL"),
    ("2571-8", "Triglyceride [Mass/volume] in Serum or Plasma", 140, 40, "mg/dL", "mg/dL"),
    ("2085-9", "Cholesterol in HDL [Mass/volume] in Serum or Plasma", 52, 9, "mg/dL", "mg/dL"),
)
BLOOD_COUNT = (
    ("718-7", "Hemoglobin [Mass/volume] in Blood", 13.6, 1.1, "g/dL", "g/dL"),
    (
        "6690-2",
        "Leukocytes [#/volume] in Blood by Automated count",
        7.2,
        1.5,
        "10*3/uL",
        "10*3/uL",
    ),
    ("777-3", "Platelets [#/volume] in Blood by Automated count", 250, 45, "10*3/uL", "10*3/uL"),
)
SMOKING = (
    ("266919005", "Never smoked tobacco"),
    ("8517006", "Ex-smoker"),
    ("449868002", "Smokes tobacco daily"),
)

CHECK_UP: Term = ("185349003", "Encounter for check up")
PROCEDURES: dict[str, Term] = {
    "Atrial fibrillation": ("29303009", "Electrocardiographic procedure"),
    "Chronic obstructive lung disease": ("127783003", "Spirometry"),
    "Asthma": ("127783003", "Spirometry"),
    "Heart failure": ("40701008", "Echocardiography"),
    "Major depressive disorder": ("171207006", "Depression screening"),
}

# Every tenth patient is an infant, every fifth is old; the others lie between.
AGES = (
    (0, 1),
    (66, 79),
    (2, 12),
    (25, 45),
    (46, 65),
    (13, 24),
    (80, 97),
    (25, 45),
    (46, 65),
    (30, 60),
)
