"""Pictures and pages of what others wrote; nothing here changes a run."""
