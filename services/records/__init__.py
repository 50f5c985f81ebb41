"""Records owns what is known of a patient: demographics, encounters, conditions, observations,
allergies, medicines, immunizations, procedures, reports, documents and coverage, together with the
FHIR R4 resource each fact was read from, and who touched what of it at whichever service. It refuses
to own appointments (scheduling), assessments of symptoms (triage) and money (billing), and it never
alters a resource that it was given: a newer version replaces it, nothing edits it."""
