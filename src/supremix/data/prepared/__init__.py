"""Read prepared folders: manifest, arrays and checksums, all checked."""
