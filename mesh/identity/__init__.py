"""Who is who: SPIFFE ids, the certificate authority, join tokens, access tokens, rotation."""
