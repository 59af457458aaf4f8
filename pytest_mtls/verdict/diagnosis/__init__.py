"""Why a handshake ended as it did, and what to do.

`symptoms` has the table: symptom, evidence, cause, remedy. Where no symptom is there, `causes` has what goes with the reason.
"""
