"""One run: data → pre-training → adaptation → metrics → record."""
