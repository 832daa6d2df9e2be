"""The prepared folder: manifest, arrays and checksums, and the checks that reader and writer share."""
