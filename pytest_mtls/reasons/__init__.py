"""The vocabulary of verdicts: alerts, reasons, sides, TLS versions, settings."""
