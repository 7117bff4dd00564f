"""What ``vedette check`` looks at: everything that can keep a gateway from working, found before it does."""

from __future__ import annotations
